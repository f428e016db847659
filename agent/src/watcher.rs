//! Turns the runtime's events into observations.
//!
//! An event names a container; the watcher waits for that container's turn in the ledger, looks at
//! it, and tells the [`Reports`](crate::reports). However many events there are, at most one
//! observation of a container waits at a time, and few are made at a time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drover_domain::{ResourceId, ResourceRef, ResourceType};
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::ledger::Ledger;
use crate::reports::Reports;
use crate::runtime::{Runtime, RuntimeEvent};

/// Observations made at a time.
const AT_A_TIME: usize = 8;
/// Observations that wait; beyond that, an inventory tells of all.
const WAITING_LIMIT: usize = 4_096;

/// See the module.
pub(crate) struct Watcher {
    runtime: Arc<dyn Runtime>,
    ledger: Ledger,
    reports: Arc<Reports>,
    waiting: Mutex<HashSet<ResourceId>>,
    permits: Semaphore,
}

impl Watcher {
    pub(crate) fn new(runtime: Arc<dyn Runtime>, ledger: Ledger, reports: Arc<Reports>) -> Self {
        Self {
            runtime,
            ledger,
            reports,
            waiting: Mutex::default(),
            permits: Semaphore::new(AT_A_TIME),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<ResourceId>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches until the program ends.
    pub(crate) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut events = self.runtime.watch();
        loop {
            let event = tokio::select! {
                () = shutdown.cancelled() => return,
                event = events.next() => event,
            };
            match event {
                Some(RuntimeEvent::Ended(id)) => self.ended(id, &shutdown),
                Some(RuntimeEvent::Gap) => self.reports.missed(Instant::now()),
                None => {
                    warn!("the runtime tells of no more events");
                    return;
                }
            }
        }
    }

    fn ended(self: &Arc<Self>, id: ResourceId, shutdown: &CancellationToken) {
        let mut waiting = self.waiting();
        if waiting.contains(&id) {
            return;
        }
        if waiting.len() >= WAITING_LIMIT {
            drop(waiting);
            self.reports.missed(Instant::now());
            return;
        }
        waiting.insert(id);
        drop(waiting);
        let watcher = Arc::clone(self);
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = watcher.observe(id) => {}
            }
        });
    }

    async fn observe(&self, id: ResourceId) {
        let container = ResourceRef {
            resource_type: ResourceType::Container,
            id,
        };
        let turn = self.ledger.line_up(container).turn().await;
        let permit = self.permits.acquire().await;
        // From here on a further event asks for a further look.
        self.waiting().remove(&id);
        match self.runtime.inspect(id).await {
            Ok(seen) => self.reports.observed(id, seen, Instant::now()),
            Err(error) => {
                debug!(container = %id, %error, "cannot look at a container that ended");
                self.reports.missed(Instant::now());
            }
        }
        drop((permit, turn));
    }
}
