//! The labels that steer a simulated container, read. The table is in the module above.

use std::collections::HashMap;
use std::time::Duration;

use crate::runtime::RuntimeError;

/// What can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Create,
    Start,
    Stop,
    Remove,
    Pull,
}

impl Action {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Remove => "remove",
            Self::Pull => "pull",
        }
    }
}

/// How the health of a container goes from each start on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Health {
    #[default]
    Healthy,
    Unhealthy,
    HealthyAfter(Duration),
    UnhealthyAfter(Duration),
}

impl Health {
    /// Whether a container is healthy so long after its start.
    pub(super) fn is_well(self, ran: Duration) -> bool {
        match self {
            Self::Healthy => true,
            Self::Unhealthy => false,
            Self::HealthyAfter(moment) => ran >= moment,
            Self::UnhealthyAfter(moment) => ran < moment,
        }
    }
}

/// What the labels of a container say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) delay: Option<Duration>,
    /// How long fetching the image takes, which is not there at first.
    pub(super) pull: Option<Duration>,
    /// What fails, and how often; without a number always.
    pub(super) fail: Option<(Action, Option<u32>)>,
    /// What the connection breaks at, and how often; without a number once.
    pub(super) disconnect: Option<(Action, Option<u32>)>,
    pub(super) health: Health,
    pub(super) exit_after: Option<Duration>,
    pub(super) exit_code: i32,
    /// Lines that it writes at each start; one if nothing is said.
    pub(super) log_lines: Option<u32>,
    pub(super) log_every: Option<Duration>,
    pub(super) log_bytes: usize,
}

impl Script {
    pub(super) fn read(labels: &HashMap<String, String>) -> Result<Self, RuntimeError> {
        Ok(Self {
            delay: read(labels, "sim.delay", duration)?,
            pull: read(labels, "sim.pull", duration)?,
            fail: read(labels, "sim.fail", at_action)?,
            disconnect: read(labels, "sim.disconnect", at_action)?,
            health: read(labels, "sim.health", health)?.unwrap_or_default(),
            exit_after: read(labels, "sim.exit-after", duration)?,
            exit_code: read(labels, "sim.exit-code", |text| text.parse().ok())?.unwrap_or_default(),
            log_lines: read(labels, "sim.log-lines", |text| text.parse().ok())?,
            log_every: read(labels, "sim.log-every", duration)?.filter(|every| !every.is_zero()),
            log_bytes: read(labels, "sim.log-bytes", |text| text.parse().ok())?.unwrap_or_default(),
        })
    }

    /// Whether it says something of starts, so that each of them is one of its own.
    pub(super) fn is_about_starts(&self) -> bool {
        let is_start = |at: Option<(Action, Option<u32>)>| {
            at.is_some_and(|(action, _)| action == Action::Start)
        };
        self.delay.is_some() || is_start(self.fail) || is_start(self.disconnect)
    }
}

fn read<T>(
    labels: &HashMap<String, String>,
    label: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, RuntimeError> {
    let Some(text) = labels.get(label) else {
        return Ok(None);
    };
    match parse(text.trim()) {
        Some(value) => Ok(Some(value)),
        None => Err(RuntimeError::Refused(format!(
            "the label {label}={} cannot be read",
            text.escape_default()
        ))),
    }
}

fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

fn at_action(text: &str) -> Option<(Action, Option<u32>)> {
    let (action, times) = match text.split_once(':') {
        Some((action, times)) => (action, Some(times.parse().ok()?)),
        None => (text, None),
    };
    let actions = [
        Action::Create,
        Action::Start,
        Action::Stop,
        Action::Remove,
        Action::Pull,
    ];
    let action = actions.into_iter().find(|known| known.as_str() == action)?;
    Some((action, times))
}

fn health(text: &str) -> Option<Health> {
    match text.split_once('=') {
        None if text == "healthy" => Some(Health::Healthy),
        None if text == "unhealthy" => Some(Health::Unhealthy),
        Some(("healthy-after", after)) => duration(after).map(Health::HealthyAfter),
        Some(("unhealthy-after", after)) => duration(after).map(Health::UnhealthyAfter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(labels: &[(&str, &str)]) -> Result<Script, RuntimeError> {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Script::read(&labels.collect())
    }

    #[test]
    fn labels_say_what_happens() {
        let read = script(&[
            ("sim.delay", "20ms"),
            ("sim.pull", "3s"),
            ("sim.fail", "start:2"),
            ("sim.exit-after", "2m"),
            ("sim.exit-code", "-3"),
            ("sim.disconnect", "stop"),
            ("sim.health", "unhealthy-after=5s"),
            ("sim.log-lines", "7"),
            ("sim.log-every", "50ms"),
            ("sim.log-bytes", "4000"),
            ("team", "x"),
        ]);
        assert_eq!(
            read.unwrap(),
            Script {
                delay: Some(Duration::from_millis(20)),
                pull: Some(Duration::from_secs(3)),
                fail: Some((Action::Start, Some(2))),
                exit_after: Some(Duration::from_secs(120)),
                exit_code: -3,
                disconnect: Some((Action::Stop, None)),
                health: Health::UnhealthyAfter(Duration::from_secs(5)),
                log_lines: Some(7),
                log_every: Some(Duration::from_millis(50)),
                log_bytes: 4_000,
            }
        );
        let always = script(&[("sim.fail", "remove")]).unwrap();
        assert_eq!(always.fail, Some((Action::Remove, None)));
        assert_eq!(script(&[]).unwrap(), Script::default());
    }

    #[test]
    fn a_label_that_cannot_be_read_is_refused_by_name() {
        for (label, value) in [
            ("sim.delay", "5"),
            ("sim.delay", "5 parsecs"),
            ("sim.fail", "restart"),
            ("sim.fail", "start:x"),
            ("sim.exit-code", "x"),
            ("sim.disconnect", "now"),
            ("sim.health", "well"),
            ("sim.health", "unhealthy-after=soon"),
        ] {
            let error = script(&[(label, value)]).unwrap_err();
            assert!(matches!(&error, RuntimeError::Refused(words) if words.contains(label)));
        }
    }
}
