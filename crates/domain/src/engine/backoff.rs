//! How long to wait before the next try.

use std::time::Duration;

/// The wait before the second try.
const FIRST: Duration = Duration::from_millis(250);
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// The wait after so many failures: it doubles each time up to half a minute, and of it a random
/// half is waited at most, so that what failed together does not come back together ("equal
/// jitter", after the AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
///
/// `jitter` is from 0 to 1.
pub fn backoff(failures: u32, jitter: f64) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)));
    spread(doubled.min(LONGEST), jitter)
}

/// Half of a wait and a random part of the other half.
pub(super) fn spread(wait: Duration, jitter: f64) -> Duration {
    wait.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_never_vanish() {
        assert_eq!(backoff(1, 1.0), FIRST);
        assert_eq!(backoff(2, 1.0), FIRST * 2);
        assert_eq!(backoff(40, 1.0), LONGEST);
        assert_eq!(backoff(u32::MAX, 0.0), LONGEST / 2);
        assert_eq!(backoff(0, 0.0), FIRST / 2);
    }
}
