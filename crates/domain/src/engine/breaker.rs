//! The breaker of a host: one that fails again and again is left alone for a while.
//!
//! ```text
//!             TOLERATED failures in a row              the rest is over: one try
//!   closed -----------------------------> resting ------------------------------> trying
//!     ^                                      ^                                       |  |
//!     |                                      +---------- it failed: a longer rest ---+  |
//!     +------------------------------------------------- it succeeded ------------------+
//! ```
//!
//! While a host rests its work waits and says why. How soon each piece looks again is decided here
//! too, for the price of a bad host is what those who look cost. The first to ask during a rest is
//! to make the next try, as soon as the rest is over. The others are given turns one after the
//! other ([`turns`](super::turns)), from the end of the rest on, and during a try from a moment later: the
//! try may be given up before anybody knows its end, as by a server that has lost its lock, and whoever
//! comes next makes another. They need not look at all: whoever finds the host well again wakes them.

use std::time::Duration;

use super::backoff;
use super::turns::Turns;
use crate::Timestamp;
use crate::lifecycle::Backoff;

/// Failures in a row before a host is left alone.
const TOLERATED: u32 = 5;
/// How long a host rests: the first time, and after many tries that failed.
const REST: Backoff = Backoff {
    first: Duration::from_secs(1),
    longest: Duration::from_secs(10),
};
/// How far apart those who wait for a host look again.
const TURN: Duration = Duration::from_millis(100);
/// A try that nobody has told the end of is given up after so long.
const TRY: Duration = Duration::from_secs(30);

/// What is known of the failures of one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    /// Failures since the last success.
    failures: u32,
    /// What it failed of last.
    reason: String,
    /// The turns of those who wait for it.
    turns: Turns,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Resting {
        until: Timestamp,
        /// Whether somebody is to try when the rest is over.
        has_taker: bool,
    },
    Trying {
        until: Timestamp,
    },
}

/// A host that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtRest {
    /// How often it failed in a row.
    pub failures: u32,
    /// What it failed of last.
    pub reason: String,
    /// When to look again.
    pub turn: Timestamp,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed,
            failures: 0,
            reason: String::new(),
            turns: Turns::apart(TURN),
        }
    }
}

impl Breaker {
    /// Asks whether something may be tried on the host.
    ///
    /// # Errors
    /// When it is left alone, with the moment at which to ask again.
    pub fn ask(&mut self, now: Timestamp) -> Result<(), AtRest> {
        let turn = match &mut self.state {
            State::Closed => return Ok(()),
            State::Resting { until, .. } | State::Trying { until } if now >= *until => {
                self.state = State::Trying {
                    until: now.after(TRY),
                };
                return Ok(());
            }
            State::Resting { until, has_taker } if !*has_taker => {
                *has_taker = true;
                *until
            }
            State::Resting { until, .. } => self.turns.next(now, *until),
            State::Trying { .. } => self.turns.next(now, now.after(REST.first)),
        };
        Err(AtRest {
            failures: self.failures,
            reason: self.reason.clone(),
            turn,
        })
    }

    /// The host did what it was asked. True if it had been left alone until then.
    pub fn succeed(&mut self) -> bool {
        let was_alone = self.is_open();
        *self = Self::default();
        was_alone
    }

    /// The host did not do what it was asked. `jitter` is from 0 to 1.
    pub fn fail(&mut self, reason: &str, now: Timestamp, jitter: f64) {
        reason.clone_into(&mut self.reason);
        if matches!(self.state, State::Resting { .. }) {
            // The failures of those that were under way when the rest began are no news.
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures < TOLERATED {
            return;
        }
        let rests = self.failures - TOLERATED + 1;
        let rest = backoff(REST, rests, jitter);
        self.state = State::Resting {
            until: now.after(rest),
            has_taker: false,
        };
    }

    /// Nobody will know what came of the try that was made, if one was: whoever asks next makes another.
    pub fn give_up(&mut self, now: Timestamp) {
        if matches!(self.state, State::Trying { .. }) {
            self.state = State::Resting {
                until: now,
                has_taker: true,
            };
        }
    }

    /// Whether the host is left alone, or being tried.
    pub fn is_open(&self) -> bool {
        self.state != State::Closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn broken() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..TOLERATED {
            assert!(breaker.ask(at(0)).is_ok());
            breaker.fail("no answer", at(0), 1.0);
        }
        breaker
    }

    #[test]
    fn a_few_failures_are_tolerated_and_forgotten_with_a_success() {
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            breaker.fail("no answer", at(0), 1.0);
            assert!(breaker.ask(at(0)).is_ok());
            assert!(!breaker.succeed());
        }
    }

    #[test]
    fn a_host_that_fails_again_and_again_is_left_alone_and_says_why() {
        let mut breaker = broken();
        let rest = breaker.ask(at(1)).unwrap_err();
        assert_eq!((rest.failures, rest.reason.as_str()), (5, "no answer"));
        assert!(rest.turn > at(1));
    }

    #[test]
    fn one_try_is_made_after_the_rest_and_the_next_rest_is_longer() {
        let mut breaker = broken();
        let first = breaker.ask(at(1)).unwrap_err().turn;
        assert!(breaker.ask(first).is_ok());
        assert!(breaker.ask(first).is_err(), "one is enough");
        breaker.fail("no answer", first, 1.0);
        let second = breaker.ask(first).unwrap_err().turn;
        assert!(first.until(second) > at(0).until(first));
    }

    #[test]
    fn a_try_that_succeeds_opens_the_host_to_all() {
        let mut breaker = broken();
        let turn = breaker.ask(at(1)).unwrap_err().turn;
        assert!(breaker.ask(turn).is_ok());
        assert!(breaker.succeed());
        assert!(breaker.ask(turn).is_ok() && breaker.ask(turn).is_ok());
    }

    #[test]
    fn a_try_whose_end_nobody_tells_does_not_close_the_host_for_ever() {
        let mut breaker = broken();
        let turn = breaker.ask(at(1)).unwrap_err().turn;
        assert!(breaker.ask(turn).is_ok());
        assert!(breaker.ask(turn.after(TRY)).is_ok());
    }

    #[test]
    fn a_try_that_is_given_up_is_made_by_whoever_asks_next() {
        let mut breaker = broken();
        let turn = breaker.ask(at(1)).unwrap_err().turn;
        assert!(breaker.ask(turn).is_ok());
        let waits = breaker.ask(turn).unwrap_err().turn;
        assert_eq!(turn.until(waits), REST.first, "the try may soon be over");
        breaker.give_up(turn);
        assert!(breaker.ask(turn).is_ok());
        assert!(breaker.ask(turn).is_err(), "one is enough");
        breaker.succeed();
        breaker.give_up(turn);
        assert!(breaker.ask(turn).is_ok(), "one that is well stays so");
    }

    #[test]
    fn however_many_wait_their_turns_come_at_one_rate() {
        let mut breaker = broken();
        let taker = breaker.ask(at(1)).unwrap_err().turn;
        let turns: Vec<Timestamp> = (0..2_000)
            .map(|_| breaker.ask(at(1)).unwrap_err().turn)
            .collect();
        assert!(turns.iter().all(|turn| *turn >= taker));
        assert!(turns.windows(2).all(|pair| pair[0].after(TURN) == pair[1]));
    }
}
