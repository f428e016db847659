//! Agents: the programs on hosts that act for Drover.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ResourceId;

/// What was asked of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AgentSpec {
    /// The host that it speaks for.
    pub host_id: ResourceId,
}

/// What was seen of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// Its version, as it told.
    #[serde(default)]
    pub agent_version: String,
    /// Why the last intent failed, in words for a person.
    #[serde(default)]
    pub error: Option<String>,
}
