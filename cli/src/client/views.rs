//! The fields of the API's objects that the client looks at. Everything may be missing: states and
//! phases are text, so that a newer server's are shown rather than refused.

use std::collections::BTreeMap;

use drover_domain::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Client;
use crate::failure::Failure;

impl Client {
    /// Reads an answer through a view.
    ///
    /// # Errors
    /// [`Failure::NotTheApi`] when a field has another type.
    pub fn view<View: DeserializeOwned>(&self, value: &Value) -> Result<View, Failure> {
        View::deserialize(value).map_err(|error| self.not_the_api(&error.to_string()))
    }
}

/// A container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name; need not be unique.
    pub name: String,
    /// Its state.
    pub state: String,
    /// What it runs.
    pub image: String,
    /// The host that it lives on, once placed.
    pub host_id: Option<String>,
    /// The ports as they are bound.
    pub bound_ports: Vec<Binding>,
    /// Its last exit code.
    pub exit_code: Option<i64>,
    /// Whether it does its work: `starting`, `healthy` or `unhealthy`.
    pub health_state: Option<String>,
    /// Whether it waits to be started again after several runs that failed.
    pub crash_loop: bool,
    /// Why the last intent failed.
    pub error: Option<String>,
    /// What its active process is about.
    pub transitioning_message: Option<String>,
    /// When it was asked for.
    pub created: Option<Timestamp>,
    /// Addresses of what belongs to it.
    pub links: BTreeMap<String, String>,
}

/// A port of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Binding {
    /// The address of the host.
    pub host_ip: Option<String>,
    /// The port of the host.
    pub host_port: Option<u16>,
    /// The port inside.
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// A host.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Host {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// What its agent told about it.
    pub facts: Facts,
    /// What it has for containers.
    pub capacity: Amount,
    /// What they have taken.
    pub reserved: Amount,
    /// How many containers it may have, if that is limited.
    pub maximum_containers: Option<u64>,
    /// Why it takes no containers, if it takes none.
    pub unschedulable_reason: Option<String>,
    /// When it registered.
    pub created: Option<Timestamp>,
}

/// A volume or a network.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: String,
    /// The host that it lives on, if it is one that does.
    pub host_id: Option<String>,
    /// When it was asked for.
    pub created: Option<Timestamp>,
}

/// An image that hosts have, or shall have.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Image {
    /// Its id.
    pub id: String,
    /// What is fetched.
    pub image: String,
    /// Its state.
    pub state: String,
    /// How many hosts shall have it.
    pub hosts: u64,
    /// How many of them have it.
    pub fetched: u64,
    /// When it was asked for.
    pub created: Option<Timestamp>,
}

/// A credential for a registry.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegistryCredential {
    /// Its id.
    pub id: String,
    /// The registry.
    pub registry: String,
    /// Who logs in there.
    pub username: String,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// How busy a host is.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HostStats {
    /// Thousandths of one CPU in use.
    pub cpu_millis: i64,
    /// Memory in use, in MiB.
    #[serde(rename = "memoryUsedMiB")]
    pub memory_used_mib: u64,
    /// All its memory, in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u64,
    /// What is taken of its disk, in MiB.
    #[serde(rename = "diskUsedMiB")]
    pub disk_used_mib: u64,
    /// All of its disk, in MiB.
    #[serde(rename = "diskMiB")]
    pub disk_mib: u64,
    /// Programs that ran or waited to: over one, five and fifteen minutes.
    pub load: [f64; 3],
    /// Its containers.
    pub containers: ContainersByState,
}

/// Containers by state.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainersByState {
    /// Made, and never started.
    pub created: u64,
    /// Running.
    pub running: u64,
    /// Ended.
    pub exited: u64,
}

/// What an agent told about its machine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Facts {
    /// `docker` or `simulated`.
    pub runtime: String,
    /// The runtime's version.
    pub runtime_version: String,
}

/// An amount of what a host has and containers take.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Amount {
    /// Thousandths of one CPU.
    pub cpu_millis: i64,
    /// Memory in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: i64,
    /// How many containers; only in what is reserved.
    pub containers: Option<u64>,
}

/// A process.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Process {
    /// Its id.
    pub id: String,
    /// What was asked, as `start`.
    pub name: String,
    /// The type of the resource.
    pub resource_type: String,
    /// The resource.
    pub resource_id: String,
    /// Where it stands.
    pub phase: String,
    /// The step that is on its way.
    pub step: Option<String>,
    /// What it does, waits for or failed of.
    pub message: Option<String>,
    /// What it waits for beside the clock.
    pub waiting_on: Option<String>,
    /// Since when it waits for that.
    pub waits_since: Option<Timestamp>,
    /// Why it failed, while it undoes what it began.
    pub undoes: Option<String>,
    /// How often the step was tried in vain.
    pub attempt: u32,
    /// Its steps so far.
    pub journal: Vec<Step>,
    /// When it was accepted.
    pub created: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// When it is tried again, if it waits.
    pub run_after: Option<Timestamp>,
    /// When it gives up.
    pub deadline: Option<Timestamp>,
    /// The process that followed from it.
    pub successor_id: Option<String>,
    /// The process that it is a part of.
    pub parent_id: Option<String>,
}

impl Process {
    /// Whether nothing more will happen.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase.as_str(), "done" | "failed" | "canceled")
    }
}

/// A step of a process.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Step {
    /// Its name.
    pub step: String,
    /// When it was first tried.
    pub started: Option<Timestamp>,
    /// When it was done.
    pub finished: Option<Timestamp>,
    /// How often it was tried in vain.
    pub attempts: u32,
    /// Why it did not succeed the last time.
    pub error: Option<String>,
    /// The tries that did not succeed, oldest first.
    pub failures: Vec<FailedTry>,
}

/// A try that did not succeed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FailedTry {
    /// When it failed.
    pub at: Option<Timestamp>,
    /// Why.
    pub error: String,
}

/// A change, as the watch tells it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Change {
    /// Where it stands in the log of changes: text or a number.
    pub position: Value,
    /// The type of what changed.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// What changed.
    pub id: String,
    /// The state that it is in now.
    pub state: String,
    /// Its version now.
    pub version: Option<i64>,
    /// When it changed.
    pub time: Option<Timestamp>,
}

impl Change {
    /// The position as text, to go on behind it.
    pub fn position_text(&self) -> Option<String> {
        match &self.position {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }
}
