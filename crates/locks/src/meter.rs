//! The meter: how long locks are waited for, and what comes of it; the same for every
//! implementation.

use std::future::Future;
use std::time::Instant;

use drover_metrics::table::{LOCK_BATCH, LOCK_SECONDS, LOCK_SESSIONS_LOST, LOCKS};
use drover_metrics::{CounterHandle, HistogramHandle};

use crate::{Acquisition, LockError};

/// What is measured of one manager.
#[derive(Clone)]
pub(crate) struct Meter {
    seconds: HistogramHandle,
    batch: HistogramHandle,
    acquired: CounterHandle,
    held: CounterHandle,
    refused: CounterHandle,
    sessions_lost: CounterHandle,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            seconds: LOCK_SECONDS.of([]),
            batch: LOCK_BATCH.of([]),
            acquired: LOCKS.of(["acquired"]),
            held: LOCKS.of(["held"]),
            refused: LOCKS.of(["refused"]),
            sessions_lost: LOCK_SESSIONS_LOST.of([]),
        }
    }

    /// Measures how so many locks are taken.
    pub(crate) async fn measure(
        &self,
        locks: usize,
        acquiring: impl Future<Output = Result<Vec<Acquisition>, LockError>>,
    ) -> Result<Vec<Acquisition>, LockError> {
        let began = Instant::now();
        let answered = acquiring.await;
        self.seconds.record(began.elapsed());
        self.batch.record(locks as f64);
        match &answered {
            Ok(answers) => {
                let is_acquired =
                    |answer: &&Acquisition| matches!(answer, Acquisition::Acquired(_));
                let acquired = answers.iter().filter(is_acquired).count();
                self.acquired.increment(acquired as u64);
                self.held.increment((answers.len() - acquired) as u64);
            }
            Err(_) => self.refused.increment(locks as u64),
        }
        answered
    }

    /// Counts a session that was lost.
    pub(crate) fn session_lost(&self) {
        self.sessions_lost.increment(1);
    }
}
