//! What follows a step that is done: the next step, the end of the process, or a process that
//! follows from it.

use super::failure::give_up;
use super::{Changes, Moment, Next, apply, entry, foregone};
use crate::lifecycle::{self, Request, Step};
use crate::process::Process;
use crate::resource::Details;
use crate::write::{Passed, ProcessWrite};
use crate::{Phase, Resource, State};

pub(super) fn finish_step(
    process: &Process,
    resource: &Resource,
    step: Step,
    mut changes: Changes,
    moment: Moment<'_>,
) -> (ProcessWrite, Next) {
    let mut process = process.clone();
    finish(&mut process, step, moment);
    while let Some(step) = process.next_step()
        && let Some(more) = foregone(step, resource)
    {
        finish(&mut process, step, moment);
        changes = changes.and(more);
    }
    process.message = None;
    process.waits_for = None;
    if process.next_step().is_none() {
        return end(process, resource, changes, moment);
    }
    process.run_after = moment.now.after(moment.lease);
    let write = ProcessWrite::of(process);
    (change(write, resource, changes, moment), Next::Continue)
}

fn finish(process: &mut Process, step: Step, moment: Moment<'_>) {
    let entry = entry(process, step, moment.began);
    entry.finished = Some(moment.now);
    entry.waits_since = None;
    entry.progress = None;
}

/// Adds to a write what a step has changed.
pub(super) fn change(
    write: ProcessWrite,
    resource: &Resource,
    changes: Changes,
    moment: Moment<'_>,
) -> ProcessWrite {
    let is_changed = changes.details.is_some() || changes.host.is_some();
    let reservation = changes.reservation.clone();
    let changed = is_changed.then(|| {
        let mut changed = resource.clone();
        apply(&mut changed, changes);
        changed.version += 1;
        changed.updated = moment.now;
        changed
    });
    let passed = changed
        .iter()
        .map(|changed| Passed {
            state: changed.state,
            version: changed.version,
        })
        .collect();
    ProcessWrite {
        resource: changed.map(|changed| (changed, resource.version)),
        reservation,
        passed,
        ..write
    }
}

pub(super) fn end(
    mut process: Process,
    resource: &Resource,
    mut changes: Changes,
    moment: Moment<'_>,
) -> (ProcessWrite, Next) {
    let now = moment.now;
    if let Some(failure) = process.failure.clone() {
        return undone(process, resource, failure, changes, moment);
    }
    let done = process
        .definition()
        .map_or(State::Error, |definition| definition.done);
    let reservation = changes.reservation.take();
    let follower_is_done = changes.follower_is_done;
    let mut ended = resource.clone();
    apply(&mut ended, changes);
    ended.details.set_error(None);
    let done = ended.details.settled(done);
    ended.state = done;
    ended.version += 1;
    ended.updated = now;
    if done == State::Removed {
        ended.removed = Some(now);
    }
    process.phase = Phase::Done;
    process.message = None;
    process.waits_for = None;
    process.finished = Some(now);
    let mut passed = vec![Passed {
        state: done,
        version: ended.version,
    }];
    let mut successor = follow(&process, &mut ended, moment);
    if let Some(successor) = &mut successor {
        process.successor = Some(successor.id);
        passed.push(Passed {
            state: ended.state,
            version: ended.version,
        });
        if follower_is_done {
            passed.push(end_at_birth(successor, &mut ended, moment));
        }
    }
    let next = match &successor {
        Some(successor) if !successor.phase.is_finished() => Next::Chain,
        _ => Next::End,
    };
    let write = ProcessWrite {
        resource: Some((ended, resource.version)),
        reservation,
        successor,
        passed,
        ..ProcessWrite::of(process)
    };
    (write, next)
}

/// The end of a process that failed and has undone what it began.
fn undone(
    process: Process,
    resource: &Resource,
    failure: String,
    mut changes: Changes,
    moment: Moment<'_>,
) -> (ProcessWrite, Next) {
    let reservation = changes.reservation.take();
    let mut changed = resource.clone();
    apply(&mut changed, changes);
    let (mut write, next) = give_up(process, &changed, failure, moment);
    write.reservation = reservation;
    (write, next)
}

/// Ends a process that has nothing left to do when it is born, and tells what its resource passes by that.
fn end_at_birth(born: &mut Process, resource: &mut Resource, moment: Moment<'_>) -> Passed {
    let definition = born.definition();
    for step in definition.iter().flat_map(|definition| definition.steps) {
        finish(born, *step, moment);
    }
    born.phase = Phase::Done;
    born.finished = Some(moment.now);
    resource.state = definition.map_or(State::Error, |definition| definition.done);
    resource.version += 1;
    Passed {
        state: resource.state,
        version: resource.version,
    }
}

/// The process that follows from one that is done: a container that was asked for with `start` is
/// started once it is created. It is born running, owned by the server that made it.
fn follow(done: &Process, resource: &mut Resource, moment: Moment<'_>) -> Option<Process> {
    let Details::Container { spec, .. } = &resource.details else {
        return None;
    };
    if done.request != Request::Create || !spec.start {
        return None;
    }
    let lifecycle = lifecycle::of(resource.resource_type());
    let transition = lifecycle
        .decide(resource.state, Request::Start, false)
        .ok()?;
    resource.state = transition.definition.via;
    resource.version += 1;
    let policies = moment.policies;
    let policy = policies.of(resource.resource_type(), Request::Start)?;
    Some(Process {
        id: moment.successor,
        request: Request::Start,
        phase: Phase::Running,
        origin: transition.origin,
        force: false,
        journal: Vec::new(),
        run_after: moment.now.after(moment.lease),
        deadline: moment.now.after(policy.deadline),
        priority: policy.priority,
        successor: None,
        message: None,
        created: moment.now,
        started: Some(moment.now),
        finished: None,
        ..done.clone()
    })
}
