//! Waits between tries: each twice as long as the one before, up to a bound, and each cut by a
//! random part of its second half so that agents that lost one server together do not come back
//! together.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The state of one series of tries.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// Starts again with the shortest wait.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after one more failure.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = self
            .first
            .saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        jittered(doubled.min(self.longest))
    }

    /// Waits after one more failure; false if the program is to end meanwhile.
    pub(crate) async fn pause(&mut self, shutdown: &CancellationToken) -> bool {
        tokio::select! {
            () = shutdown.cancelled() => false,
            () = tokio::time::sleep(self.next()) => true,
        }
    }
}

/// Between half and all of a wait.
pub(crate) fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound_and_start_again() {
        let first = Duration::from_millis(100);
        let longest = Duration::from_secs(5);
        let mut backoff = Backoff::new(first, longest);
        let mut expected = first;
        for _ in 0..200 {
            let wait = backoff.next();
            assert!(
                wait <= expected && wait >= expected / 2,
                "{wait:?} for {expected:?}"
            );
            expected = (expected * 2).min(longest);
        }
        backoff.reset();
        assert!(backoff.next() <= first);
    }
}
