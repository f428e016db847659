//! The settings that operators change while servers run.
//!
//! They are whole numbers, each with a least and a greatest value. What is not set has its default,
//! which for some is what the configuration of each server says.

use serde_json::Value;

/// What can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub unit: &'static str,
    /// Its value if it is not set; none for what the configuration says.
    pub default: Option<i64>,
    /// The least value.
    pub minimum: i64,
    /// The greatest value.
    pub maximum: i64,
    /// Whether servers that run heed it; otherwise it counts from their next start.
    pub is_live: bool,
    /// What it does.
    pub description: &'static str,
}

macro_rules! settings {
    ($($(#[$doc:meta])* $field:ident, $name:literal, $unit:literal: $default:expr, $minimum:literal..=$maximum:literal, $description:literal;)*) => {
        /// Every setting.
        pub static SETTINGS: &[Setting] = &[$(Setting {
            name: $name,
            unit: $unit,
            default: $default,
            minimum: $minimum,
            maximum: $maximum,
            is_live: true,
            description: $description,
        },)*];

        /// The values of all settings. What is none is as the configuration says.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Values {
            $($(#[$doc])* pub $field: Option<i64>,)*
        }

        impl Default for Values {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl Values {
            fn set(&mut self, name: &str, value: i64) {
                match name {
                    $($name => self.$field = Some(value),)*
                    _ => {}
                }
            }
        }
    };
}

settings! {
    /// Requests a second of one key; 0 for any number.
    rate_limit_per_second, "rateLimitPerSecond", "requests a second": Some(0), 0..=100_000,
        "How many requests a second each key may make of each server; 0 for any number.";
    /// Requests of one key at once.
    rate_limit_burst, "rateLimitBurst", "requests": Some(100), 1..=1_000_000,
        "How many requests a key may make at once after it was quiet, where their rate is limited.";
    /// How long a session lasts, in hours.
    session_hours, "sessionHours", "hours": Some(12), 1..=720,
        "How long a person stays logged in.";
    /// How long audit rows are kept, in days.
    audit_retention_days, "auditRetentionDays", "days": None, 1..=3_650,
        "How long the audit log and the history of logins are kept.";
    /// How long finished processes are kept, in days.
    process_retention_days, "processRetentionDays", "days": None, 1..=3_650,
        "How long finished processes are kept.";
    /// How long change records are kept, in hours.
    change_retention_hours, "changeRetentionHours", "hours": None, 1..=87_600,
        "How long change records are kept, from which watches resume.";
    /// The longest wait of a request, in seconds.
    longest_wait_seconds, "longestWaitSeconds", "seconds": None, 1..=600,
        "How long an answer can be held back at most.";
    /// Watches of one server.
    watches_per_server, "watchesPerServer", "watches": None, 1..=100_000,
        "How many watches each server serves at the same time at most.";
    /// How often agents give a sign of life, in seconds.
    agent_heartbeat_seconds, "agentHeartbeatSeconds", "seconds": Some(3), 1..=60,
        "How often agents give a sign of life, from their next connection on; one that gives none for three times as long is lost.";
    /// How long a host whose agent is lost is waited for, in seconds.
    host_reconnect_seconds, "hostReconnectSeconds", "seconds": Some(20), 5..=86_400,
        "How long after the last sign of life of its agent a host is given up; more if the heartbeat leaves no time for that.";
}

/// Why a value cannot be set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no whole number from {minimum} to {maximum}")]
pub struct OutOfRange {
    /// The least value.
    pub minimum: i64,
    /// The greatest value.
    pub maximum: i64,
}

impl Setting {
    /// The setting of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// The value that a client gives.
    ///
    /// # Errors
    /// When it is no number, or too small or too great.
    pub fn check(&self, value: &Value) -> Result<i64, OutOfRange> {
        let (minimum, maximum) = (self.minimum, self.maximum);
        let value = value.as_i64();
        let value = value.filter(|value| (minimum..=maximum).contains(value));
        value.ok_or(OutOfRange { minimum, maximum })
    }
}

impl Values {
    /// The values that were stored. One that this release does not know, or that was set to something
    /// that it does not take, has its default.
    pub fn of<'a>(stored: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Self {
        let mut values = Self::default();
        for (name, value) in stored {
            if let Some(Ok(value)) = Setting::named(name).map(|setting| setting.check(value)) {
                values.set(name, value);
            }
        }
        values
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_set_or_not_sound_has_its_default() {
        let seven = json!(7);
        let (text, great, unset) = (json!("7"), json!(1_000_000), Value::Null);
        let values = Values::of([
            ("sessionHours", &seven),
            ("auditRetentionDays", &text),
            ("longestWaitSeconds", &great),
            ("rateLimitBurst", &unset),
            ("unknown", &seven),
        ]);
        let expected = Values {
            session_hours: Some(7),
            ..Values::default()
        };
        assert_eq!(values, expected);
    }

    #[test]
    fn defaults_are_within_their_own_bounds() {
        for setting in SETTINGS {
            let default = setting
                .default
                .map(|default| setting.check(&json!(default)));
            assert!(
                default.is_none_or(|default| default.is_ok()),
                "{}",
                setting.name
            );
        }
    }
}
