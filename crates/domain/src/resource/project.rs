//! Projects: sets of resources that belong together, are hidden from others, and share a quota.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What was asked of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProjectSpec {
    /// How much it may have.
    pub quota: Quota,
}

/// How much a project may have at the same time. What is absent is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Quota {
    /// Containers that are not removed.
    pub containers: Option<u32>,
    /// Memory that its containers ask for, in MiB. Where it is limited, each of them must say how
    /// much it asks for.
    #[serde(rename = "memoryMiB")]
    pub memory_mib: Option<u32>,
    /// Thousandths of a CPU that its containers ask for. Where it is limited, each of them must say
    /// how much it asks for.
    pub cpu_millis: Option<u32>,
}

impl Quota {
    /// Whether it limits nothing.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}
