//! Tells those who wait how far a command is.
//!
//! Most commands are done before anybody wonders. One that takes longer, as a create that fetches an image, says
//! how far it is into a [`Progress`]; nothing is sent for that. Whoever waits for a reply is told every two
//! seconds what was said last: on the command that is carried out, and on those behind it in the line of the
//! same resource, since a server that has taken over asks by a command of its own. So the frames are few, whatever
//! a registry says how often. Nobody is told once the command's time is over.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_domain::ResourceRef;
use drover_proto::v1::{self, Reply, reply};
use tokio::time::{Instant, MissedTickBehavior};

use crate::executor::frame;
use crate::ledger::Ledger;
use crate::runtime::Progress;

/// How often those who wait are told.
const EVERY: Duration = Duration::from_secs(2);

/// What is under way, by what it is about.
type UnderWay = Arc<Mutex<HashMap<ResourceRef, Progress>>>;

/// See the module.
pub(crate) struct Telling {
    ledger: Ledger,
    under_way: UnderWay,
}

/// Somebody who waits for the reply to a command.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) command_id: &'a str,
    pub(crate) resource: ResourceRef,
    /// When nobody waits any more.
    pub(crate) expires: Option<Instant>,
}

/// An action that says how far it is, as long as this lives.
pub(crate) struct Told {
    under_way: UnderWay,
    resource: ResourceRef,
    progress: Progress,
}

impl Telling {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self {
            ledger,
            under_way: Arc::default(),
        }
    }

    /// Begins an action that says how far it is. There is one at a time for each resource.
    pub(crate) fn begin(&self, resource: ResourceRef) -> Told {
        let progress = Progress::default();
        lock(&self.under_way).insert(resource, progress.clone());
        Told {
            under_way: Arc::clone(&self.under_way),
            resource,
            progress,
        }
    }

    /// Does something, and tells meanwhile how far the resource is.
    pub(crate) async fn during<T>(&self, asked: Asked<'_>, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut tick = tokio::time::interval_at(Instant::now() + EVERY, EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = tick.tick() => self.tell(asked),
            }
        }
    }

    fn tell(&self, asked: Asked<'_>) {
        let is_over = asked
            .expires
            .is_some_and(|expires| expires <= Instant::now());
        let said: Option<v1::Progress> = match is_over {
            true => None,
            false => lock(&self.under_way)
                .get(&asked.resource)
                .and_then(Progress::last),
        };
        let Some(said) = said else { return };
        for waiter in self.ledger.waiters(asked.command_id) {
            let reply = Reply {
                command_id: asked.command_id.to_owned(),
                result: Some(reply::Result::Progress(said.clone())),
            };
            // One whose connection takes nothing now is told another time.
            drop(waiter.try_send(frame(reply)));
        }
    }
}

impl Told {
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.resource);
    }
}

fn lock(under_way: &UnderWay) -> MutexGuard<'_, HashMap<ResourceRef, Progress>> {
    // Nothing panics while it is held.
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}
