//! The settings as they are, at most a second old.
//!
//! A server reads them again when somebody needs them and they are older than that, so one that is
//! asked nothing reads nothing. While the database is away the last ones that were read count.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use drover_domain::settings::Values;
use drover_store::{Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How old they may be.
const AGE: Duration = Duration::from_secs(1);
/// They are read again a little before that, since reading takes time, too.
const FRESH: Duration = Duration::from_millis(800);
/// How long reading them may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// The settings.
pub(crate) struct Live {
    store: Store,
    known: RwLock<Option<(Instant, Arc<Values>)>>,
    reading: Mutex<()>,
}

impl Live {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            known: RwLock::new(None),
            reading: Mutex::new(()),
        }
    }

    /// The settings as they are.
    pub(crate) async fn values(&self) -> Arc<Values> {
        let asked = Instant::now();
        if let Some(values) = self.newer_than(asked.checked_sub(FRESH)) {
            return values;
        }
        // One reads, and the others are given what it has read.
        let _reading = self.reading.lock().await;
        if let Some(values) = self.newer_than(asked.checked_sub(AGE)) {
            return values;
        }
        let began = Instant::now();
        let read = timeout(PATIENCE, self.store.settings()).await;
        let read = read.unwrap_or(Err(StoreError::TimedOut(PATIENCE)));
        let values = match read {
            Ok(stored) => {
                let stored = stored.iter().map(|one| (one.name.as_str(), &one.value));
                Arc::new(Values::of(stored))
            }
            Err(error) => {
                tracing::warn!(%error, "the settings cannot be read; the last ones count");
                self.newer_than(None).unwrap_or_default()
            }
        };
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = Some((began, values.clone()));
        values
    }

    /// Has the settings read again before they are used the next time.
    pub(crate) fn forget(&self) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        *known = None;
    }

    /// What was read after a moment, or at all.
    fn newer_than(&self, moment: Option<Instant>) -> Option<Arc<Values>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let known = known.as_ref();
        let known = known.filter(|(read, _)| moment.is_none_or(|moment| *read > moment));
        known.map(|(_, values)| values.clone())
    }

    /// The longest that an answer is held back, where the configuration says so much.
    pub(crate) async fn longest_wait(&self, configured: Duration) -> Duration {
        let seconds = self.values().await.longest_wait_seconds;
        let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
        seconds.map_or(configured, Duration::from_secs)
    }
}
