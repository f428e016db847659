//! Retention: history is forgotten after a while, a little at a time.
//!
//! Every process server does this. Two that do it at once delete the same rows, which is harmless,
//! and their jitter keeps them apart.

use std::sync::Arc;
use std::time::Duration;

use drover_domain::Timestamp;
use drover_store::clock::Clock;
use drover_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// Rows of one deletion.
const BATCH: u64 = 500;
/// The pause between looking whether there is something to forget.
const PAUSE: Duration = Duration::from_secs(30);
/// The pause between two deletions while there is more, so that others get their turn.
const BREATH: Duration = Duration::from_millis(50);

/// How long history is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Finished processes.
    pub processes: Duration,
    /// Change records.
    pub changes: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            processes: Duration::from_secs(7 * 24 * 60 * 60),
            changes: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// Forgets what is old until `shutdown`.
pub(crate) async fn run(
    store: Store,
    clock: Arc<dyn Clock>,
    retention: Retention,
    shutdown: CancellationToken,
) {
    // A short retention wants a short pause, or twice as much is kept as was asked for.
    let shortest = retention.processes.min(retention.changes);
    let usual = PAUSE.min(shortest / 4).max(Duration::from_secs(1));
    loop {
        let pause = match forget(&store, clock.now(), retention).await {
            Ok(forgotten) if forgotten >= BATCH => BREATH,
            Ok(_) => usual,
            Err(error) => {
                tracing::info!(%error, "nothing could be forgotten");
                usual
            }
        };
        let pause = pause.mul_f64(0.75 + rand::random::<f64>() / 2.0);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Forgets one batch of each kind, and tells how large the larger was.
async fn forget(store: &Store, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
    let processes = store
        .forget_processes(now.before(retention.processes), BATCH)
        .await?;
    let changes = store
        .forget_changes(now.before(retention.changes), BATCH)
        .await?;
    Ok(processes.max(changes))
}
