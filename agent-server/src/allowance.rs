//! How much one agent may say: so much at once, so much a second, and a little more for all that it
//! is asked.
//!
//! An agent that says more is not cut: it is read more slowly, until its own connection holds it
//! back. So an agent that has many replies to give gives them, and one that sends ten thousand frames
//! a second costs as much as one that sends [`FRAMES_A_SECOND`].
//!
//! Large frames count for more: each [`WEIGHT`] bytes as one frame.

use std::time::Duration;

use tokio::time::Instant;

/// Frames that an agent may send unasked, for ever.
const FRAMES_A_SECOND: f64 = 2_000.0;
const FRAMES_AT_ONCE: f64 = 5_000.0;
/// Reports that are passed on for an agent: each costs a process server a look at the database.
const REPORTS_A_SECOND: f64 = 200.0;
const REPORTS_AT_ONCE: f64 = 1_000.0;
/// Frames that a command entitles to: its reply, and news of how it goes on.
const FOR_A_COMMAND: f64 = 8.0;
/// Bytes that count as one frame.
const WEIGHT: usize = 16 * 1024;

/// What is left to one agent. It can be overdrawn by one frame, and is then paid back first.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: f64,
    most: f64,
    a_second: f64,
    at: Instant,
}

impl Allowance {
    /// For all frames of a connection.
    pub(crate) fn of_frames(now: Instant) -> Self {
        Self::new(FRAMES_AT_ONCE, FRAMES_A_SECOND, now)
    }

    /// For the reports of a connection.
    pub(crate) fn of_reports(now: Instant) -> Self {
        Self::new(REPORTS_AT_ONCE, REPORTS_A_SECOND, now)
    }

    fn new(most: f64, a_second: f64, now: Instant) -> Self {
        Self {
            left: most,
            most,
            a_second,
            at: now,
        }
    }

    /// Takes off what some frames cost that are so many bytes together.
    pub(crate) fn spend(&mut self, frames: usize, bytes: usize, now: Instant) {
        self.catch_up(now);
        #[expect(
            clippy::cast_precision_loss,
            reason = "far below what a float counts exactly"
        )]
        let cost = (frames + bytes / WEIGHT) as f64;
        self.left -= cost;
    }

    /// Takes off what one costs that weighs so much, if anything is left.
    pub(crate) fn try_spend(&mut self, weight: usize, now: Instant) -> bool {
        self.catch_up(now);
        let is_left = self.left > 0.0;
        if is_left {
            self.spend(weight, 0, now);
        }
        is_left
    }

    /// A command was sent, which will be answered.
    pub(crate) fn earn(&mut self) {
        self.left = (self.left + FOR_A_COMMAND).min(self.most);
    }

    /// Waits until anything is left. Safe to cancel.
    pub(crate) async fn wait(&mut self) {
        // The clock is only asked when it matters.
        if self.left > 0.0 {
            return;
        }
        while let Some(delay) = self.delay(Instant::now()) {
            tokio::time::sleep(delay).await;
        }
    }

    /// How long to wait until anything is left; none if it is.
    fn delay(&mut self, now: Instant) -> Option<Duration> {
        self.catch_up(now);
        // Until there is enough for a few frames, so that not each one costs a timer.
        (self.left <= 0.0).then(|| Duration::from_secs_f64((16.0 - self.left) / self.a_second))
    }

    fn catch_up(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.left = passed.mul_add(self.a_second, self.left).min(self.most);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_too_much_is_read_as_slowly_as_is_allowed() {
        let began = Instant::now();
        let mut now = began;
        let mut allowance = Allowance::of_frames(began);
        for _ in 0..25_000 {
            now += allowance.delay(now).unwrap_or_default();
            allowance.spend(1, 0, now);
        }
        let took = (now - began).as_secs_f64();
        assert!((9.9..10.1).contains(&took), "{took} s");
    }

    #[test]
    fn who_is_asked_much_may_answer_much() {
        let now = Instant::now();
        let mut allowance = Allowance::of_frames(now);
        for _ in 0..50_000 {
            allowance.earn();
            assert_eq!(allowance.delay(now), None);
            allowance.spend(1, 100, now);
        }
    }

    #[test]
    fn a_large_frame_counts_as_many() {
        let now = Instant::now();
        let mut allowance = Allowance::of_frames(now);
        allowance.spend(1, 4 << 20, now);
        assert!((allowance.left - (FRAMES_AT_ONCE - 257.0)).abs() < 0.1);
    }

    #[test]
    fn what_is_not_waited_for_is_refused() {
        let now = Instant::now();
        let mut allowance = Allowance::of_reports(now);
        assert!(allowance.try_spend(10_000, now));
        assert!(!allowance.try_spend(1, now));
    }
}
