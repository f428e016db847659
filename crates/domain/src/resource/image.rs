//! Images: when they are fetched from their registry.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the image of a container is fetched from its registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PullPolicy {
    /// When the host does not have it.
    #[default]
    IfNotPresent,
    /// Each time that the container is made, for what the name means by then.
    Always,
    /// Never: the host has it, or the container is not made.
    Never,
}
