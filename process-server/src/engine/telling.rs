//! Telling: who hears of a write once it is committed.
//!
//! Nothing here is needed for anything but speed. What nobody is told of is found by the sweep, by
//! the clock, or by whoever looks again.

use drover_domain::engine::Next;
use drover_domain::process::WaitsFor;
use drover_domain::write::ProcessWrite;
use drover_domain::{Process, ResourceType, State};

use super::runner::Runner;
use crate::{vitals, waking};

impl Runner {
    pub(super) async fn announce(&self, write: &ProcessWrite, next: Next) {
        if !write.passed.is_empty() {
            self.announcer.changed().await;
        }
        if matches!(next, Next::End | Next::Chain) {
            let follower = write.successor.iter();
            let ended = follower.filter(|follower| follower.phase.is_finished());
            for process in std::iter::once(&write.process).chain(ended) {
                let Process { phase, message, .. } = process;
                tracing::info!(ended = %process.id, %phase, message, "process ended");
                vitals::process_ended(process);
                self.announcer.ended(process.id).await;
            }
        }
        self.tell_family(write, next).await;
        if let Some((resource, _)) = &write.resource
            && resource.resource_type() == ResourceType::Host
            && resource.state == State::Active
        {
            self.surroundings.hosts.forget();
            self.wake(WaitsFor::Room).await;
        }
        self.wake_recovered().await;
    }

    /// Wakes what waits for hosts that this server had left alone and that are well again.
    pub(crate) async fn wake_recovered(&self) {
        for host in self.surroundings.agents.breakers().take_recovered() {
            self.wake(WaitsFor::Host(host)).await;
        }
    }

    /// Tells what children were born, and wakes a parent whose last child has ended: its own
    /// process, if that has begun to wait after they did.
    async fn tell_family(&self, write: &ProcessWrite, next: Next) {
        for child in &write.children {
            let Process {
                id,
                resource,
                priority,
                ..
            } = child.process;
            self.announcer.ready(id, resource, priority).await;
        }
        let process = &write.process;
        let parent = match next {
            Next::End => process.parent,
            Next::Rest if process.waits_for == Some(WaitsFor::Children) => Some(process.id),
            _ => None,
        };
        let Some(parent) = parent else { return };
        let store = &self.surroundings.store;
        match store.wake_parent(parent, self.clock.now()).await {
            Ok(Some(ready)) => {
                self.announcer
                    .ready(ready.process, ready.resource, ready.priority)
                    .await;
            }
            Ok(None) => {}
            Err(error) => tracing::info!(%error, "a parent was not woken, it looks by itself"),
        }
    }

    /// Makes those due that wait for something which has happened. The sweep takes them up.
    async fn wake(&self, waits_for: WaitsFor) {
        let store = &self.surroundings.store;
        if let Err(error) = waking::wake(store, &*self.clock, waits_for).await {
            tracing::info!(%error, "nobody was woken, they look again by themselves");
        }
    }
}
