//! Health checks: whether the containers of this host do their work.
//!
//! # Theory of operation
//!
//! ```text
//!   whatever is seen of a container       it runs, and has a check         at each interval
//!   (replies, events, inventories)  ---->  a task of its own  -------->  probe --> course
//!                                          it runs no more: no task                  |
//!                                                                       another state? a look, as after
//!                                                                       an event, and so a report
//! ```
//!
//! The check of a container comes with the command that makes it, and is kept as a label of the
//! container: an agent that is started anew reads it there, so that the checks go on whether or not any
//! server is within reach, and nobody has to send anything again. Its start period begins anew then.
//!
//! Nothing is told but changes of the state ([`Course`]). Such a change leads to an observation of the
//! container like an event of the runtime does, and what was observed is reported until it is settled
//! ([`Reports`](crate::reports)). The state is a part of everything that is told of the container:
//! replies, reports, inventories.
//!
//! A probe is made at most [`AT_A_TIME`] times at once, and each ends at its timeout. One that fails has
//! the container looked at: if that runs no more, which an event should have told, the task ends. A task
//! costs some hundred bytes.

mod course;
pub(crate) mod probe;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use drover_domain::ResourceId;
use drover_domain::resource::{HealthCheck, HealthState};
use drover_proto::v1::{CreateContainer, SeenContainer, seen_container};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, warn};

use self::course::Course;
use crate::backoff::{Backoff, jittered};
use crate::generations::Generations;
use crate::runtime::Runtime;

/// Probes made at a time.
const AT_A_TIME: usize = 32;
/// Containers whose check is remembered; of others the runtime is asked.
const CHECKS_LIMIT: usize = 10_000;
/// The first probe comes after so long, or after an interval if that is shorter.
const FIRST_AFTER: Duration = Duration::from_secs(1);
/// No more of the words of a probe are told.
const MESSAGE_LIMIT: usize = 500;

/// See the module.
pub(crate) struct HealthChecks {
    runtime: Arc<dyn Runtime>,
    books: Mutex<Books>,
    changed: Notify,
    permits: Semaphore,
}

struct Books {
    checks: Generations<ResourceId, Option<HealthCheck>>,
    running: HashMap<ResourceId, Run>,
    changed: HashSet<ResourceId>,
}

/// A container that runs.
struct Run {
    began: Instant,
    /// What was found out; none if there is no check, or nobody knows yet.
    state: Option<HealthState>,
    message: String,
    _task: Option<AbortOnDropHandle<()>>,
}

impl HealthChecks {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Arc<Self> {
        Arc::new(Self {
            runtime,
            books: Mutex::new(Books {
                checks: Generations::new(CHECKS_LIMIT),
                running: HashMap::new(),
                changed: HashSet::new(),
            }),
            changed: Notify::new(),
            permits: Semaphore::new(AT_A_TIME),
        })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A container is made: its check is known from now on.
    pub(crate) fn made(&self, id: ResourceId, wanted: &CreateContainer) {
        match check_of(wanted) {
            Ok(check) => self.books().checks.insert(id, check),
            Err(error) => debug!(container = %id, %error, "its health check is unsound"),
        }
    }

    /// A container was seen: its check goes on, begins or ends, and what is known of its health is added
    /// to what was seen.
    pub(crate) fn look(self: &Arc<Self>, id: ResourceId, seen: &mut SeenContainer) {
        let mut books = self.books();
        if seen.state() != seen_container::State::Running {
            books.running.remove(&id);
            return;
        }
        if !books.running.contains_key(&id) {
            let known = books.checks.get(id);
            let run = self.begin(id, known, &seen.address);
            books.running.insert(id, run);
        }
        let Some(run) = books.running.get(&id) else {
            return;
        };
        if let Some(state) = run.state {
            seen.set_health(state.into());
            seen.health_message.clone_from(&run.message);
        }
        let ran = run.began.elapsed().as_millis();
        seen.ran_millis = Some(i64::try_from(ran).unwrap_or(i64::MAX));
    }

