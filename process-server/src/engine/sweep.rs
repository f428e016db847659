//! The sweep: finds the work that no hint told of.
//!
//! It looks for rows that are due: queued ones whose hint was lost, waiting ones whose moment has
//! come, running ones whose owner has not written for a lease. Whether an owner is dead is not
//! decided here: the lock is.

use std::sync::Arc;
use std::time::Duration;

use drover_store::clock::Clock;
use drover_store::{Ready, Store, StoreError};
use tokio_util::sync::CancellationToken;

use super::offers::Offers;

/// Processes of one sweep. What is left is found by the next one.
const LIMIT: u64 = 1_000;

/// What is due and nobody is known to work on.
pub(crate) async fn due(store: &Store, clock: &dyn Clock) -> Result<Vec<Ready>, StoreError> {
    store.due(clock.now(), LIMIT).await
}

/// Sweeps until `shutdown`, first at once.
pub(crate) async fn run(
    store: Store,
    clock: Arc<dyn Clock>,
    offers: Offers,
    interval: Duration,
    shutdown: CancellationToken,
) {
    let mut was_reached = true;
    loop {
        match due(&store, &*clock).await {
            Ok(due) => {
                was_reached = true;
                for ready in due {
                    offers.now(ready);
                }
            }
            Err(error) if was_reached => {
                was_reached = false;
                tracing::warn!(%error, source = ?std::error::Error::source(&error), "cannot sweep");
            }
            Err(_) => {}
        }
        let pause = interval.mul_f64(0.5 + rand::random::<f64>() / 2.0);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}
