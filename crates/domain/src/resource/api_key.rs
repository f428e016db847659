//! API keys: what programs show instead of a name and a password.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::role::Role;
use crate::{ResourceId, Timestamp};

/// What was asked of a key. Its text is not here: it was shown once, and only its hash is kept.
/// Where it counts is the project of the resource; everywhere if that is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeySpec {
    /// The account that it acts for.
    pub account_id: ResourceId,
    /// What its holder may see and do.
    pub role: Role,
    /// When it ends; never if absent.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

/// What was seen of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiKeyStatus {
    /// When it was last shown, to the minute.
    pub last_used: Option<Timestamp>,
}
