//! The decisions of the process engine: what follows the outcome of a step.
//!
//! The process server asks [`begin`] which step to run, runs it, and hands its [`Outcome`] to
//! [`advance`], which answers with the rows to write and with what to do once they are written.
//! The engine decides; it does nothing.
//!
//! ```text
//!   Outcome    budget left?                 write                            then
//!   Done       another step follows         journal, the step's changes      Continue
//!   Done       it was the last one          done state, end of the process   End, or Chain
//!   Done       what follows is foregone     what that changes as well        as after that
//!   Wait       before the deadline          waiting until, waiting on        Rest
//!   Partly     before the deadline          the same, the step's changes     Rest
//!   Delegate   before the deadline          children, waiting on them        Rest
//!   Retry      attempts and time left       waiting, with backoff            Rest
//!   Retry      none left                    failure (below)
//!   Fail                                    failure (below)
//!
//!   failure of a process that is atomic     why it failed, then its undo     Continue
//!   failure of any other, or of an undo     error, failed                    End
//! ```
//!
//! Every process ends: attempts are counted for each step, and each process has a deadline after
//! which any outcome that is not the end is turned into a failure. Of the deadline of an atomic
//! process a part is kept for its undo, so that this ends in time as well.

mod backoff;
pub mod breaker;
mod cancel;
mod ending;
mod failure;
mod foregone;
pub mod turns;

use std::time::Duration;

pub use backoff::backoff;
pub use cancel::{Cancellation, cancel};
use ending::{change, end, finish_step};
use failure::{fail, retry};
pub use foregone::foregone;

use crate::lifecycle::{Policies, Policy, Step};
use crate::process::{JournalEntry, Process, WaitsFor};
use crate::resource::Details;
use crate::write::{Intent, ProcessWrite, ReservationChange};
use crate::{Phase, ProcessId, Resource, ResourceId, Timestamp};

/// What a step says when it is over.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is true now, with these changes to write.
    Done(Box<Changes>),
    /// It cannot go on before something happens.
    Wait {
        /// For a person.
        reason: String,
        /// Look again after this long at the latest.
        delay: Duration,
        /// What would make it worth to look earlier.
        waits_for: Option<WaitsFor>,
        /// How much of what it waits for is done, in percent, if that is known.
        progress: Option<u8>,
    },
    /// A part of it is true now, with these changes to write; the step runs again for what is left.
    Partly {
        /// What is written.
        changes: Box<Changes>,
        /// What is left, for a person.
        reason: String,
        /// Go on after this long.
        delay: Duration,
        /// How much is done, in percent, if that is known.
        progress: Option<u8>,
    },
    /// It is for others to make true: processes of other resources, as children of this one. The
    /// step runs again once they are finished.
    Delegate {
        /// For a person.
        reason: String,
        /// What is asked of the others.
        children: Vec<Intent>,
    },
    /// It did not work and may work another time.
    Retry(Failure),
    /// It will never work.
    Fail(Failure),
}

impl Outcome {
    /// The step is done and nothing needs to be written but that.
    pub fn done() -> Self {
        Self::Done(Box::default())
    }
}

/// What a finished step changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The details of the resource, if they changed.
    pub details: Option<Details>,
    /// The host of the resource, if it changed.
    pub host: Option<Option<ResourceId>>,
    /// What is taken or given back on hosts.
    pub reservation: Option<ReservationChange>,
    /// Whether what the process that follows is to bring about is true already, so that both end at once.
    pub follower_is_done: bool,
}

/// Why a step did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// In words for a person, with the words of whoever refused.
    pub message: String,
}

impl Changes {
    /// These, and then others.
    fn and(self, later: Self) -> Self {
        Self {
            details: later.details.or(self.details),
            host: later.host.or(self.host),
            reservation: later.reservation.or(self.reservation),
            follower_is_done: self.follower_is_done || later.follower_is_done,
        }
    }
}

impl Failure {
    /// A failure in words for a person.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// What to do once the write is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Run the next step.
    Continue,
    /// Run the successor, under the same lock and fence.
    Chain,
    /// Give the lock back; the process waits.
    Rest,
    /// Give the lock back; the process is over.
    End,
}

/// What the engine cannot find out by itself.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// When the step was begun.
    pub began: Timestamp,
    /// At random, from 0 to 1: spreads what would otherwise come back all at once.
    pub jitter: f64,
    /// The id for a process that may follow.
    pub successor: ProcessId,
    /// How long the claim is left alone by other servers.
    pub lease: Duration,
    /// How long and how hard processes try.
    pub policies: &'a Policies,
}

/// What to do with a process that was claimed, or that finished a step.
#[derive(Clone, Debug, PartialEq)]
pub enum Begin {
    /// Run this step.
    Run(Step),
    /// Nothing is left to run: write this.
    Write(Box<ProcessWrite>, Next),
}

/// Whether what a process does first is decided by looking alone, and written: nobody else hears of it
/// before. Such a write can claim the process as well.
///
/// Not so for one that was left running: whoever left it may still write.
pub fn decides_first(process: &Process, resource: &Resource) -> bool {
    let is_decision = match process.next_step() {
        None => true,
        Some(Step::Place) => resource.host.is_none(),
        Some(step) => foregone(step, resource).is_some(),
    };
    is_decision && process.phase != Phase::Running
}

