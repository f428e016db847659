//! Waking what waits for something that has happened.

use drover_domain::process::WaitsFor;
use drover_store::clock::Clock;
use drover_store::{Ready, Store, StoreError, WOKEN_AT_ONCE};

/// The most transactions for one event. What is left after so many looks by itself.
const PAGES: usize = 100;

/// Makes all those due that wait for something, a page at a time, and gives the first of them: so
/// many as can be worked on at once. The others are found by the sweeps, a portion each.
pub(crate) async fn wake(
    store: &Store,
    clock: &dyn Clock,
    waits_for: WaitsFor,
) -> Result<Vec<Ready>, StoreError> {
    let first = store.wake(waits_for, clock.now()).await?;
    let mut woken = first.len();
    for _ in 1..PAGES {
        if woken < WOKEN_AT_ONCE {
            break;
        }
        woken = store.wake(waits_for, clock.now()).await?.len();
    }
    Ok(first)
}
