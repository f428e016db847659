//! Retention: history is forgotten after a while, a little at a time.
//!
//! Every process server does this. Two that do it at once delete the same rows, which is harmless,
//! and their jitter keeps them apart.

use std::sync::Arc;
use std::time::Duration;

use drover_domain::Timestamp;
use drover_domain::settings::Values;
use drover_store::clock::Clock;
use drover_store::{Store, StoreError};
use tokio_util::sync::CancellationToken;

/// Rows of one deletion. With a [`BREATH`] between two, some ten thousand a second are forgotten, which is more
/// than a server brings about.
const BATCH: u64 = 1_000;
/// The pause between looking whether there is something to forget.
const PAUSE: Duration = Duration::from_secs(30);
/// The pause between two deletions while there is more, so that others get their turn.
const BREATH: Duration = Duration::from_millis(25);

/// How long history is kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Finished processes.
    pub processes: Duration,
    /// Change records.
    pub changes: Duration,
    /// The audit log, and the history of logins, which is kept for a day at least.
    pub audit: Duration,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            processes: Duration::from_secs(7 * 24 * 60 * 60),
            changes: Duration::from_secs(24 * 60 * 60),
            audit: Duration::from_secs(90 * 24 * 60 * 60),
        }
    }
}

/// How long logins are kept at least: those that failed are counted against the next.
const LOGINS: Duration = Duration::from_secs(24 * 60 * 60);

/// How long answers are kept for whoever repeats a request.
const ANSWERS: Duration = Duration::from_secs(24 * 60 * 60);
/// How long agent servers are kept that have ended.
const AGENT_SERVERS: Duration = Duration::from_secs(24 * 60 * 60);

/// How long each kind of history is kept, with what operators have set.
#[derive(Clone, Copy, Debug)]
struct Ages {
    processes: Duration,
    changes: Duration,
    audit: Duration,
}

impl Ages {
    fn of(settings: &Values, retention: Retention) -> Self {
        let hours = |number: Option<i64>| {
            let hours = number.and_then(|number| u64::try_from(number).ok())?;
            Some(Duration::from_secs(hours.saturating_mul(60 * 60)))
        };
        let days = |number: Option<i64>| hours(number).map(|hours| hours.saturating_mul(24));
        Self {
            processes: days(settings.process_retention_days).unwrap_or(retention.processes),
            changes: hours(settings.change_retention_hours).unwrap_or(retention.changes),
            audit: days(settings.audit_retention_days).unwrap_or(retention.audit),
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
    let shortest = retention
        .processes
        .min(retention.changes)
        .min(retention.audit);
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

/// Forgets one batch of each kind, and tells how large the largest was.
async fn forget(store: &Store, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
    let stored = store.settings().await?;
    let stored = stored.iter().map(|one| (one.name.as_str(), &one.value));
    let ages = Ages::of(&Values::of(stored), retention);
    let forgotten = [
        store
            .forget_processes(now.before(ages.processes), BATCH)
            .await?,
        store
            .forget_changes(now.before(ages.changes), BATCH)
            .await?,
        store.forget_audit(now.before(ages.audit), BATCH).await?,
        store
            .forget_logins(now.before(ages.audit.max(LOGINS)), BATCH)
            .await?,
        store.forget_answers(now.before(ANSWERS), BATCH).await?,
        store.forget_sessions(now, BATCH).await?,
        store.forget_tickets(now, BATCH).await?,
        store
            .forget_agent_servers(now.before(AGENT_SERVERS))
            .await?,
    ];
    Ok(forgotten.into_iter().max().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_operators_set_counts_before_what_the_configuration_says() {
        let retention = Retention::default();
        let ages = Ages::of(&Values::default(), retention);
        assert_eq!(ages.processes, retention.processes);
        assert_eq!(ages.audit, Duration::from_secs(90 * 24 * 60 * 60));
        let settings = Values {
            process_retention_days: Some(1),
            change_retention_hours: Some(2),
            ..Values::default()
        };
        let ages = Ages::of(&settings, retention);
        assert_eq!(ages.processes, Duration::from_secs(24 * 60 * 60));
        assert_eq!(ages.changes, Duration::from_secs(2 * 60 * 60));
    }
}
