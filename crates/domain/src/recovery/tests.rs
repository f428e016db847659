//! What policies say, and what is written.

use std::time::Duration;

use super::*;
use crate::lifecycle::{Policies, Request};
use crate::process::Cause;
use crate::resource::{ContainerSpec, ContainerStatus, Details};
use crate::write::{Asked, Intent};
use crate::{Phase, ProcessId, Resource, ResourceId, State, Timestamp};

const SECOND: Duration = Duration::from_secs(1);

fn policy(condition: RestartCondition) -> RestartPolicy {
    RestartPolicy {
        condition,
        ..RestartPolicy::default()
    }
}

fn always() -> RestartPolicy {
    policy(RestartCondition::Always)
}

fn starts_again(policy: &RestartPolicy, end: End) -> bool {
    let verdict = decide(policy, 0, end, None, 0.5);
    matches!(verdict, Verdict::StartsAgain { .. })
}

#[test]
fn the_condition_chooses_among_the_ends() {
    let (good, bad) = (End::Exited(Some(0)), End::Exited(Some(1)));
    for (condition, expected) in [
        (RestartCondition::No, [false; 4]),
        (RestartCondition::OnFailure, [false, true, true, true]),
        (RestartCondition::Always, [true; 4]),
    ] {
        let policy = policy(condition);
        let ends = [good, bad, End::Exited(None), End::Vanished];
        let said = ends.map(|end| starts_again(&policy, end));
        assert_eq!(said, expected, "{condition:?}");
    }
}

#[test]
fn nothing_is_started_again_unless_that_was_asked_for() {
    assert_eq!(RestartPolicy::default().condition, RestartCondition::No);
    let written: RestartPolicy = serde_json::from_str("{}").unwrap();
    assert_eq!(written, RestartPolicy::default());
}

#[test]
fn waits_double_up_to_the_longest_and_half_of_them_is_chance() {
    let policy = RestartPolicy {
        delay_seconds: 2,
        maximum_delay_seconds: 9,
        ..always()
    };
    let after =
        |failed_runs, jitter| match decide(&policy, failed_runs, End::Vanished, None, jitter) {
            Verdict::StartsAgain { after, .. } => after.as_millis(),
            other => panic!("{other:?}"),
        };
    let waits = [0, 1, 2, 3, 40, u32::MAX].map(|before| after(before, 1.0));
    assert_eq!(waits, [2_000, 4_000, 8_000, 9_000, 9_000, 9_000]);
    assert_eq!(after(0, 0.0), 1_000);
}

#[test]
fn a_first_wait_that_is_longer_than_the_longest_is_cut() {
    let policy = RestartPolicy {
        delay_seconds: 60,
        maximum_delay_seconds: 1,
        ..always()
    };
    let verdict = decide(&policy, 0, End::Vanished, None, 1.0);
    assert_eq!(
        verdict,
        Verdict::StartsAgain {
            after: SECOND,
            failed_runs: 1
        }
    );
}

#[test]
fn a_long_run_begins_a_new_row() {
    let policy = RestartPolicy {
        reset_after_seconds: 10,
        maximum_retries: Some(3),
        ..always()
    };
    let failed_runs = |ran: u64| match decide(
        &policy,
        3,
        End::Exited(Some(1)),
        Some(SECOND * u32::try_from(ran).unwrap()),
        0.5,
    ) {
        Verdict::StartsAgain { failed_runs, .. } => Ok(failed_runs),
        Verdict::GivesUp { failed_runs } => Err(failed_runs),
        Verdict::Rests => panic!("it rests"),
    };
    assert_eq!(failed_runs(9), Err(4));
    assert_eq!(failed_runs(10), Ok(1));
}

#[test]
fn it_is_started_again_as_often_as_is_allowed_and_no_more() {
    for most in [0, 1, 5] {
        let policy = RestartPolicy {
            maximum_retries: Some(most),
            ..always()
        };
        let mut failed_runs = 0;
        let mut starts = 0;
        loop {
            match decide(&policy, failed_runs, End::Exited(Some(1)), None, 0.5) {
                Verdict::StartsAgain {
                    failed_runs: now, ..
                } => {
                    failed_runs = now;
                    starts += 1;
                }
                Verdict::GivesUp { failed_runs: now } => {
                    assert_eq!(now, most + 1);
                    break;
                }
                Verdict::Rests => panic!("it rests"),
            }
        }
        assert_eq!(starts, most);
    }
}

