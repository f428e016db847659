//! What follows each outcome.

use std::sync::LazyLock;

use super::*;
use crate::State;
use crate::lifecycle::Request;
use crate::process::Cause;
use crate::resource::{ContainerSpec, ContainerStatus};
use crate::write::{Asked, Intent};

pub(super) static POLICIES: LazyLock<Policies> = LazyLock::new(Policies::default);

pub(super) fn moment(now: i64) -> Moment<'static> {
    Moment {
        policies: &POLICIES,
        now: Timestamp::from_millis(now),
        began: Timestamp::from_millis(now),
        jitter: 1.0,
        successor: ProcessId::new(uuid::Uuid::from_u128(99)),
        lease: Duration::from_secs(10),
    }
}

pub(super) fn asked(request: Request) -> Asked {
    Asked {
        request,
        force: false,
        process: ProcessId::new(uuid::Uuid::from_u128(1)),
        cause: Cause::default(),
        now: Timestamp::from_millis(0),
        policy: None,
    }
}

pub(super) fn container(start: bool) -> Resource {
    let spec = ContainerSpec {
        image: "x".into(),
        start,
        ..ContainerSpec::default()
    };
    let details = Details::Container {
        spec: Box::new(spec),
        status: Box::new(ContainerStatus::default()),
    };
    let id = ResourceId::new(uuid::Uuid::from_u128(2));
    Resource::new(
        id,
        "web",
        State::Requested,
        details,
        Timestamp::from_millis(0),
    )
}

pub(super) fn running(start: bool) -> (Process, Resource) {
    let intent = Intent::to_create(container(start), asked(Request::Create)).unwrap();
    let process = Process {
        phase: Phase::Running,
        ..intent.process
    };
    (process, intent.resource)
}

/// A start: a process that is not atomic.
fn starting() -> (Process, Resource) {
    let mut resource = container(true);
    resource.state = State::Stopped;
    let intent = Intent::to_change(resource, asked(Request::Start)).unwrap();
    let process = Process {
        phase: Phase::Running,
        ..intent.process
    };
    (process, intent.resource)
}

/// Runs all steps of a process with success and gives the last write.
fn run_to_end(mut process: Process, mut resource: Resource) -> (ProcessWrite, Next) {
    loop {
        let step = process.next_step().unwrap();
        let (write, next) = advance(&process, &resource, step, Outcome::done(), moment(5));
        if next != Next::Continue {
            return (write, next);
        }
        process = write.process;
        if let Some((changed, _)) = write.resource {
            resource = changed;
        }
    }
}

#[test]
fn a_create_without_start_ends_created() {
    let (process, resource) = running(false);
    let (write, next) = run_to_end(process, resource);
    assert_eq!(next, Next::End);
    assert_eq!(write.resource.unwrap().0.state, State::Created);
    assert_eq!(write.process.phase, Phase::Done);
    assert!(write.successor.is_none());
}

#[test]
fn a_create_with_start_is_followed_by_a_start_that_is_already_owned() {
    let (process, resource) = running(true);
    let (write, next) = run_to_end(process, resource);
    assert_eq!(next, Next::Chain);
    let successor = write.successor.unwrap();
    assert_eq!(write.process.successor, Some(successor.id));
    assert_eq!(
        (successor.request, successor.phase),
        (Request::Start, Phase::Running)
    );
    let states: Vec<State> = write.passed.iter().map(|passed| passed.state).collect();
    assert_eq!(states, [State::Created, State::Starting]);
    let (resource, expected) = write.resource.unwrap();
    assert_eq!(resource.state, State::Starting);
    assert_eq!(resource.version, expected + 2);
    assert_eq!(write.passed[1].version, resource.version);
}

#[test]
fn a_start_that_was_done_with_the_create_ends_with_it() {
    let (process, resource) = running(true);
    let (write, _) = advance(&process, &resource, Step::Place, Outcome::done(), moment(5));
    let changes = Changes {
        follower_is_done: true,
        ..Changes::default()
    };
    let outcome = Outcome::Done(Box::new(changes));
    let (write, next) = advance(
        &write.process,
        &resource,
        Step::CreateOnHost,
        outcome,
        moment(9),
    );
    assert_eq!(next, Next::End);
    let start = write.successor.unwrap();
    assert_eq!(write.process.successor, Some(start.id));
    assert_eq!((start.request, start.phase), (Request::Start, Phase::Done));
    assert_eq!(start.finished, write.process.finished);
    let states: Vec<State> = write.passed.iter().map(|passed| passed.state).collect();
    assert_eq!(states, [State::Created, State::Starting, State::Running]);
    let (resource, expected) = write.resource.unwrap();
    assert_eq!(resource.state, State::Running);
    assert_eq!(resource.version, expected + 3);
}

#[test]
fn only_what_waits_and_decides_by_itself_is_claimed_by_its_first_write() {
    let (process, mut resource) = running(true);
    assert!(!decides_first(&process, &resource), "who left it may write");
    let queued = Process {
        phase: Phase::Queued,
        ..process.clone()
    };
    assert!(decides_first(&queued, &resource));
    resource.host = Some(ResourceId::new(uuid::Uuid::from_u128(7)));
    assert!(!decides_first(&queued, &resource), "its host hears of it");
    let claiming = ProcessWrite {
        claims: Some(crate::Fence::NONE),
        ..ProcessWrite::of(starting().0)
    };
    assert!(ProcessWrite::of(starting().0).can_wait());
    assert!(!claiming.can_wait(), "nobody knows yet that it is ours");
}

