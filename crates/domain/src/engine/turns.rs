//! Turns: when each of many who wait for the same thing looks whether it has come.
//!
//! What waits costs something each time that it looks. So the turns are given out at one rate, one
//! after the other, and ten thousand that wait cost a second what a hundred do (the virtual
//! scheduling of a leaky bucket; ITU-T I.371, the generic cell rate algorithm). Turns are no
//! promise: whoever learns that the thing has come wakes all who wait for it.

use std::time::Duration;

use crate::Timestamp;

/// The latest turn: what is missed by all who should wake it is not missed for longer.
pub const LATEST: Duration = Duration::from_secs(5 * 60);

/// The turns of those who wait for one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turns {
    /// How far apart they are.
    apart: Duration,
    /// The last one that was given.
    last: Timestamp,
}

impl Turns {
    /// Turns that are so far apart.
    pub const fn apart(apart: Duration) -> Self {
        Self {
            apart,
            last: Timestamp::from_millis(0),
        }
    }

    /// The next turn: not before `earliest`, not before its place in the order, and never later than
    /// [`LATEST`] from now.
    pub fn next(&mut self, now: Timestamp, earliest: Timestamp) -> Timestamp {
        let turn = self.last.after(self.apart).max(earliest);
        self.last = turn.min(now.after(LATEST));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APART: Duration = Duration::from_millis(100);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn turns_come_at_one_rate_however_many_wait() {
        let mut turns = Turns::apart(APART);
        let given: Vec<Timestamp> = (0..1_000).map(|_| turns.next(at(0), at(500))).collect();
        assert_eq!(given[0], at(500));
        assert!(given.windows(2).all(|pair| pair[0].after(APART) == pair[1]));
    }

    #[test]
    fn who_is_alone_does_not_wait_for_those_who_have_gone() {
        let mut turns = Turns::apart(APART);
        for _ in 0..10 {
            turns.next(at(0), at(0));
        }
        assert_eq!(turns.next(at(60_000), at(60_500)), at(60_500));
    }

    #[test]
    fn no_turn_comes_later_than_the_latest() {
        let mut turns = Turns::apart(APART);
        for _ in 0..50_000 {
            assert!(turns.next(at(1), at(1)) <= at(1).after(LATEST));
        }
    }
}