    /// The containers whose health has changed since it was last asked; waits until there are some.
    pub(crate) async fn changed(&self) -> HashSet<ResourceId> {
        loop {
            let changed = std::mem::take(&mut self.books().changed);
            if !changed.is_empty() {
                return changed;
            }
            self.changed.notified().await;
        }
    }

    fn begin(
        self: &Arc<Self>,
        id: ResourceId,
        known: Option<Option<HealthCheck>>,
        address: &str,
    ) -> Run {
        let state = known
            .as_ref()
            .and_then(|check| check.as_ref())
            .map(|_| HealthState::Starting);
        let task = (known != Some(None)).then(|| {
            let checks = Arc::downgrade(self);
            let runtime = Arc::clone(&self.runtime);
            let address = address.to_owned();
            let check = known.flatten();
            AbortOnDropHandle::new(tokio::spawn(async move {
                let check = match check {
                    Some(check) => check,
                    None => match learn(&checks, &*runtime, id).await {
                        Some(check) => check,
                        None => return,
                    },
                };
                go_on(&checks, &*runtime, id, &check, &address).await;
            }))
        });
        Run {
            began: Instant::now(),
            state,
            message: String::new(),
            _task: task,
        }
    }

    fn set(&self, id: ResourceId, state: HealthState, message: &str) {
        let mut books = self.books();
        let Some(run) = books.running.get_mut(&id) else {
            return;
        };
        run.state = Some(state);
        message.clone_into(&mut run.message);
        books.changed.insert(id);
        drop(books);
        self.changed.notify_one();
    }
}

/// The check that a command asks for.
fn check_of(wanted: &CreateContainer) -> Result<Option<HealthCheck>, drover_proto::Malformed> {
    let check = wanted.health_check.as_ref();
    check.map(HealthCheck::try_from).transpose()
}

/// Asks the runtime for the check of a container that this agent has not made since it was started.
async fn learn(
    checks: &Weak<HealthChecks>,
    runtime: &dyn Runtime,
    id: ResourceId,
) -> Option<HealthCheck> {
    let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));
    let check = loop {
        match runtime.health_check(id).await {
            Ok(check) => break check,
            Err(error) => debug!(container = %id, %error, "its health check is not known yet"),
        }
        tokio::time::sleep(backoff.next()).await;
    };
    let checks = checks.upgrade()?;
    checks.books().checks.insert(id, check.clone());
    if check.is_some() {
        checks.set(id, HealthState::Starting, "");
    }
    check
}

/// Probes a container until it runs no more, or nobody wants to know.
async fn go_on(
    checks: &Weak<HealthChecks>,
    runtime: &dyn Runtime,
    id: ResourceId,
    check: &HealthCheck,
    address: &str,
) {
    let began = Instant::now();
    let mut course = Course::new(check);
    let mut pause = jittered(FIRST_AFTER.min(check.interval()));
    loop {
        tokio::time::sleep(pause).await;
        pause = check.interval();
        let Some(checks) = checks.upgrade() else {
            return;
        };
        let Ok(permit) = checks.permits.acquire().await else {
            return;
        };
        let trying = runtime.probe(id, &check.probe, address);
        let tried = tokio::time::timeout(check.timeout(), trying).await;
        drop(permit);
        let tried = tried.unwrap_or_else(|_| {
            let seconds = check.timeout_seconds;
            Err(format!("no answer within {seconds} s"))
        });
        if tried.is_err() && runs_no_more(runtime, id).await {
            return;
        }
        let Some(state) = course.note(tried.is_ok(), began.elapsed()) else {
            continue;
        };
        let message = tried.err().unwrap_or_default();
        let message: String = message.chars().take(MESSAGE_LIMIT).collect();
        if state == HealthState::Unhealthy {
            warn!(container = %id, message, "the container is unhealthy");
        }
        checks.set(id, state, &message);
    }
}

async fn runs_no_more(runtime: &dyn Runtime, id: ResourceId) -> bool {
    let seen = runtime.inspect(id).await;
    seen.is_ok_and(|seen| seen.state() != seen_container::State::Running)
}

#[cfg(test)]
mod tests;
