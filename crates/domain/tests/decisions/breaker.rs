//! The breaker of a host against a model of it, whoever asks and whatever the host does.

use std::time::Duration;

use drover_domain::Timestamp;
use drover_domain::engine::breaker::Breaker;
use drover_domain::engine::turns::Turns;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::configuration;

/// Failures in a row that close a host.
const TOLERATED: u32 = 5;
const TURN: Duration = Duration::from_millis(100);
const LATEST: Duration = Duration::from_secs(5 * 60);
const TRY: Duration = Duration::from_secs(30);
/// How soon those look again who ask during a try.
const MEANWHILE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug)]
enum Happens {
    /// So many ask at once.
    Ask(u16),
    Succeed,
    Fail(f64),
    GiveUp,
    Pass(Duration),
    /// Time passes until the rest or the try is over, as far as that is known.
    PassToTurn,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        8 => (1..4_u16).prop_map(Happens::Ask),
        1 => (1_000..6_000_u16).prop_map(Happens::Ask),
        1 => Just(Happens::Succeed),
        12 => (0.0..=1.0).prop_map(Happens::Fail),
        2 => Just(Happens::GiveUp),
        4 => (0..2_000_u64).prop_map(|millis| Happens::Pass(Duration::from_millis(millis))),
        2 => (0..400_000_u64).prop_map(|millis| Happens::Pass(Duration::from_millis(millis))),
        4 => Just(Happens::PassToTurn),
    ]
}

/// What one who stands outside knows of the breaker.
struct Model {
    failures: u32,
    stands: Stands,
    /// The last turn of those who do not try first, since the last success.
    last_turn: Option<Timestamp>,
    /// When somebody was let through since the present rest began.
    tried: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
enum Stands {
    Closed,
    /// The end of the rest is known once somebody was told it.
    Resting {
        earliest: Timestamp,
        latest: Timestamp,
        known: Option<Timestamp>,
    },
    Trying {
        until: Timestamp,
    },
}

impl Model {
    fn new() -> Self {
        Self {
            failures: 0,
            stands: Stands::Closed,
            last_turn: None,
            tried: None,
        }
    }

    fn fail(&mut self, now: Timestamp) {
        if matches!(self.stands, Stands::Resting { .. }) {
            return;
        }
        self.failures += 1;
        if self.failures < TOLERATED {
            return;
        }
        let rests = self.failures - TOLERATED;
        let longest = Duration::from_secs(2_u64.saturating_pow(rests).min(10));
        self.tried = None;
        self.stands = Stands::Resting {
            earliest: now.after(longest / 2),
            latest: now.after(longest),
            known: None,
        };
    }

    /// Holds an answer against what is known. `turn` is none if the host may be tried.
    fn hear(&mut self, turn: Option<Timestamp>, now: Timestamp) {
        if let Some(turn) = turn {
            assert!(turn > now, "a turn at {turn} is over at {now}");
            assert!(turn <= now.after(LATEST), "a turn at {turn} is too late");
        }
        match (self.stands, turn) {
            (Stands::Closed, None) => {}
            (Stands::Closed, Some(turn)) => panic!("sent to {turn} though the host is well"),
            (
                Stands::Resting {
                    earliest, known, ..
                },
                None,
            ) => {
                let end = known.unwrap_or(earliest);
                assert!(end <= now, "let through at {now}, the rest ends at {end}");
                self.try_it(now);
            }
            (
                Stands::Resting {
                    earliest,
                    latest,
                    known: None,
                },
                Some(turn),
            ) => {
                assert!(now < latest, "the rest is over");
                assert!(
                    earliest <= turn && turn <= latest,
                    "the first tries at its end"
                );
                let known = Some(turn);
                self.stands = Stands::Resting {
                    earliest,
                    latest,
                    known,
                };
            }
            (Stands::Trying { until }, None) => {
                assert!(until <= now, "two tries at once, at {now}");
                self.try_it(now);
            }
            (
                Stands::Resting {
                    known: Some(end), ..
                },
                Some(turn),
            ) => {
                assert!(now < end, "the rest is over");
                self.wait_for_turn(turn, end, now);
            }
            (Stands::Trying { until }, Some(turn)) => {
                assert!(now < until, "the try is over");
                self.wait_for_turn(turn, now.after(MEANWHILE), now);
            }
        }
    }