fn running(policy: RestartPolicy, failed_runs: u32) -> Resource {
    let spec = ContainerSpec {
        image: "drover/hello".into(),
        restart_policy: policy,
        ..ContainerSpec::default()
    };
    let status = ContainerStatus {
        exit_code: Some(3),
        failed_runs,
        restarts: failed_runs,
        ..ContainerStatus::default()
    };
    let details = Details::Container {
        spec: Box::new(spec),
        status: Box::new(status),
    };
    let id = ResourceId::new(uuid::Uuid::from_u128(1));
    let mut resource = Resource::new(id, "web", State::Running, details, at(0));
    resource.version = 7;
    resource
}

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn moment(policies: &Policies) -> Moment<'_> {
    Moment {
        now: at(1_000),
        jitter: 1.0,
        process: ProcessId::new(uuid::Uuid::from_u128(9)),
        cause: Cause::default(),
        policies,
    }
}

fn settled(container: Resource) -> Settlement {
    let policies = Policies::default();
    settle_end(container, End::Exited(Some(3)), None, moment(&policies)).unwrap()
}

fn status(resource: &Resource) -> &ContainerStatus {
    match &resource.details {
        Details::Container { status, .. } => status,
        other => panic!("{other:?}"),
    }
}

fn recovery(failed_runs: u32) -> Intent {
    match settled(running(always(), failed_runs)) {
        Settlement::Recovery(intent) => *intent,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_end_that_is_none_of_the_policys_leaves_the_container_stopped() {
    let Settlement::Rewrite(row) = settled(running(RestartPolicy::default(), 0)) else {
        panic!("it is started again")
    };
    assert_eq!((row.state, row.version), (State::Stopped, 8));
    assert_eq!(status(&row).exit_code, Some(3));
}

#[test]
fn a_recovery_waits_in_a_row_of_its_own_for_its_moment() {
    let intent = recovery(0);
    assert_eq!(intent.expected, Some(7), "the version that was read");
    let states: Vec<_> = intent.passed.iter().map(|passed| passed.state).collect();
    assert_eq!(states, [State::Stopped, State::Restarting]);
    assert_eq!(
        (intent.resource.state, intent.resource.version),
        (State::Restarting, 9)
    );
    let process = &intent.process;
    assert_eq!(process.request, Request::Recover);
    assert_eq!(process.phase, Phase::Waiting);
    assert_eq!(process.run_after, at(2_000));
    assert!(process.deadline > process.run_after);
    assert_eq!(process.origin, State::Stopped);
    let message = process.message.as_deref().unwrap();
    assert!(
        message.starts_with("exited with 3; next start at "),
        "{message}"
    );
    let status = status(&intent.resource);
    assert_eq!((status.restarts, status.failed_runs), (1, 1));
    assert_eq!(status.next_start, Some(at(2_000)));
    assert!(!status.crash_loop);
}

#[test]
fn the_third_failed_run_in_a_row_is_a_crash_loop() {
    let intent = recovery(2);
    assert!(status(&intent.resource).crash_loop);
    let message = intent.process.message.unwrap();
    assert!(message.contains("3rd time in a row"), "{message}");
}

#[test]
fn a_policy_that_gives_up_leaves_an_error_that_says_so() {
    let policy = RestartPolicy {
        maximum_retries: Some(2),
        ..always()
    };
    let Settlement::Rewrite(row) = settled(running(policy, 2)) else {
        panic!("it is started again")
    };
    assert_eq!((row.state, row.version), (State::Error, 8));
    let error = row.details.error().unwrap();
    assert!(
        error.contains("exited with 3, 3rd time in a row"),
        "{error}"
    );
    assert!(error.contains("allows 2 restarts"), "{error}");
}

#[test]
fn a_stop_a_start_and_a_removal_supersede_a_recovery_that_waits() {
    for request in [Request::Stop, Request::Start, Request::Remove] {
        let asked = Asked {
            request,
            force: false,
            process: ProcessId::new(uuid::Uuid::from_u128(10)),
            cause: Cause::default(),
            now: at(1_500),
            policy: None,
        };
        let waiting = recovery(0).resource;
        assert!(Intent::to_change(waiting, asked).is_ok(), "{request}");
    }
}

#[test]
fn a_recovery_that_is_cancelled_while_it_waits_leaves_the_container_stopped() {
    let intent = recovery(0);
    let cancelled = crate::engine::cancel(&intent.process, &intent.resource, "x", at(1_500));
    assert_eq!(cancelled.unwrap().resource.state, State::Stopped);
}

#[test]
fn what_is_unhealthy_is_started_again_whatever_the_condition_and_runs_on_in_the_end() {
    let policies = Policies::default();
    let policy = RestartPolicy {
        maximum_retries: Some(1),
        ..RestartPolicy::default()
    };
    let intent = settle_unhealthy(running(policy, 0), None, moment(&policies)).unwrap();
    let intent = intent.unwrap();
    assert_eq!(intent.process.origin, State::Running);
    assert_eq!(intent.expected, Some(7));
    let left = settle_unhealthy(running(policy, 1), None, moment(&policies)).unwrap();
    assert_eq!(left, None);
}
