//! Spans of time and counts, as short as they can be told.

use std::time::Duration;

use drover_domain::Timestamp;

/// How long ago something was, in its largest unit: `5s`, `12m`, `3h`, `40d`. A clock that is ahead
/// of ours counts as now.
pub fn age(since: Option<Timestamp>, now: Timestamp) -> String {
    since.map_or_else(|| "-".to_owned(), |since| coarse(since.until(now)))
}

fn coarse(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..=119 => format!("{seconds}s"),
        seconds @ 120..=7_199 => format!("{}m", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// How long something took: `8ms`, `1.5s`, `4m`.
pub fn length(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    let (Some(from), Some(to)) = (from, to) else {
        return "-".to_owned();
    };
    let span = from.until(to);
    match span.as_millis() {
        millis @ 0..=999 => format!("{millis}ms"),
        millis @ 1_000..=59_999 => format!("{}.{}s", millis / 1_000, millis % 1_000 / 100),
        _ => coarse(span),
    }
}

/// How often something failed: `failed once`, `failed 3 times`.
pub fn failures(count: u32) -> String {
    match count {
        1 => "failed once".to_owned(),
        count => format!("failed {count} times"),
    }
}

/// The time of day in UTC, as `12:00:03Z`.
pub fn time_of_day(moment: Option<Timestamp>) -> String {
    let text = moment.map(|moment| moment.to_string()).unwrap_or_default();
    text.get(11..19)
        .map_or_else(|| "-".to_owned(), |time| format!("{time}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let now = Timestamp::from_millis(100 * 86_400_000);
        for (seconds, text) in [
            (5, "5s"),
            (119, "119s"),
            (720, "12m"),
            (7_200, "2h"),
            (172_800, "2d"),
        ] {
            let since = Timestamp::from_millis(now.millis() - seconds * 1_000);
            assert_eq!(age(Some(since), now), text);
        }
        assert_eq!(age(None, now), "-");
        assert_eq!(age(Some(now.after(Duration::from_secs(9))), now), "0s");
    }

    #[test]
    fn a_length_is_told_finely_while_it_is_short() {
        let from = Timestamp::from_millis(0);
        for (millis, text) in [(8, "8ms"), (1_560, "1.5s"), (240_000, "4m")] {
            assert_eq!(
                length(Some(from), Some(Timestamp::from_millis(millis))),
                text
            );
        }
    }

    #[test]
    fn the_time_of_day_is_in_utc() {
        let moment = Timestamp::from_millis(1_795_219_203_123);
        assert_eq!(time_of_day(Some(moment)), "00:00:03Z");
    }
}