    fn wait_for_turn(&mut self, turn: Timestamp, earliest: Timestamp, now: Timestamp) {
        let place = self.last_turn.map(|last| last.after(TURN));
        let fair = place.map_or(earliest, |place| place.max(earliest));
        let given = fair.min(now.after(LATEST));
        assert_eq!(turn, given, "one after the other");
        self.last_turn = Some(given);
    }

    fn give_up(&mut self, now: Timestamp) {
        if matches!(self.stands, Stands::Trying { .. }) {
            self.tried = None;
            self.stands = Stands::Resting {
                earliest: now,
                latest: now,
                known: Some(now),
            };
        }
    }

    fn try_it(&mut self, now: Timestamp) {
        if let Some(earlier) = self.tried {
            // Only if nobody told the end of the try before.
            assert!(earlier.after(TRY) <= now, "a second try in one rest");
        }
        self.tried = Some(now);
        self.stands = Stands::Trying {
            until: now.after(TRY),
        };
    }

    fn is_open(&self) -> bool {
        !matches!(self.stands, Stands::Closed)
    }
}

fn live(story: &[Happens]) {
    let mut breaker = Breaker::default();
    let mut model = Model::new();
    let mut now = Timestamp::from_millis(1_000_000);
    for (number, happens) in story.iter().enumerate() {
        match *happens {
            Happens::Ask(askers) => {
                for _ in 0..askers {
                    let answer = breaker.ask(now);
                    if let Err(rest) = &answer {
                        assert_eq!(rest.failures, model.failures);
                        assert!(!rest.reason.is_empty(), "it says why");
                    }
                    model.hear(answer.err().map(|rest| rest.turn), now);
                }
            }
            Happens::Succeed => {
                assert_eq!(breaker.succeed(), model.is_open());
                model = Model::new();
                assert!((0..100).all(|_| breaker.ask(now).is_ok()), "all may go");
            }
            Happens::Fail(jitter) => {
                breaker.fail(&format!("failure {number}"), now, jitter);
                model.fail(now);
                if let Err(rest) = breaker.clone().ask(now) {
                    assert_eq!(rest.reason, format!("failure {number}"));
                }
            }
            Happens::GiveUp => {
                breaker.give_up(now);
                model.give_up(now);
            }
            Happens::Pass(time) => now = now.after(time),
            Happens::PassToTurn => {
                if let Stands::Resting {
                    known: Some(end), ..
                }
                | Stands::Trying { until: end } = model.stands
                {
                    now = now.max(end);
                }
            }
        }
        assert_eq!(breaker.is_open(), model.is_open());
    }
    // However it stands, it lets somebody through in the end.
    let longest = TRY.max(Duration::from_secs(10));
    assert!(breaker.ask(now.after(longest)).is_ok());
}

proptest! {
    #![proptest_config(configuration())]

    #[test]
    fn a_host_is_tried_once_a_rest_and_each_has_a_turn(story in vec(happens(), 0..60)) {
        live(&story);
    }

    #[test]
    fn turns_keep_their_order_and_are_never_too_early_or_too_late(
        apart in 1..4_000_u64,
        asks in vec((prop_oneof![4 => Just(0), 1 => 0..5_000_u64], 0..60_000_u64), 1..400),
    ) {
        let apart = Duration::from_millis(apart);
        let mut turns = Turns::apart(apart);
        let mut now = Timestamp::from_millis(1_000_000);
        let mut last: Option<Timestamp> = None;
        for (passes, ahead) in asks {
            now = now.after(Duration::from_millis(passes));
            let earliest = now.after(Duration::from_millis(ahead));
            let turn = turns.next(now, earliest);
            prop_assert!(earliest <= turn && turn <= now.after(LATEST));
            let place = last.map_or(earliest, |last| last.after(apart));
            // One after the other, but for the last ones, which all come at the latest.
            prop_assert!(turn >= place || turn == now.after(LATEST));
            // And nobody waits longer than the order asks for.
            prop_assert!(turn == earliest || turn <= place);
            last = Some(turn);
        }
    }
}
