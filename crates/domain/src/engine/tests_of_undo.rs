//! What a failure undoes, and what a parent asks of its children.

use super::tests::{POLICIES, asked, container, moment, running};
use super::*;
use crate::lifecycle::Request;
use crate::write::Asked;
use crate::{ResourceType, State};

fn fails(message: &str) -> Outcome {
    Outcome::Fail(Failure::new(message))
}

/// A create that has placed the container and fails to make it.
fn undoing() -> (Process, Resource) {
    let (process, mut resource) = running(true);
    let (write, _) = advance(&process, &resource, Step::Place, Outcome::done(), moment(5));
    let process = write.process;
    resource.host = Some(ResourceId::new(uuid::Uuid::from_u128(77)));
    let outcome = fails("no such image");
    let (write, next) = advance(&process, &resource, Step::CreateOnHost, outcome, moment(6));
    assert_eq!(
        (write.process.phase, next),
        (Phase::Running, Next::Continue)
    );
    assert!(
        !write.can_wait(),
        "that it failed is written before it is undone"
    );
    (write.process, resource)
}

#[test]
fn a_create_that_fails_undoes_in_reverse_what_it_began() {
    let (process, resource) = undoing();
    assert_eq!(process.next_step(), Some(Step::RemoveFromHost));
    let step = Step::RemoveFromHost;
    // That the choice of a host is taken back is foregone.
    let (write, next) = advance(&process, &resource, step, Outcome::done(), moment(7));
    assert_eq!((write.process.phase, next), (Phase::Failed, Next::End));
    assert_eq!(write.process.message.as_deref(), Some("no such image"));
    assert_eq!(write.reservation, Some(ReservationChange::Release));
    let (resource, _) = write.resource.unwrap();
    assert_eq!((resource.state, resource.host), (State::Error, None));
}

#[test]
fn what_cannot_be_undone_ends_with_both_reasons() {
    let (process, resource) = undoing();
    let outcome = fails("the engine is broken");
    let (write, next) = advance(
        &process,
        &resource,
        Step::RemoveFromHost,
        outcome,
        moment(7),
    );
    assert_eq!((write.process.phase, next), (Phase::Failed, Next::End));
    let message = write.process.message.unwrap();
    assert!(message.contains("no such image"), "{message}");
    assert!(message.contains("the engine is broken"), "{message}");
}

#[test]
fn a_process_that_never_began_has_nothing_to_undo() {
    let (process, resource) = running(true);
    let late = moment(process.deadline.millis());
    // `begin` records the step that was not run in time: its undo finds nothing to do.
    let Begin::Write(write, _) = begin(&process, &resource, late) else {
        panic!("it is late")
    };
    assert!(write.process.failure.unwrap().contains("never begun"));
}

#[test]
fn time_is_kept_for_the_undo_within_the_deadline() {
    let (process, resource) = running(true);
    let (write, _) = advance(&process, &resource, Step::Place, Outcome::done(), moment(5));
    let process = write.process;
    let kept = POLICIES
        .of(ResourceType::Container, Request::Create)
        .unwrap();
    let time_is_up = process.deadline.before(kept.undo_within);
    let early = moment(time_is_up.millis() - 1);
    let step = Step::CreateOnHost;
    assert_eq!(begin(&process, &resource, early), Begin::Run(step));
    let late = moment(time_is_up.millis());
    let Begin::Write(write, next) = begin(&process, &resource, late) else {
        panic!("it is late")
    };
    assert_eq!(next, Next::Continue);
    let undo = Step::RemoveFromHost;
    assert_eq!(begin(&write.process, &resource, late), Begin::Run(undo));
}

#[test]
fn a_choice_of_a_host_is_taken_back_even_when_time_is_up() {
    let (process, resource) = running(true);
    let (write, _) = advance(&process, &resource, Step::Place, fails("full"), moment(5));
    let late = moment(process.deadline.millis() + 1);
    let Begin::Write(write, next) = begin(&write.process, &resource, late) else {
        panic!("nothing is run for it")
    };
    assert_eq!((write.process.phase, next), (Phase::Failed, Next::End));
    assert_eq!(write.reservation, Some(ReservationChange::Release));
}

#[test]
fn a_wait_never_reaches_past_the_deadline() {
    let (process, resource) = running(true);
    let outcome = Outcome::Wait {
        reason: "the agent is away".into(),
        delay: Duration::from_secs(86_400),
        waits_for: None,
        progress: None,
    };
    let (write, _) = advance(&process, &resource, Step::Place, outcome, moment(5));
    assert!(write.process.run_after < process.deadline);
}

#[test]
fn children_have_the_cause_of_their_parent_and_no_more_time() {
    let (mut process, resource) = running(true);
    process.cause.request_id = "req-7".into();
    process.deadline = Timestamp::from_millis(60_000);
    process.priority = crate::process::Priority::Urgent;
    let mut other = container(false);
    other.state = State::Running;
    let asked = Asked {
        process: ProcessId::new(uuid::Uuid::from_u128(55)),
        ..asked(Request::Restart)
    };
    let outcome = Outcome::Delegate {
        reason: "restarts the others".into(),
        children: vec![Intent::to_change(other, asked).unwrap()],
    };
    let (write, next) = advance(&process, &resource, Step::Place, outcome, moment(5));
    assert_eq!((write.process.phase, next), (Phase::Waiting, Next::Rest));
    assert_eq!(write.process.waits_for, Some(WaitsFor::Children));
    let child = &write.children[0].process;
    assert_eq!(child.parent, Some(process.id));
    assert_eq!(child.cause, process.cause);
    assert_eq!(child.deadline, process.deadline);
    assert_eq!(child.priority, process.priority);
}
