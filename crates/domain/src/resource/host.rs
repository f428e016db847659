//! Hosts: machines that run containers, each spoken for by one agent.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ResourceId, State};

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
    /// What it gives to containers, where that is not what its agent found.
    #[serde(default)]
    pub capacity: AskedCapacity,
    /// How many containers may live on it; any number if absent. Those that it has already stay.
    #[serde(default)]
    pub maximum_containers: Option<u32>,
}

/// How much a host gives to containers. What is absent is as its agent found it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AskedCapacity {
    /// Thousandths of one CPU.
    pub cpu_millis: Option<u32>,
    /// Memory in MiB.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: Option<u32>,
}

impl HostSpec {
    /// What a host of an agent has that nobody has said anything about.
    pub fn of(agent_id: ResourceId) -> Self {
        Self {
            agent_id,
            deactivated: false,
            capacity: AskedCapacity::default(),
            maximum_containers: None,
        }
    }

    /// How much containers may take of a host, as it was asked, and otherwise as it was found.
    pub fn room(&self, facts: &HostFacts) -> Room {
        let found = facts.capacity();
        let asked = self.capacity;
        Room {
            capacity: Capacity {
                cpu_millis: asked.cpu_millis.map_or(found.cpu_millis, i64::from),
                memory_mib: asked.memory_mib.map_or(found.memory_mib, i64::from),
            },
            maximum_containers: self.maximum_containers,
        }
    }

    /// Why a host takes no new container, whatever that asks for; none if it takes some.
    pub fn reason_to_refuse(&self, state: State, containers: u32) -> Option<String> {
        let reason = match state {
            State::Active => {
                let full = self.maximum_containers.filter(|most| containers >= *most)?;
                return Some(format!(
                    "it has {containers} containers and takes {full} at most"
                ));
            }
            State::Registering => "its agent was not heard yet",
            State::Activating => "it is being taken into use",
            State::Deactivating | State::Inactive => "it was taken out of use",
            State::Evacuating => "it is being emptied",
            State::Reconnecting | State::Disconnecting | State::Disconnected => {
                "its agent is not connected"
            }
            State::Removing | State::Removed => "it is removed",
            State::Error => "the last thing that was asked of it failed",
            other => return Some(format!("it is {other}")),
        };
        Some(reason.to_owned())
    }
}

/// How much containers may take of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// What they may reserve, all together.
    pub capacity: Capacity,
    /// How many of them there may be; any number if absent.
    pub maximum_containers: Option<u32>,
}

impl From<Capacity> for Room {
    /// So much, for any number of containers.
    fn from(capacity: Capacity) -> Self {
        Self {
            capacity,
            maximum_containers: None,
        }
    }
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
    /// How the runtime keeps what containers write, as `overlay2`.
    pub storage_driver: String,
    /// The file system that it keeps it on, in MiB, rounded down to whole GiB.
    #[serde(rename = "diskMiB")]
    pub disk_mib: u64,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> HostSpec {
        HostSpec::of(ResourceId::new(uuid::Uuid::nil()))
    }

    #[test]
    fn a_host_gives_what_was_asked_and_otherwise_what_was_found() {
        let facts = HostFacts {
            cpus: 4,
            memory_mib: 8_000,
            ..HostFacts::default()
        };
        assert_eq!(spec().room(&facts), Room::from(facts.capacity()));
        let asked = HostSpec {
            capacity: AskedCapacity {
                cpu_millis: None,
                memory_mib: Some(512),
            },
            maximum_containers: Some(3),
            ..spec()
        };
        let room = asked.room(&facts);
        assert_eq!(room.capacity.cpu_millis, 4_000);
        assert_eq!(room.capacity.memory_mib, 512);
        assert_eq!(room.maximum_containers, Some(3));
    }

    #[test]
    fn an_active_host_refuses_only_when_it_is_full_and_any_other_says_why() {
        assert_eq!(spec().reason_to_refuse(State::Active, 1_000), None);
        let limited = HostSpec {
            maximum_containers: Some(2),
            ..spec()
        };
        assert_eq!(limited.reason_to_refuse(State::Active, 1), None);
        let full = limited.reason_to_refuse(State::Active, 2).unwrap();
        assert_eq!(full, "it has 2 containers and takes 2 at most");
        for state in State::ALL.iter().filter(|state| **state != State::Active) {
            assert!(spec().reason_to_refuse(*state, 0).is_some(), "{state}");
        }
    }

    #[test]
    fn a_row_from_before_there_were_limits_has_none() {
        let old = serde_json::json!({ "agentId": uuid::Uuid::nil(), "deactivated": false });
        assert_eq!(serde_json::from_value::<HostSpec>(old).unwrap(), spec());
    }
}
