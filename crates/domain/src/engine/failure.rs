//! What follows a step that did not succeed: another try, the undoing of what was begun, or the end.

use super::{Failure, Moment, Next, backoff, entry, policy_of, stay};
use crate::lifecycle::{ProcessDefinition, Step};
use crate::process::Process;
use crate::write::{Passed, ProcessWrite};
use crate::{Phase, Resource, State};

/// Has the step tried again a moment later, as long as its budget lasts.
pub(super) fn retry(
    process: &Process,
    resource: &Resource,
    step: Step,
    failure: Failure,
    moment: Moment<'_>,
) -> (ProcessWrite, Next) {
    let policy = policy_of(process, moment.policies);
    let tries = process.entry(step).map_or(0, |entry| entry.attempts) + 1;
    if tries >= policy.attempts || super::is_late(process, moment) {
        return fail(process, resource, Some(step), failure, moment);
    }
    let mut write = stay(process, step, moment.began);
    entry(&mut write.process, step, moment.began).fail(moment.now, failure.message.as_str());
    write.process.phase = Phase::Waiting;
    write.process.message = Some(format!("tries again after: {}", failure.message));
    write.process.waits_for = None;
    write.process.run_after = moment
        .now
        .after(backoff(policy.backoff, tries, moment.jitter))
        .min(super::gives_up_at(process, moment.policies));
    (write, Next::Rest)
}

/// Ends a process without success, whatever step it is on; one that is atomic undoes first what it
/// began.
pub(super) fn fail(
    process: &Process,
    resource: &Resource,
    step: Option<Step>,
    failure: Failure,
    moment: Moment<'_>,
) -> (ProcessWrite, Next) {
    let mut process = process.clone();
    if let Some(step) = step {
        entry(&mut process, step, moment.began).fail(moment.now, failure.message.as_str());
    }
    process.waits_for = None;
    if let Some(first) = &process.failure {
        let both = format!("{first}; then it could not be undone: {}", failure.message);
        return give_up(process, resource, both, moment);
    }
    let is_atomic = process
        .definition()
        .is_some_and(|definition| definition.is_atomic);
    let message = failure.message;
    if is_atomic {
        process.failure = Some(message.clone());
        if process.next_step().is_some() {
            process.message = Some(format!("undoes what it began, after: {message}"));
            process.phase = Phase::Running;
            process.run_after = moment.now.after(moment.lease);
            let write = ProcessWrite::of(process);
            return (write, Next::Continue);
        }
    }
    give_up(process, resource, message, moment)
}

/// The end without success: the resource says why, and is in `error` unless it works on all the same.
pub(super) fn give_up(
    mut process: Process,
    resource: &Resource,
    message: String,
    moment: Moment<'_>,
) -> (ProcessWrite, Next) {
    process.phase = Phase::Failed;
    process.message = Some(message.clone());
    process.waits_for = None;
    process.finished = Some(moment.now);
    let state = process
        .definition()
        .map_or(State::Error, ProcessDefinition::failed);
    let mut failed = resource.clone();
    failed.state = failed.details.settled(state);
    failed.version += 1;
    failed.updated = moment.now;
    failed.details.set_error(Some(message));
    let passed = vec![Passed {
        state: failed.state,
        version: failed.version,
    }];
    let write = ProcessWrite {
        resource: Some((failed, resource.version)),
        passed,
        ..ProcessWrite::of(process)
    };
    (write, Next::End)
}
