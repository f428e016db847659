//! Moments: a span of time before now, or a moment by itself.

use std::time::Duration;

use drover_domain::Timestamp;

use super::parse_duration;

/// Since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Ago(Duration),
    /// This moment.
    Moment(Timestamp),
}

impl Since {
    /// The moment, if it is `now`.
    pub fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(duration) => now.before(duration),
            Self::Moment(moment) => moment,
        }
    }
}

/// Reads a span of time, as `10m`, or a moment, as `2026-11-21T12:00:00Z`.
///
/// # Errors
/// A sentence that says what to type instead.
pub fn parse_since(text: &str) -> Result<Since, String> {
    if text.contains('-') || text.contains(':') {
        let moment = text.parse().map(Since::Moment);
        return moment.map_err(|error| format!("{error}"));
    }
    parse_duration(text).map(Since::Ago)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_counts_back_from_now_and_a_moment_does_not() {
        let now = Timestamp::from_millis(1_795_219_200_000);
        let ago = parse_since("10m").unwrap().before(now);
        assert_eq!(ago.millis(), 1_795_219_200_000 - 600_000);
        let moment = parse_since("2026-11-21T00:00:00Z").unwrap();
        assert_eq!(moment.before(now), now);
        assert!(parse_since("yesterday").is_err());
        assert!(parse_since("2026-11-21").is_err());
    }
}