#[test]
fn a_step_is_tried_again_until_its_budget_is_spent() {
    let (mut process, resource) = starting();
    let budget = process.definition().unwrap().policy.attempts;
    for attempt in 1..=budget {
        let outcome = Outcome::Retry(Failure::new("no luck"));
        let (write, next) = advance(&process, &resource, Step::Place, outcome, moment(5));
        if attempt < budget {
            assert_eq!((write.process.phase, next), (Phase::Waiting, Next::Rest));
            assert_eq!(write.process.attempts(), attempt);
            assert!(write.process.run_after > Timestamp::from_millis(5));
            process = write.process;
        } else {
            assert_eq!((write.process.phase, next), (Phase::Failed, Next::End));
            let failures = &write.process.entry(Step::Place).unwrap().failures;
            assert_eq!(failures.len(), budget as usize, "each try can be read");
            let (resource, _) = write.resource.unwrap();
            assert_eq!(resource.state, State::Error);
            let Details::Container { status, .. } = resource.details else {
                panic!()
            };
            assert_eq!(status.error.as_deref(), Some("no luck"));
        }
    }
}

#[test]
fn a_wait_past_the_deadline_is_a_failure_that_says_what_was_waited_for() {
    let (process, resource) = starting();
    let late = moment(process.deadline.millis());
    let wait = Outcome::Wait {
        reason: "the agent is away".into(),
        delay: Duration::from_secs(1),
        waits_for: Some(WaitsFor::Room),
        progress: None,
    };
    let (early, _) = advance(&process, &resource, Step::Place, wait.clone(), moment(5));
    assert_eq!(early.process.phase, Phase::Waiting);
    assert_eq!(early.process.attempts(), 0);
    assert_eq!(early.process.waits_since(), Some(Timestamp::from_millis(5)));
    let (write, _) = advance(&process, &resource, Step::Place, wait, late);
    assert_eq!(write.process.phase, Phase::Failed);
    assert!(write.process.message.unwrap().contains("the agent is away"));
}

#[test]
fn a_finished_step_is_not_run_again() {
    let (process, resource) = running(true);
    let (write, next) = advance(&process, &resource, Step::Place, Outcome::done(), moment(5));
    assert_eq!(next, Next::Continue);
    assert_eq!(write.process.next_step(), Some(Step::CreateOnHost));
    assert!(
        write.resource.is_none(),
        "nothing changed about the container"
    );
}

#[test]
fn an_intent_moves_the_resource_at_once() {
    let mut resource = container(true);
    resource.state = State::Starting;
    resource.version = 7;
    let intent = Intent::to_change(resource, asked(Request::Stop)).unwrap();
    assert_eq!(intent.expected, Some(7));
    assert_eq!(intent.resource.version, 8);
    assert_eq!(intent.resource.state, State::Stopping);
    assert_eq!(intent.process.origin, State::Starting);
}

#[test]
fn a_cancelled_stop_that_has_not_begun_leaves_the_container_running() {
    let mut resource = container(true);
    resource.state = State::Running;
    let intent = Intent::to_change(resource, asked(Request::Stop)).unwrap();
    let now = Timestamp::from_millis(9);
    let cancellation = cancel(&intent.process, &intent.resource, "by x", now).unwrap();
    assert_eq!(cancellation.resource.state, State::Running);
    assert_eq!(cancellation.process.phase, Phase::Canceled);
    assert_eq!(cancellation.expected, intent.resource.version);
    assert!(cancel(&cancellation.process, &cancellation.resource, "again", now).is_none());
}

#[test]
fn a_cancelled_create_that_has_begun_leaves_an_error_that_says_so() {
    let (process, resource) = running(true);
    let cancellation = cancel(&process, &resource, "by x", Timestamp::from_millis(9)).unwrap();
    assert_eq!(cancellation.resource.state, State::Error);
    let Details::Container { status, .. } = cancellation.resource.details else {
        panic!()
    };
    assert_eq!(status.error.as_deref(), Some("create was canceled: by x"));
}

#[test]
fn a_create_that_failed_can_be_tried_again() {
    let mut resource = container(true);
    resource.state = State::Error;
    assert!(Intent::to_change(resource, asked(Request::Create)).is_ok());
}

#[test]
fn what_is_done_in_part_is_written_and_the_step_runs_again() {
    let (process, resource) = starting();
    let mut details = resource.details.clone();
    let Details::Container { status, .. } = &mut details else {
        panic!()
    };
    status.runtime_id = Some("a part".into());
    let partly = Outcome::Partly {
        changes: Box::new(Changes {
            details: Some(details.clone()),
            ..Changes::default()
        }),
        reason: "the rest".into(),
        delay: Duration::ZERO,
        progress: Some(40),
    };
    let (write, next) = advance(&process, &resource, Step::Place, partly.clone(), moment(5));
    assert_eq!((write.process.phase, next), (Phase::Waiting, Next::Rest));
    assert_eq!(write.process.next_step(), Some(Step::Place));
    assert_eq!(write.process.run_after, Timestamp::from_millis(5));
    assert_eq!(write.process.progress(), Some(40));
    assert_eq!(write.process.attempts(), 0);
    let (changed, expected) = write.resource.unwrap();
    assert_eq!(expected, resource.version);
    assert_eq!((changed.state, changed.details), (resource.state, details));
    assert_eq!(write.passed[0].version, expected + 1);
    let late = moment(process.deadline.millis());
    let (write, _) = advance(&process, &resource, Step::Place, partly, late);
    assert_eq!(write.process.phase, Phase::Failed);
    assert!(write.process.message.unwrap().contains("the rest"));
}
