//! Hosts: machines that run containers, each spoken for by one agent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ResourceId;

/// What was asked of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostSpec {
    /// The agent that speaks for it.
    pub agent_id: ResourceId,
    /// Whether a person took it out of use. It takes no new work then, and is `inactive` whenever its
    /// agent is connected.
    #[serde(default)]
    pub deactivated: bool,
}

/// What was seen of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostStatus {
    /// What its agent told about it.
    #[serde(default)]
    pub facts: HostFacts,
    /// What stayed when the host was last evacuated, and why; none if nothing did.
    #[serde(default)]
    pub left_behind: Option<String>,
    /// Why the last intent failed, in words for a person.
    #[serde(default)]
    pub error: Option<String>,
}

/// What an agent tells about its machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct HostFacts {
    /// The name that the machine calls itself by.
    pub hostname: String,
    /// For example `Debian GNU/Linux 12 (bookworm)`.
    pub operating_system: String,
    /// The version of the kernel.
    pub kernel: String,
    /// For example `x86_64`.
    pub architecture: String,
    /// Processors that containers can use.
    pub cpus: u32,
    /// Memory in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: u64,
    /// `docker` or `simulated`.
    pub runtime: String,
    /// The version of the runtime.
    pub runtime_version: String,
    /// The version of the agent.
    pub agent_version: String,
}

impl HostFacts {
    /// All that the machine could give to containers.
    pub fn capacity(&self) -> Capacity {
        Capacity {
            cpu_millis: i64::from(self.cpus) * 1_000,
            memory_mib: i64::try_from(self.memory_mib).unwrap_or(i64::MAX),
        }
    }
}

/// An amount of what a host has and containers take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// Thousandths of one CPU.
    pub cpu_millis: i64,
    /// Memory in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: i64,
}