/// What a process does next: its next step; what follows one that is not run; its end, when all are
/// finished by a server that then died; or a failure, when its time is up.
pub fn begin(process: &Process, resource: &Resource, moment: Moment<'_>) -> Begin {
    let Some(step) = process.next_step() else {
        let (write, next) = end(process.clone(), resource, Changes::default(), moment);
        return Begin::Write(Box::new(write), next);
    };
    if let Some(changes) = foregone(step, resource) {
        let (write, next) = finish_step(process, resource, step, changes, moment);
        return Begin::Write(Box::new(write), next);
    }
    if !is_late(process, moment) {
        return Begin::Run(step);
    }
    let reason = process.message.as_deref().unwrap_or("it was never begun");
    let failure = Failure::new(format!("gave up at the deadline: {reason}"));
    let (write, next) = fail(process, resource, Some(step), failure, moment);
    Begin::Write(Box::new(write), next)
}

/// The write that follows the outcome of `step`, and what to do after it.
pub fn advance(
    process: &Process,
    resource: &Resource,
    step: Step,
    outcome: Outcome,
    moment: Moment<'_>,
) -> (ProcessWrite, Next) {
    match outcome {
        Outcome::Done(changes) => finish_step(process, resource, step, *changes, moment),
        Outcome::Wait { reason, .. }
        | Outcome::Partly { reason, .. }
        | Outcome::Delegate { reason, .. }
            if is_late(process, moment) =>
        {
            let message = format!("gave up at the deadline, while waiting: {reason}");
            fail(process, resource, Some(step), Failure::new(message), moment)
        }
        Outcome::Wait {
            reason,
            delay,
            waits_for,
            progress,
        } => (
            wait(process, step, reason, (delay, progress), waits_for, moment),
            Next::Rest,
        ),
        Outcome::Partly {
            changes,
            reason,
            delay,
            progress,
        } => {
            let mut write = wait(process, step, reason, (delay, progress), None, moment);
            // What it waited for until now has come.
            entry(&mut write.process, step, moment.began).waits_since = Some(moment.now);
            (change(write, resource, *changes, moment), Next::Rest)
        }
        Outcome::Delegate { reason, children } => {
            let waits_for = Some(WaitsFor::Children);
            let mut write = wait(process, step, reason, (LOOK_AFTER, None), waits_for, moment);
            write.children = adopt(process, children);
            (write, Next::Rest)
        }
        Outcome::Retry(failure) => retry(process, resource, step, failure, moment),
        Outcome::Fail(failure) => fail(process, resource, Some(step), failure, moment),
    }
}

/// How long a parent waits at most before it looks after its children by itself. The end of the
/// last one wakes it earlier.
const LOOK_AFTER: Duration = Duration::from_secs(10);

fn wait(
    process: &Process,
    step: Step,
    reason: String,
    (delay, progress): (Duration, Option<u8>),
    waits_for: Option<WaitsFor>,
    moment: Moment<'_>,
) -> ProcessWrite {
    let mut write = stay(process, step, moment.began);
    let entry = entry(&mut write.process, step, moment.began);
    entry.waits_since.get_or_insert(moment.now);
    entry.progress = progress;
    let time_is_up = gives_up_at(process, moment.policies);
    write.process.phase = Phase::Waiting;
    write.process.message = Some(reason);
    write.process.waits_for = waits_for;
    write.process.run_after = moment
        .now
        .after(backoff::linger(delay, moment.jitter))
        .min(time_is_up);
    write
}

/// Makes processes the children of another: they have its cause and no more time than it has.
fn adopt(parent: &Process, mut children: Vec<Intent>) -> Vec<Intent> {
    for Intent { process, .. } in &mut children {
        process.parent = Some(parent.id);
        process.priority = process.priority.min(parent.priority);
        process.deadline = process.deadline.min(parent.deadline);
        process.cause = parent.cause.clone();
    }
    children
}

/// The policy of a process; that of nothing in particular if a later release dropped the request.
fn policy_of(process: &Process, policies: &Policies) -> Policy {
    policies
        .of(process.resource.resource_type, process.request)
        .unwrap_or(Policy::USUAL)
}

/// When a process gives up what it does now: at its deadline, or early enough to undo what it began.
fn gives_up_at(process: &Process, policies: &Policies) -> Timestamp {
    let is_atomic = process
        .definition()
        .is_some_and(|definition| definition.is_atomic);
    if !is_atomic || process.failure.is_some() {
        return process.deadline;
    }
    let kept = policy_of(process, policies).undo_within;
    // One whose time was cut short by its parent still has half of it.
    let at_most = process.created.until(process.deadline) / 2;
    process.deadline.before(kept.min(at_most))
}

fn is_late(process: &Process, moment: Moment<'_>) -> bool {
    moment.now >= gives_up_at(process, moment.policies)
}

fn stay(process: &Process, step: Step, began: Timestamp) -> ProcessWrite {
    let mut process = process.clone();
    entry(&mut process, step, began);
    ProcessWrite::of(process)
}

fn entry(process: &mut Process, step: Step, began: Timestamp) -> &mut JournalEntry {
    let known = process.journal.iter().position(|entry| entry.step == step);
    let index = known.unwrap_or_else(|| {
        process.journal.push(JournalEntry::begun(step, began));
        process.journal.len() - 1
    });
    let server = process.server;
    let entry = &mut process.journal[index];
    entry.server = server;
    entry
}

fn apply(resource: &mut Resource, changes: Changes) {
    if let Some(details) = changes.details {
        resource.details = details;
    }
    if let Some(host) = changes.host {
        resource.host = host;
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_undo;
