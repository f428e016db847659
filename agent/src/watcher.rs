//! Turns the runtime's events, and changes of health, into observations.
//!
//! Either names a container; the watcher waits for that container's turn in the ledger, looks at
//! it, and tells the [`Reports`](crate::reports). However many events there are, at most one
//! observation of a container waits at a time, and few are made at a time. A start that a command was
//! for is not looked at: its reply, which is known by the time of the turn, has told of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drover_domain::{ResourceId, ResourceRef, ResourceType};
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::health::HealthChecks;
use crate::ledger::Ledger;
use crate::reports::Reports;
use crate::runtime::{Runtime, RuntimeEvent};

/// Observations made at a time.
const AT_A_TIME: usize = 8;
/// Observations that wait; beyond that, an inventory tells of all.
const WAITING_LIMIT: usize = 4_096;

/// Why a container is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// It ended, vanished, or is of other health.
    Changed,
    /// It was started.
    Began,
}

/// See the module.
pub(crate) struct Watcher {
    runtime: Arc<dyn Runtime>,
    ledger: Ledger,
    reports: Arc<Reports>,
    health: Arc<HealthChecks>,
    waiting: Mutex<HashMap<ResourceId, Why>>,
    permits: Semaphore,
}

impl Watcher {
    pub(crate) fn new(
        runtime: Arc<dyn Runtime>,
        ledger: Ledger,
        reports: Arc<Reports>,
        health: Arc<HealthChecks>,
    ) -> Self {
        Self {
            runtime,
            ledger,
            reports,
            health,
            waiting: Mutex::default(),
            permits: Semaphore::new(AT_A_TIME),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<ResourceId, Why>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches until the program ends.
    pub(crate) async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let mut events = self.runtime.watch();
        loop {
            let event = tokio::select! {
                () = shutdown.cancelled() => return,
                event = events.next() => event,
                changed = self.health.changed() => {
                    for id in changed {
                        self.look_at(id, Why::Changed, &shutdown);
                    }
                    continue;
                }
            };
            match event {
                Some(RuntimeEvent::Ended(id)) => self.look_at(id, Why::Changed, &shutdown),
                Some(RuntimeEvent::Began(id)) => self.look_at(id, Why::Began, &shutdown),
                Some(RuntimeEvent::Gap) => self.reports.missed(Instant::now()),
                None => {
                    warn!("the runtime tells of no more events");
                    return;
                }
            }
        }
    }

    fn look_at(self: &Arc<Self>, id: ResourceId, why: Why, shutdown: &CancellationToken) {
        let mut waiting = self.waiting();
        if let Some(known) = waiting.get_mut(&id) {
            if why == Why::Changed {
                *known = why;
            }
            return;
        }
        if waiting.len() >= WAITING_LIMIT {
            drop(waiting);
            self.reports.missed(Instant::now());
            return;
        }
        waiting.insert(id, why);
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
        let is_sole_reason = self.waiting().remove(&id) == Some(Why::Began);
        if is_sole_reason && self.reports.is_told_to_run(id) {
            return;
        }
        match self.runtime.inspect(id).await {
            Ok(mut seen) => {
                self.health.look(id, &mut seen);
                self.reports.observed(id, seen, Instant::now());
            }
            Err(error) => {
                debug!(container = %id, %error, "cannot look at a container that has changed");
                self.reports.missed(Instant::now());
            }
        }
        drop((permit, turn));
    }
}
