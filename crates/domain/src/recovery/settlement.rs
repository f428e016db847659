//! From an end that was seen to the rows that are written about it.

use std::time::Duration;

use super::{CRASH_LOOP, End, Verdict, again, decide};
use crate::lifecycle::{self, Policies, Policy, Refusal, Report, Reported, Request};
use crate::process::Cause;
use crate::resource::{ContainerSpec, ContainerStatus, Details};
use crate::write::{Asked, Intent, Passed};
use crate::{Phase, ProcessId, Resource, ResourceType, State, Timestamp};

/// What is to be written.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// The row as it should stand; nothing follows. It replaces the version before its own.
    Rewrite(Box<Resource>),
    /// The row, and the process that starts the container again.
    Recovery(Box<Intent>),
}

/// What cannot be found out here.
#[derive(Clone, Debug)]
pub struct Moment<'a> {
    /// The present moment.
    pub now: Timestamp,
    /// At random, from 0 to 1.
    pub jitter: f64,
    /// The id for a process that may follow.
    pub process: ProcessId,
    /// Whose report it was.
    pub cause: Cause,
    /// How long and how hard processes try.
    pub policies: &'a Policies,
}

/// Settles the end of a container whose row said that it runs. What was seen is in its status already.
/// `ran` is how long its last run lasted.
///
/// # Errors
/// When the row is in no state in which an end changes it.
pub fn settle_end(
    mut container: Resource,
    end: End,
    ran: Option<Duration>,
    moment: Moment<'_>,
) -> Result<Settlement, Refusal> {
    let Some((spec, status)) = parts(&mut container) else {
        return Ok(Settlement::Rewrite(Box::new(container)));
    };
    status.health_state = None;
    status.health_message = None;
    let ended = describe(end);
    match decide(
        &spec.restart_policy,
        status.failed_runs,
        end,
        ran,
        moment.jitter,
    ) {
        Verdict::Rests => Ok(moved(container, report(end), moment.now)),
        Verdict::GivesUp { failed_runs } => {
            status.failed_runs = failed_runs;
            let message = format!(
                "gave up: {ended}, {} time in a row, and its policy allows {} restarts",
                ordinal(failed_runs),
                spec.restart_policy.maximum_retries.unwrap_or_default(),
            );
            container.details.set_error(Some(message));
            Ok(moved(container, Report::GaveUp, moment.now))
        }
        Verdict::StartsAgain { after, failed_runs } => {
            let expected = container.version;
            container.state = State::Stopped;
            container.version += 1;
            let passed = Passed {
                state: container.state,
                version: container.version,
            };
            let mut intent = recover(container, &ended, after, failed_runs, moment)?;
            intent.expected = Some(expected);
            intent.passed.insert(0, passed);
            Ok(Settlement::Recovery(Box::new(intent)))
        }
    }
}

/// Settles that a container which runs is unhealthy and is to be started again for it. None if it is left
/// as it is.
///
/// # Errors
/// When the row is in no state in which that could be asked.
pub fn settle_unhealthy(
    mut container: Resource,
    ran: Option<Duration>,
    moment: Moment<'_>,
) -> Result<Option<Intent>, Refusal> {
    let Some((spec, status)) = parts(&mut container) else {
        return Ok(None);
    };
    match again(&spec.restart_policy, status.failed_runs, ran, moment.jitter) {
        Verdict::StartsAgain { after, failed_runs } => {
            recover(container, "it is unhealthy", after, failed_runs, moment).map(Some)
        }
        Verdict::Rests | Verdict::GivesUp { .. } => Ok(None),
    }
}

impl ContainerStatus {
    /// Forgets what was counted of failed runs: somebody starts the container on purpose.
    pub fn begin_anew(&mut self) {
        self.restarts = 0;
        self.failed_runs = 0;
        self.wait_no_more();
    }

    /// It does not wait to be started again: it runs, or is not to.
    pub fn wait_no_more(&mut self) {
        self.crash_loop = false;
        self.next_start = None;
    }
}

fn parts(container: &mut Resource) -> Option<(ContainerSpec, &mut ContainerStatus)> {
    match &mut container.details {
        Details::Container { spec, status } => Some((spec.as_ref().clone(), status)),
        _ => None,
    }
}

/// The intent that a container be started again after a while.
fn recover(
    mut container: Resource,
    ended: &str,
    after: Duration,
    failed_runs: u32,
    moment: Moment<'_>,
) -> Result<Intent, Refusal> {
    let at = moment.now.after(after);
    if let Some((_, status)) = parts(&mut container) {
        status.restarts = status.restarts.saturating_add(1);
        status.failed_runs = failed_runs;
        status.crash_loop = failed_runs >= CRASH_LOOP;
        status.next_start = Some(at);
    }
    let policy = moment
        .policies
        .of(ResourceType::Container, Request::Recover);
    let policy = policy.unwrap_or(Policy::USUAL);
    let asked = Asked {
        request: Request::Recover,
        force: false,
        process: moment.process,
        cause: moment.cause,
        now: moment.now,
        policy: Some(policy),
    };
    let mut intent = Intent::to_change(container, asked)?;
    let process = &mut intent.process;
    process.phase = Phase::Waiting;
    process.run_after = at;
    // The wait is not what it has its time for.
    process.deadline = at.after(policy.deadline);
    process.message = Some(match failed_runs {
        1 => format!("{ended}; next start at {at}"),
        _ => format!(
            "{ended}, {} time in a row; next start at {at}",
            ordinal(failed_runs)
        ),
    });
    Ok(intent)
}

fn moved(mut container: Resource, report: Report, now: Timestamp) -> Settlement {
    let lifecycle = lifecycle::of(ResourceType::Container);
    if let Reported::Moves(state) = lifecycle.hear(container.state, report) {
        container.state = state;
    }
    container.version += 1;
    container.updated = now;
    Settlement::Rewrite(Box::new(container))
}

fn report(end: End) -> Report {
    match end {
        End::Exited(_) => Report::Exited,
        End::Vanished => Report::Vanished,
    }
}

fn describe(end: End) -> String {
    match end {
        End::Exited(Some(code)) => format!("exited with {code}"),
        End::Exited(None) => "exited".to_owned(),
        End::Vanished => "was taken away from its host".to_owned(),
    }
}

/// `2nd`, `3rd`, `11th`.
fn ordinal(number: u32) -> String {
    let ending = match (number % 10, number % 100) {
        (1, tens) if tens != 11 => "st",
        (2, tens) if tens != 12 => "nd",
        (3, tens) if tens != 13 => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}
