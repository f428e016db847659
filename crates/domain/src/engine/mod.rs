//! The decisions of the process engine: what follows the outcome of a step.
//!
//! The process server runs a step and hands its [`Outcome`] to [`advance`], which answers with
//! the rows to write and with what to do once they are written. It decides; it does nothing.
//!
//! ```text
//!   Outcome    budget left?                 write                            then
//!   Done       another step follows         journal, the step's changes      Continue
//!   Done       it was the last one          done state, end of the process   End, or Chain
//!   Wait       before the deadline          waiting until, waiting on        Rest
//!   Retry      attempts and time left       waiting, with backoff            Rest
//!   Retry      none left                    error, failed                    End
//!   Fail                                    error, failed                    End
//! ```
//!
//! Every process ends: attempts are counted for each step, and each process has a deadline after
//! which any outcome that is not the end is turned into a failure.

mod backoff;
mod cancel;
mod ending;

use std::time::Duration;

pub use backoff::backoff;
pub use cancel::{Cancellation, cancel};
use ending::{end, finish_step};

use crate::lifecycle::Step;
use crate::process::{JournalEntry, Process, WaitsFor};
use crate::resource::Details;
use crate::write::{Passed, ProcessWrite, ReservationChange};
use crate::{Phase, ProcessId, Resource, ResourceId, State, Timestamp};

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
}

/// Why a step did not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// In words for a person, with the words of whoever refused.
    pub message: String,
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

/// What [`advance`] cannot find out by itself.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
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
}

/// The write that follows the outcome of `step`, and what to do after it.
pub fn advance(
    process: &Process,
    resource: &Resource,
    step: Step,
    outcome: Outcome,
    moment: Moment,
) -> (ProcessWrite, Next) {
    let now = moment.now;
    let is_late = now >= process.deadline;
    match outcome {
        Outcome::Done(changes) => finish_step(process, resource, step, *changes, moment),
        Outcome::Wait { reason, .. } if is_late => {
            let message = format!("gave up at the deadline, while waiting: {reason}");
            fail(process, resource, Some(step), Failure::new(message), moment)
        }
        Outcome::Wait {
            reason,
            delay,
            waits_for,
        } => {
            let mut write = stay(process, step, moment.began);
            write.process.phase = Phase::Waiting;
            write.process.message = Some(reason);
            write.process.waits_for = waits_for;
            write.process.run_after = now.after(backoff::spread(delay, moment.jitter));
            (write, Next::Rest)
        }
        Outcome::Retry(failure) => retry(process, resource, step, failure, moment),
        Outcome::Fail(failure) => fail(process, resource, Some(step), failure, moment),
    }
}

/// The write for a process that has no step left to run when it is claimed: one without steps, or
/// one whose last step was journaled by a server that then died.
pub fn conclude(process: &Process, resource: &Resource, moment: Moment) -> (ProcessWrite, Next) {
    end(process.clone(), resource, Changes::default(), moment)
}

/// The write for a process that ends without success, whatever step it is on.
pub fn fail(
    process: &Process,
    resource: &Resource,
    step: Option<Step>,
    failure: Failure,
    moment: Moment,
) -> (ProcessWrite, Next) {
    let now = moment.now;
    let mut process = process.clone();
    if let Some(step) = step {
        entry(&mut process, step, moment.began).error = Some(failure.message.clone());
    }
    process.phase = Phase::Failed;
    process.message = Some(failure.message.clone());
    process.waits_for = None;
    process.finished = Some(now);
    let mut failed = resource.clone();
    failed.state = State::Error;
    failed.version += 1;
    failed.updated = now;
    set_error(&mut failed.details, Some(failure.message));
    let passed = vec![Passed {
        state: failed.state,
        version: failed.version,
    }];
    let write = ProcessWrite {
        process,
        resource: Some((failed, resource.version)),
        reservation: None,
        successor: None,
        passed,
    };
    (write, Next::End)
}

fn retry(
    process: &Process,
    resource: &Resource,
    step: Step,
    failure: Failure,
    moment: Moment,
) -> (ProcessWrite, Next) {
    let attempts = process.attempts() + 1;
    let budget = process
        .definition()
        .map_or(0, |definition| definition.attempts);
    if attempts >= budget || moment.now >= process.deadline {
        return fail(process, resource, Some(step), failure, moment);
    }
    let mut write = stay(process, step, moment.began);
    let entry = entry(&mut write.process, step, moment.began);
    entry.attempts = attempts;
    entry.error = Some(failure.message.clone());
    write.process.phase = Phase::Waiting;
    write.process.message = Some(format!("tries again after: {}", failure.message));
    write.process.waits_for = None;
    write.process.run_after = moment.now.after(backoff(attempts, moment.jitter));
    (write, Next::Rest)
}

fn stay(process: &Process, step: Step, began: Timestamp) -> ProcessWrite {
    let mut process = process.clone();
    entry(&mut process, step, began);
    ProcessWrite {
        process,
        resource: None,
        reservation: None,
        successor: None,
        passed: Vec::new(),
    }
}

fn entry(process: &mut Process, step: Step, began: Timestamp) -> &mut JournalEntry {
    let known = process.journal.iter().position(|entry| entry.step == step);
    let index = known.unwrap_or_else(|| {
        process.journal.push(JournalEntry {
            step,
            started: began,
            finished: None,
            attempts: 0,
            error: None,
        });
        process.journal.len() - 1
    });
    &mut process.journal[index]
}

fn apply(resource: &mut Resource, changes: Changes) {
    if let Some(details) = changes.details {
        resource.details = details;
    }
    if let Some(host) = changes.host {
        resource.host = host;
    }
}

fn set_error(details: &mut Details, message: Option<String>) {
    match details {
        Details::Container { status, .. } => status.error = message,
        Details::Host { status, .. } => status.error = message,
        Details::Agent { status, .. } => status.error = message,
        Details::RegistrationToken { .. } | Details::Project => {}
    }
}

#[cfg(test)]
mod tests;
