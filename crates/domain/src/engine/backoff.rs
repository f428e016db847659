//! How long to wait before the next try.

use std::time::Duration;

use crate::lifecycle::Backoff;

/// The wait after so many failures: doubled each time up to a bound, of which half is left to
/// chance, so that those who failed together do not come back together ("equal jitter"; Marc
/// Brooker, AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
///
/// `jitter` is from 0 to 1.
pub fn backoff(backoff: Backoff, failures: u32, jitter: f64) -> Duration {
    let doublings = failures.saturating_sub(1);
    let doubled = backoff
        .first
        .saturating_mul(2_u32.saturating_pow(doublings));
    spread(doubled.min(backoff.longest), jitter)
}

/// Half of a wait and a random part of the other half.
fn spread(wait: Duration, jitter: f64) -> Duration {
    wait.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
}

/// A wait and up to a quarter more of it: who was told when to look never looks earlier.
pub(super) fn linger(wait: Duration, jitter: f64) -> Duration {
    wait.mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_never_vanish() {
        let Backoff { first, longest } = Backoff::USUAL;
        assert_eq!(backoff(Backoff::USUAL, 1, 1.0), first);
        assert_eq!(backoff(Backoff::USUAL, 2, 1.0), first * 2);
        assert_eq!(backoff(Backoff::USUAL, 40, 1.0), longest);
        assert_eq!(backoff(Backoff::USUAL, u32::MAX, 0.0), longest / 2);
        assert_eq!(backoff(Backoff::USUAL, 0, 0.0), first / 2);
    }
}
