//! What is decided about hosts, and about agent servers.

use uuid::Uuid;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + seconds * 1_000)
}

/// Somebody has been looking since the beginning, and there was a server.
fn watch(now: i64) -> Watch {
    Watch {
        began: at(0),
        served: Some(at(0)),
        now: at(now),
    }
}

fn gone(seconds: i64) -> Option<Loss> {
    Some(Loss::Connection(at(seconds)))
}

#[test]
fn an_agent_that_was_found_to_be_silent_has_time_to_come_back() {
    for heartbeat in 1..=60 {
        for reconnect in [5, 20, 60, 86_400] {
            let patience = Patience::of(&Values {
                agent_heartbeat_seconds: Some(heartbeat),
                host_reconnect_seconds: Some(reconnect),
                ..Values::default()
            });
            let left = patience.disconnected - patience.silence;
            assert!(left >= patience.heartbeat + SECOND * 3, "{patience:?}");
        }
    }
}

#[test]
fn what_is_lost_with_the_defaults_leaves_time_to_run_it_elsewhere_within_30_s() {
    let patience = Patience::default();
    assert!(patience.disconnected + SECOND * 2 <= SECOND * 24);
}

#[test]
fn a_host_is_reconnecting_soon_and_given_up_later() {
    let patience = Patience::default();
    let look = |state, now| look(state, gone(0), false, watch(now), &patience);
    for state in [State::Active, State::Inactive] {
        assert_eq!(look(state, 1), Verdict::Stay);
        assert_eq!(look(state, 3), Verdict::Move(State::Reconnecting));
        // One step after the other, however late somebody looks.
        assert_eq!(look(state, 100), Verdict::Move(State::Reconnecting));
    }
    assert_eq!(look(State::Reconnecting, 19), Verdict::Stay);
    let given_up = Verdict::Ask(Request::Disconnect);
    assert_eq!(look(State::Reconnecting, 20), given_up);
    assert_eq!(look(State::Disconnected, 1_000), Verdict::Stay);
}

#[test]
fn agents_of_a_server_that_ended_have_time_to_come_back_through_another() {
    let patience = Patience::default();
    let lost = Some(Loss::Server(at(0)));
    let look = |now| look(State::Active, lost, false, watch(now), &patience);
    assert_eq!(look(4), Verdict::Stay);
    assert_eq!(look(5), Verdict::Move(State::Reconnecting));
}

#[test]
fn a_host_that_is_back_in_time_is_active_at_once_and_a_late_one_by_a_process() {
    let patience = Patience::default();
    let look = |state, is_at_work| look(state, None, is_at_work, watch(0), &patience);
    let active = Verdict::Move(State::Active);
    assert_eq!(look(State::Reconnecting, false), active);
    assert_eq!(look(State::Reconnecting, true), Verdict::Stay);
    for state in [State::Disconnecting, State::Disconnected] {
        for is_at_work in [false, true] {
            assert_eq!(look(state, is_at_work), Verdict::Ask(Request::Reconnect));
        }
    }
}

#[test]
fn what_is_in_hand_is_left_alone() {
    let patience = Patience::default();
    for state in State::ALL {
        let is_concerned = matches!(
            state,
            State::Active
                | State::Inactive
                | State::Reconnecting
                | State::Disconnecting
                | State::Disconnected
        );
        for lost in [None, gone(0), Some(Loss::Server(at(0)))] {
            let verdict = look(*state, lost, false, watch(1_000), &patience);
            assert!(is_concerned || verdict == Verdict::Stay, "{state}");
        }
    }
}

fn server(number: u128) -> ServerId {
    ServerId::new(Uuid::from_u128(number))
}

#[test]
fn nobody_is_given_up_who_had_nobody_to_come_back_to() {
    let patience = Patience::default();
    let lost = Some(Loss::Server(at(-1_000)));
    let look = |state, served, now| {
        let watch = Watch {
            served,
            ..watch(now)
        };
        look(state, lost, false, watch, &patience)
    };
    assert_eq!(look(State::Active, None, 4), Verdict::Stay);
    let reconnecting = Verdict::Move(State::Reconnecting);
    assert_eq!(look(State::Active, None, 5), reconnecting);
    assert_eq!(look(State::Reconnecting, None, 500), Verdict::Stay);
    let since = Some(at(500));
    assert_eq!(look(State::Reconnecting, since, 519), Verdict::Stay);
    let given_up = Verdict::Ask(Request::Disconnect);
    assert_eq!(look(State::Reconnecting, since, 520), given_up);
}

#[test]
fn a_server_whose_count_stands_still_is_dead_and_one_whose_count_grows_is_not() {
    let mut vigil = Vigil::default();
    for now in 0..5 {
        let servers = [(server(1), 7), (server(2), now)];
        let (dead, watch) = vigil.look(servers, at(now));
        assert!(dead.is_empty());
        assert_eq!(watch.began, at(0));
        assert_eq!(watch.served, (now > 0).then_some(at(1)));
    }
    let (dead, _) = vigil.look([(server(1), 7), (server(2), 5)], at(5));
    assert_eq!(dead, [(server(1), 7)]);
    // The last one stops, too.
    for now in 6..10 {
        assert!(vigil.look([(server(2), 5)], at(now)).1.served.is_some());
    }
    let (dead, watch) = vigil.look([(server(2), 5)], at(10));
    assert_eq!(dead, [(server(2), 5)]);
    assert_eq!(watch.served, None);
}

#[test]
fn who_could_not_look_buries_nobody() {
    let mut vigil = Vigil::default();
    // Nor does one whose clock was set back.
    for now in [0, 100, 102, 1] {
        let (dead, _) = vigil.look([(server(1), 7)], at(now));
        assert!(dead.is_empty());
    }
}
