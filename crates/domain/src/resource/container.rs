//! Containers: what can be asked of one, and what is seen of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::health_check::{HealthCheck, HealthState};
use super::image::PullPolicy;
use super::limits;
use super::network::NetworkAttachment;
use super::placement::ContainerPlacement;
use super::restart_policy::RestartPolicy;
use super::validation::{self, Invalid};
use super::volume::Mount;
use crate::{ResourceId, Timestamp};

/// What was asked of a container. Unknown fields are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerSpec {
    /// The image to run, as `name`, `name:tag` or `name@digest`.
    #[schemars(schema_with = "limits::image_schema")]
    pub image: String,
    /// When the image is fetched from its registry.
    #[serde(default)]
    pub pull_policy: PullPolicy,
    /// Replaces the image's entry point, if not empty.
    #[serde(default)]
    #[schemars(schema_with = "limits::texts_schema")]
    pub entrypoint: Vec<String>,
    /// Replaces the image's command, if not empty.
    #[serde(default)]
    #[schemars(schema_with = "limits::texts_schema")]
    pub command: Vec<String>,
    /// Environment variables beside those of the image.
    #[serde(default)]
    #[schemars(schema_with = "limits::environment_schema")]
    pub environment: BTreeMap<String, String>,
    /// The directory in which the command starts, absolute; the image's if absent.
    #[serde(default)]
    #[schemars(schema_with = "limits::directory_schema")]
    pub working_dir: Option<String>,
    /// The user, as `name`, `uid` or `uid:gid`; the image's if absent.
    #[serde(default)]
    #[schemars(schema_with = "limits::user_schema")]
    pub user: Option<String>,
    /// Ports of the container to publish on the host.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// Limits, reserved on the host.
    #[serde(default)]
    pub resources: ResourceLimits,
    /// Networks to join; Docker's default bridge if empty.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub networks: Vec<NetworkAttachment>,
    /// Volumes of its project and paths of its host that it finds at paths of its own.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub volumes: Vec<Mount>,
    /// Wishes about the host.
    #[serde(default)]
    pub placement: ContainerPlacement,
    /// What happens when it ends by itself.
    #[serde(default)]
    pub restart_policy: RestartPolicy,
    /// How it is found out whether it does its work; it is not looked at if absent.
    #[serde(default)]
    pub health_check: Option<HealthCheck>,
    /// Whether to start the container once it is created.
    #[serde(default = "yes")]
    pub start: bool,
}

fn yes() -> bool {
    true
}

impl ContainerSpec {
    /// Checks what the types alone do not say.
    ///
    /// # Errors
    /// The first field that is not sound, with what is wrong with it.
    pub fn validate(&self) -> Result<(), Invalid> {
        validation::validate_container(self)
    }
}

/// A port of the container, published on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Port {
    /// The address of the host to listen on; all of them if absent.
    #[serde(default)]
    pub host_ip: Option<IpAddr>,
    /// The port of the host; a free one is chosen if absent.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub host_port: Option<u16>,
    /// The port inside the container.
    #[schemars(range(min = 1))]
    pub container_port: u16,
    /// The protocol.
    #[serde(default)]
    pub protocol: Protocol,
}

/// The protocol of a port.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Limits of a container. What is set is also reserved on its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResourceLimits {
    /// Memory in MiB; unlimited if absent. Docker's least is 6.
    #[serde(default, rename = "memoryMiB")]
    #[schemars(range(min = 6))]
    pub memory_mib: Option<u32>,
    /// Thousandths of one CPU; unlimited if absent.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub cpu_millis: Option<u32>,
}

/// What was seen of a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    /// The id that the runtime gave it; none while it does not exist there.
    #[serde(default)]
    pub runtime_id: Option<String>,
    /// The exit code of its last run, if that ended.
    #[serde(default)]
    pub exit_code: Option<i32>,
    /// The ports as they are bound, with those that the runtime chose.
    #[serde(default)]
    pub bound_ports: Vec<Port>,
    /// Its address on its first network.
    #[serde(default)]
    pub address: Option<String>,
    /// The host on which it was and may still be, while it is brought up on another one.
    #[serde(default)]
    pub former_host_id: Option<ResourceId>,
    /// Why it went on where it was when it was last to be brought up elsewhere; null if it did not.
    #[serde(default)]
    pub stays_because: Option<String>,
    /// Whether it does its work, as its agent found out; null if it is not looked at or does not run.
    #[serde(default)]
    pub health_state: Option<HealthState>,
    /// What the last try failed of that made it unhealthy.
    #[serde(default)]
    pub health_message: Option<String>,
    /// How often Drover has started it again by itself since it was last started by somebody.
    #[serde(default)]
    pub restarts: u32,
    /// How many runs in a row have ended soon after they began, or had to be ended.
    #[serde(default)]
    pub failed_runs: u32,
    /// Whether it waits to be started again although several runs in a row have failed.
    #[serde(default)]
    pub crash_loop: bool,
    /// When it is started again, while it waits for that.
    #[serde(default)]
    pub next_start: Option<Timestamp>,
    /// Why the last intent failed, in words for a person.
    #[serde(default)]
    pub error: Option<String>,
}
