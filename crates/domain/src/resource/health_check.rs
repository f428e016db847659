//! How it is found out whether a container does its work, as it was asked, and what was found out.
//!
//! The agent of its host looks, and tells of changes only.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::validation::Invalid;
use super::{ContainerSpec, limits};

/// No time is longer than a day, in seconds.
const A_DAY: u32 = 24 * 60 * 60;
/// The most failures, or successes, in a row that are asked for.
const MOST_IN_A_ROW: u32 = 100;

/// How it is found out whether a container that runs does its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheck {
    /// What is tried.
    pub probe: Probe,
    /// For so long after each start a failure does not count, in seconds; a success does.
    #[serde(default)]
    #[schemars(range(max = 86_400))]
    pub start_period_seconds: u32,
    /// From the end of one try to the next one, in seconds.
    #[serde(default = "interval")]
    #[schemars(range(min = 1, max = 86_400))]
    pub interval_seconds: u32,
    /// A try that takes longer has failed, in seconds.
    #[serde(default = "timeout")]
    #[schemars(range(min = 1, max = 86_400))]
    pub timeout_seconds: u32,
    /// After so many failures in a row it is unhealthy.
    #[serde(default = "failures")]
    #[schemars(range(min = 1, max = 100))]
    pub unhealthy_threshold: u32,
    /// After so many successes in a row it is healthy.
    #[serde(default = "successes")]
    #[schemars(range(min = 1, max = 100))]
    pub healthy_threshold: u32,
    /// What is done about it once it is unhealthy.
    #[serde(default)]
    pub on_unhealthy: OnUnhealthy,
}

const fn interval() -> u32 {
    10
}

const fn timeout() -> u32 {
    5
}

const fn failures() -> u32 {
    3
}

const fn successes() -> u32 {
    1
}

/// What is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Probe {
    /// Whether a port of the container takes a TCP connection.
    Tcp(TcpProbe),
    /// Whether a port of the container answers a GET with a status from 200 to 399.
    Http(HttpProbe),
    /// Whether a command inside the container ends with 0.
    #[schemars(schema_with = "limits::command_schema")]
    Command(Vec<String>),
}

/// A TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpProbe {
    /// The port inside the container.
    #[schemars(range(min = 1))]
    pub port: u16,
}

/// A GET.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpProbe {
    /// The port inside the container.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// The path, with a query if there is one.
    #[serde(default = "root")]
    #[schemars(schema_with = "limits::path_schema")]
    pub path: String,
}

fn root() -> String {
    "/".to_owned()
}

/// What is done about a container that is unhealthy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnUnhealthy {
    /// Nothing: it is shown.
    #[default]
    None,
    /// It is stopped and started again, as often and as soon as the restart policy allows.
    Restart,
}

/// What was found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HealthState {
    /// Nothing yet.
    Starting,
    /// It does its work.
    Healthy,
    /// It does not.
    Unhealthy,
}

impl HealthCheck {
    /// [`start_period_seconds`](Self::start_period_seconds).
    pub fn start_period(&self) -> Duration {
        Duration::from_secs(self.start_period_seconds.into())
    }

    /// [`interval_seconds`](Self::interval_seconds).
    pub fn interval(&self) -> Duration {
        Duration::from_secs(self.interval_seconds.into())
    }

    /// [`timeout_seconds`](Self::timeout_seconds).
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds.into())
    }
}

pub(super) fn validate(spec: &ContainerSpec) -> Result<(), Invalid> {
    let Some(check) = &spec.health_check else {
        return Ok(());
    };
    for (field, least, most, number) in [
        ("startPeriodSeconds", 0, A_DAY, check.start_period_seconds),
        ("intervalSeconds", 1, A_DAY, check.interval_seconds),
        ("timeoutSeconds", 1, A_DAY, check.timeout_seconds),
        (
            "unhealthyThreshold",
            1,
            MOST_IN_A_ROW,
            check.unhealthy_threshold,
        ),
        (
            "healthyThreshold",
            1,
            MOST_IN_A_ROW,
            check.healthy_threshold,
        ),
    ] {
        if !(least..=most).contains(&number) {
            return Err(Invalid::new(
                format!("healthCheck.{field}"),
                format!("is not a number from {least} to {most}"),
            ));
        }
    }
    validate_probe(&check.probe)?;
    let is_without_network = spec
        .networks
        .first()
        .is_some_and(|one| one.network == "none");
    if is_without_network && !matches!(check.probe, Probe::Command(_)) {
        let reason = "cannot reach a container of network `none`; use a command";
        return Err(Invalid::new("healthCheck.probe", reason));
    }
    Ok(())
}

fn validate_probe(probe: &Probe) -> Result<(), Invalid> {
    let port = match probe {
        Probe::Tcp(TcpProbe { port }) => port,
        Probe::Http(HttpProbe { port, path }) => {
            if !is_sound_path(path) {
                let reason = "is not a path of printable ASCII that begins with `/`";
                return Err(Invalid::new("healthCheck.probe.http.path", reason));
            }
            port
        }
        Probe::Command(command) => {
            let is_sound = !command.is_empty() && !command.iter().any(|text| text.contains('\0'));
            if !is_sound {
                let reason = "is empty, or has a NUL character";
                return Err(Invalid::new("healthCheck.probe.command", reason));
            }
            return Ok(());
        }
    };
    if *port == 0 {
        return Err(Invalid::new(
            "healthCheck.probe",
            "has port 0; a port is 1 to 65535",
        ));
    }
    Ok(())
}

fn is_sound_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= limits::PATH_LIMIT
        && path.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(check: serde_json::Value) -> ContainerSpec {
        let spec = serde_json::json!({ "image": "drover/hello", "healthCheck": check });
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn a_check_needs_no_more_than_a_probe() {
        for probe in [
            serde_json::json!({ "tcp": { "port": 80 } }),
            serde_json::json!({ "http": { "port": 80 } }),
            serde_json::json!({ "command": ["true"] }),
        ] {
            let spec = spec(serde_json::json!({ "probe": probe }));
            assert_eq!(spec.validate(), Ok(()));
            let written = serde_json::to_value(&spec).unwrap();
            assert_eq!(
                serde_json::from_value::<ContainerSpec>(written).unwrap(),
                spec
            );
        }
    }

    #[test]
    fn each_unsound_field_of_a_check_is_named() {
        for (field, check) in [
            (
                "healthCheck.probe",
                serde_json::json!({ "probe": { "tcp": { "port": 0 } } }),
            ),
            (
                "healthCheck.probe.http.path",
                serde_json::json!({ "probe": { "http": { "port": 1, "path": "a b" } } }),
            ),
            (
                "healthCheck.probe.command",
                serde_json::json!({ "probe": { "command": [] } }),
            ),
            (
                "healthCheck.intervalSeconds",
                serde_json::json!({ "probe": { "command": ["true"] }, "intervalSeconds": 0 }),
            ),
        ] {
            assert_eq!(spec(check).validate().unwrap_err().field, field);
        }
        let mut unreachable = spec(serde_json::json!({ "probe": { "tcp": { "port": 80 } } }));
        unreachable.networks =
            serde_json::from_value(serde_json::json!([{ "network": "none" }])).unwrap();
        assert_eq!(
            unreachable.validate().unwrap_err().field,
            "healthCheck.probe"
        );
    }
}
