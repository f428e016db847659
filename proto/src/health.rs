//! Health checks, and what was found out with them, on the wire.

use std::time::Duration;

use drover_domain::resource::{HealthCheck, HealthState, HttpProbe, OnUnhealthy, Probe, TcpProbe};

use crate::envelope::shorten;
use crate::{Malformed, v1};

impl From<&HealthCheck> for v1::HealthCheck {
    fn from(check: &HealthCheck) -> Self {
        use v1::health_check::Probe as Told;
        let probe = match &check.probe {
            Probe::Tcp(TcpProbe { port }) => Told::Tcp(v1::TcpProbe {
                port: u32::from(*port),
            }),
            Probe::Http(HttpProbe { port, path }) => Told::Http(v1::HttpProbe {
                port: u32::from(*port),
                path: path.clone(),
            }),
            Probe::Command(command) => Told::Command(v1::CommandProbe {
                command: command.clone(),
            }),
        };
        Self {
            probe: Some(probe),
            start_period_seconds: check.start_period_seconds,
            interval_seconds: check.interval_seconds,
            timeout_seconds: check.timeout_seconds,
            unhealthy_threshold: check.unhealthy_threshold,
            healthy_threshold: check.healthy_threshold,
        }
    }
}

/// No more of what a probe said is kept, in characters.
const WORDS: usize = 1_000;

/// The check as an agent carries it out. What is done about its outcome is not the agent's to know.
impl TryFrom<&v1::HealthCheck> for HealthCheck {
    type Error = Malformed;

    fn try_from(check: &v1::HealthCheck) -> Result<Self, Malformed> {
        use v1::health_check::Probe as Told;
        let port = |port: u32| {
            u16::try_from(port).map_err(|_| Malformed::Field {
                field: "healthCheck.port",
                value: shorten(&port.to_string()),
            })
        };
        let probe = match check.probe.as_ref() {
            None => return Err(Malformed::Missing("healthCheck.probe")),
            Some(Told::Tcp(tcp)) => Probe::Tcp(TcpProbe {
                port: port(tcp.port)?,
            }),
            Some(Told::Http(http)) => Probe::Http(HttpProbe {
                port: port(http.port)?,
                path: http.path.clone(),
            }),
            Some(Told::Command(probe)) => Probe::Command(probe.command.clone()),
        };
        Ok(Self {
            probe,
            start_period_seconds: check.start_period_seconds,
            interval_seconds: check.interval_seconds.max(1),
            timeout_seconds: check.timeout_seconds.max(1),
            unhealthy_threshold: check.unhealthy_threshold.max(1),
            healthy_threshold: check.healthy_threshold.max(1),
            on_unhealthy: OnUnhealthy::None,
        })
    }
}

impl From<HealthState> for v1::seen_container::Health {
    fn from(state: HealthState) -> Self {
        match state {
            HealthState::Starting => Self::Starting,
            HealthState::Healthy => Self::Healthy,
            HealthState::Unhealthy => Self::Unhealthy,
        }
    }
}

impl v1::SeenContainer {
    /// What was found out about its health, if anybody looks.
    pub fn health_state(&self) -> Option<HealthState> {
        match self.health() {
            v1::seen_container::Health::Unspecified => None,
            v1::seen_container::Health::Starting => Some(HealthState::Starting),
            v1::seen_container::Health::Healthy => Some(HealthState::Healthy),
            v1::seen_container::Health::Unhealthy => Some(HealthState::Unhealthy),
        }
    }

    /// What the last try failed of. A command in a container may say anything: what a terminal would act
    /// on, or a database cannot hold, is taken out.
    pub(crate) fn health_words(&self) -> Option<String> {
        let words = self.health_message.chars().take(WORDS);
        let words = words.map(|letter| match letter {
            '\n' | '\t' => letter,
            letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
            letter => letter,
        });
        Some(words.collect()).filter(|words: &String| !words.is_empty())
    }

    /// How long its last run lasted, if that is known.
    pub fn ran(&self) -> Option<Duration> {
        let millis = u64::try_from(self.ran_millis?).ok()?;
        Some(Duration::from_millis(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_survives_the_wire_but_for_what_is_done_about_it() {
        for probe in [
            r#"{"tcp": {"port": 80}}"#,
            r#"{"http": {"port": 80, "path": "/ready?now"}}"#,
            r#"{"command": ["cat", "/ready"]}"#,
        ] {
            let text =
                format!(r#"{{"probe": {probe}, "intervalSeconds": 2, "timeoutSeconds": 1}}"#);
            let check: HealthCheck = serde_json::from_str(&text).unwrap();
            let told = v1::HealthCheck::from(&check);
            assert_eq!(HealthCheck::try_from(&told).unwrap(), check);
        }
        assert!(HealthCheck::try_from(&v1::HealthCheck::default()).is_err());
    }

    #[test]
    fn what_a_probe_says_is_cut_and_made_harmless() {
        let words = |said: String| {
            let seen = v1::SeenContainer {
                health_message: said,
                ..v1::SeenContainer::default()
            };
            seen.health_words()
        };
        assert_eq!(words(String::new()), None);
        let said = words("a\0b\u{1b}[2J\n".to_owned());
        assert_eq!(said.as_deref(), Some("a\u{fffd}b\u{fffd}[2J\n"));
        assert!(words("x".repeat(2 * WORDS)).unwrap().len() == WORDS);
    }
}
