//! Amounts: memory in MiB, processors in thousandths, spans of time.
//!
//! Numbers are read as decimal fractions without passing through floating point, so that `0.3` of a
//! processor is 300 thousandths and nothing else.

use std::time::Duration;

/// Reads an amount of memory, as `64m`, `64MiB` or `1.5g`, into whole MiB.
///
/// # Errors
/// A sentence that says what to type instead.
pub fn parse_memory(text: &str) -> Result<u32, String> {
    let (number, unit) = split_unit(text);
    let bytes_per_unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "k" | "ki" | "kib" => 1 << 10,
        "m" | "mi" | "mib" => 1 << 20,
        "g" | "gi" | "gib" => 1 << 30,
        "t" | "ti" | "tib" => 1 << 40,
        "" => return Err(format!("say the unit, as {number}m or {number}g")),
        "kb" | "mb" | "gb" | "tb" => {
            let letter = &unit[..1];
            return Err(format!(
                "units are powers of 1024; write {number}{letter} or {number}{}iB",
                letter.to_ascii_uppercase()
            ));
        }
        _ => return Err(format!("`{unit}` is no unit; use k, m, g or t, as 64m")),
    };
    let millis = thousandths(number).ok_or_else(|| format!("`{number}` is not a number"))?;
    let mib = u128::from(millis) * u128::from(bytes_per_unit) / 1_000 / (1 << 20);
    if mib == 0 {
        return Err("that is less than 1 MiB".to_owned());
    }
    u32::try_from(mib).map_err(|_| "that is more than any host has".to_owned())
}

/// Reads a number of processors, as `0.5` or `2`, into thousandths.
///
/// # Errors
/// A sentence that says what to type instead.
pub fn parse_cpus(text: &str) -> Result<u32, String> {
    let millis = thousandths(text)
        .ok_or("write a number with at most three places behind the point, as 0.5 or 2")?;
    if millis == 0 {
        return Err(
            "no processor at all cannot run anything; leave it out for no limit".to_owned(),
        );
    }
    u32::try_from(millis).map_err(|_| "that is more than any host has".to_owned())
}

/// Reads a span of time, as `90s`, `30m`, `2h` or `7d`, of whole units.
///
/// # Errors
/// A sentence that says what to type instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split_unit(text);
    let seconds_per_unit: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err("write a number and s, m, h or d, as 90s or 24h".to_owned()),
    };
    let count: u64 = number
        .parse()
        .map_err(|_| format!("`{number}` is not a whole number"))?;
    match count.checked_mul(seconds_per_unit) {
        Some(0) => Err("that is no time at all".to_owned()),
        // The server counts in 32 bits of seconds; a century is for ever.
        Some(seconds) if seconds <= 100 * 366 * 24 * 60 * 60 => Ok(Duration::from_secs(seconds)),
        _ => Err("that is more than a century".to_owned()),
    }
}

/// Divides `64MiB` into `64` and `MiB`.
fn split_unit(text: &str) -> (&str, &str) {
    let end = text
        .find(|character: char| !character.is_ascii_digit() && character != '.')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Reads a decimal number of at most three places behind the point, times a thousand.
fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty())
        || !is_digits(whole)
        || !is_digits(fraction)
        || fraction.len() > 3
    {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_with_its_unit() {
        for (text, mib) in [
            ("64m", 64),
            ("64M", 64),
            ("64MiB", 64),
            ("65536k", 64),
            ("1g", 1_024),
            ("1.5GiB", 1_536),
        ] {
            assert_eq!(parse_memory(text), Ok(mib), "{text}");
        }
    }

    #[test]
    fn memory_without_a_unit_or_with_a_decimal_one_is_refused_with_advice() {
        assert!(parse_memory("64").unwrap_err().contains("64m"));
        assert!(parse_memory("64MB").unwrap_err().contains("64MiB"));
        assert!(parse_memory("64parsecs").unwrap_err().contains("parsecs"));
        assert!(parse_memory("1k").unwrap_err().contains("less than 1 MiB"));
        assert!(parse_memory("m").is_err());
        assert!(parse_memory("-5m").is_err());
        assert!(parse_memory("99999999t").is_err());
        assert!(parse_memory("1.2.3g").is_err());
    }

    #[test]
    fn processors_are_read_as_exact_thousandths() {
        for (text, millis) in [("0.3", 300), ("2", 2_000), (".5", 500), ("0.001", 1)] {
            assert_eq!(parse_cpus(text), Ok(millis), "{text}");
        }
        for text in ["0", "", ".", "0.0001", "half", "-1", "99999999999999999999"] {
            assert!(parse_cpus(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_span_of_time_needs_a_unit_and_an_end() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("24h"), Ok(Duration::from_secs(86_400)));
        for text in ["90", "s", "0s", "1.5h", "999999999999d", "5 m"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
