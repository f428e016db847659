//! Holding an answer back until a process has ended.
//!
//! The bus tells when a process ends; it may lose that, so the row is looked at now and then as
//! well. Nothing waits here but the request itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_bus::{EventBus, Subscribe, ended_in};
use drover_domain::{Process, ProcessId};
use drover_store::{Store, StoreError};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the row is looked at without being told.
const LOOK: Duration = Duration::from_millis(500);

/// Those who wait for the end of processes.
#[derive(Default)]
pub(crate) struct Waiters {
    by_process: Mutex<HashMap<ProcessId, Arc<Notify>>>,
}

impl Waiters {
    /// Passes on what the bus tells, until `shutdown`.
    pub(crate) async fn listen(&self, bus: Arc<dyn EventBus>, shutdown: CancellationToken) {
        loop {
            let subscribed = tokio::select! {
                subscribed = bus.subscribe(Subscribe::processes_ended()) => subscribed,
                () = shutdown.cancelled() => return,
            };
            if let Ok(mut ended) = subscribed {
                loop {
                    let envelope = tokio::select! {
                        envelope = ended.next() => envelope,
                        () = shutdown.cancelled() => return,
                    };
                    let Some(envelope) = envelope else { break };
                    ended_in(&envelope).for_each(|process| self.tell(process));
                }
            }
            let pause = LOOK.mul_f64(0.5 + rand::random::<f64>());
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    fn tell(&self, process: ProcessId) {
        let by_process = self
            .by_process
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = by_process.get(&process) {
            waiting.notify_waiters();
        }
    }

    /// A process once it has ended, or as it is when the time is over; none if there is none.
    pub(crate) async fn wait(
        &self,
        store: &Store,
        process: ProcessId,
        until: Instant,
        shutdown: &CancellationToken,
    ) -> Result<Option<Process>, StoreError> {
        let waiting = Waiting::begin(self, process);
        loop {
            let told = waiting.notify.notified();
            tokio::pin!(told);
            // From here on nothing is missed, though the row is read first.
            told.as_mut().enable();
            let row = store.process(process).await?;
            let is_over = row.as_ref().is_none_or(|row| row.phase.is_finished());
            if is_over || Instant::now() >= until || shutdown.is_cancelled() {
                return Ok(row);
            }
            let look = Instant::now() + LOOK.mul_f64(0.75 + rand::random::<f64>() / 2.0);
            tokio::select! {
                () = told => {}
                () = tokio::time::sleep_until(look.min(until)) => {}
                () = shutdown.cancelled() => {}
            }
        }
    }
}

/// One who waits; the last one to go takes the entry along.
struct Waiting<'a> {
    waiters: &'a Waiters,
    process: ProcessId,
    notify: Arc<Notify>,
}

impl<'a> Waiting<'a> {
    fn begin(waiters: &'a Waiters, process: ProcessId) -> Self {
        let mut by_process = waiters
            .by_process
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let notify = by_process.entry(process).or_default().clone();
        Self {
            waiters,
            process,
            notify,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut by_process = self
            .waiters
            .by_process
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // One reference here, one in the map.
        if Arc::strong_count(&self.notify) <= 2 {
            by_process.remove(&self.process);
        }
    }
}
