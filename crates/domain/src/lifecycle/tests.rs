//! Every pair of state and request, for every lifecycle.

use super::*;

#[test]
fn each_lifecycle_is_found_by_its_type() {
    for resource_type in ResourceType::ALL {
        assert_eq!(of(*resource_type).resource_type, *resource_type);
    }
}

#[test]
fn every_pair_is_decided_as_the_table_says() {
    for lifecycle in LIFECYCLES {
        for state in State::ALL {
            for request in Request::ALL {
                let answer = lifecycle.decide(*state, *request, false);
                match lifecycle.definition(*request) {
                    None => assert!(matches!(answer, Err(Refusal::Unknown { .. }))),
                    Some(definition) if definition.from.contains(state) => {
                        let transition = answer.unwrap();
                        assert_eq!(transition.origin, *state);
                        assert_eq!(transition.definition.request, *request);
                    }
                    Some(definition) => match answer.unwrap_err() {
                        Refusal::State { allowed, .. } => assert_eq!(allowed, definition.from),
                        other => panic!("{other}"),
                    },
                }
            }
        }
    }
}

#[test]
fn force_opens_every_state_but_the_ended_ones_and_only_where_it_may() {
    for lifecycle in LIFECYCLES {
        for definition in lifecycle.processes {
            for state in State::ALL {
                let is_over = matches!(state, State::Removed | State::Purging | State::Purged);
                let is_allowed =
                    definition.from.contains(state) || (definition.may_be_forced && !is_over);
                let answer = lifecycle.decide(*state, definition.request, true);
                assert_eq!(
                    answer.is_ok(),
                    is_allowed,
                    "{} in {state}",
                    definition.request
                );
            }
        }
    }
}

#[test]
fn a_process_runs_through_a_transitional_state_and_ends_in_a_settled_one() {
    for lifecycle in LIFECYCLES {
        for definition in lifecycle.processes {
            assert!(definition.via.is_transitional(), "{}", definition.request);
            assert!(!definition.done.is_transitional(), "{}", definition.request);
        }
    }
}

#[test]
fn a_process_never_needs_one_step_both_to_do_and_to_undo() {
    for lifecycle in LIFECYCLES {
        for definition in lifecycle.processes {
            for undo in definition.undo_steps() {
                assert!(!definition.steps.contains(&undo), "{}", definition.request);
                assert_eq!(undo.undo(), None, "{undo} is not undone itself");
            }
        }
    }
}

#[test]
fn no_state_is_a_trap() {
    for lifecycle in LIFECYCLES {
        for state in lifecycle.states() {
            let is_end = matches!(state, State::Removed | State::Purged);
            let can_leave = lifecycle
                .processes
                .iter()
                .any(|definition| definition.via == state || definition.from.contains(&state));
            assert!(
                is_end || can_leave || lifecycle.processes.len() < 2,
                "{} {state}",
                lifecycle.resource_type
            );
        }
    }
}

#[test]
fn a_stop_is_allowed_while_a_start_runs() {
    let transition = of(ResourceType::Container)
        .decide(State::Starting, Request::Stop, false)
        .unwrap();
    assert_eq!(transition.definition.via, State::Stopping);
}

#[test]
fn an_exit_is_heard_when_the_container_runs_and_put_off_while_a_process_works() {
    let lifecycle = of(ResourceType::Container);
    assert_eq!(
        lifecycle.hear(State::Running, Report::Exited),
        Reported::Moves(State::Stopped)
    );
    assert_eq!(
        lifecycle.hear(State::Starting, Report::Exited),
        Reported::Later
    );
    assert_eq!(
        lifecycle.hear(State::Stopped, Report::Exited),
        Reported::Ignored
    );
}

#[test]
fn names_survive_their_text() {
    for request in Request::ALL {
        assert_eq!(request.as_str().parse(), Ok(*request));
    }
    for step in Step::ALL {
        assert_eq!(step.as_str().parse(), Ok(*step));
    }
    for state in State::ALL {
        assert_eq!(state.as_str().parse(), Ok(*state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
    }
}

#[test]
fn a_failure_leads_to_error_but_for_what_works_on_with_what_it_had() {
    for lifecycle in LIFECYCLES {
        for definition in lifecycle.processes {
            let expected = match definition.request {
                Request::Rotate => State::Active,
                _ => State::Error,
            };
            assert_eq!(definition.failed(), expected, "{}", definition.request);
        }
    }
}
