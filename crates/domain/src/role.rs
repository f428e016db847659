//! Roles: what the holder of a key may see and do.
//!
//! There are few, in one order, and each may all that the one below it may. A role says what there
//! is at all; in which projects it says so is the matter of the one who asks.
//!
//! | role | sees | changes |
//! | --- | --- | --- |
//! | `agent` | the agent that it is | nothing |
//! | `viewer` | what its projects have, and the hosts | its own keys |
//! | `member` | the same | what its projects have |
//! | `operator` | everything | everything |

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ResourceType;

/// What the holder of a key may see and do, least first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// An agent: sees itself.
    Agent,
    /// Reads what its projects have.
    Viewer,
    /// Reads and changes what its projects have.
    Member,
    /// Everything, in every project.
    Operator,
}

impl Role {
    /// Every role, least first.
    pub const ALL: &'static [Self] = &[Self::Agent, Self::Viewer, Self::Member, Self::Operator];

    /// The name that people and databases see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Operator => "operator",
        }
    }

    /// Whether a type of resource exists for it.
    pub fn may_see(self, resource_type: ResourceType) -> bool {
        self >= Access::to(resource_type).see
    }

    /// Whether it may make, change and remove resources of a type.
    pub fn may_change(self, resource_type: ResourceType) -> bool {
        self >= Access::to(resource_type).change
    }
}

/// The least roles that may do something about a type of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// To see that it exists, and its resources.
    pub see: Role,
    /// To make, change and remove its resources.
    pub change: Role,
}

impl Access {
    /// What the types ask for.
    pub const fn to(resource_type: ResourceType) -> Self {
        let (see, change) = match resource_type {
            ResourceType::Container
            | ResourceType::Volume
            | ResourceType::Network
            | ResourceType::RegistryCredential
            | ResourceType::Image => (Role::Viewer, Role::Member),
            ResourceType::Host | ResourceType::Project => (Role::Viewer, Role::Operator),
            ResourceType::Agent => (Role::Agent, Role::Operator),
            ResourceType::RegistrationToken | ResourceType::Account => {
                (Role::Operator, Role::Operator)
            }
            ResourceType::ApiKey => (Role::Viewer, Role::Viewer),
        };
        Self { see, change }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_may_change_something_sees_it_and_more_role_is_never_less() {
        for resource_type in ResourceType::ALL.iter().copied() {
            let access = Access::to(resource_type);
            assert!(access.change >= access.see, "{resource_type}");
            for pair in Role::ALL.windows(2) {
                assert!(pair[0] < pair[1]);
                assert!(pair[1].may_see(resource_type) || !pair[0].may_see(resource_type));
            }
            assert!(Role::Operator.may_change(resource_type));
        }
    }

    #[test]
    fn a_role_survives_its_text() {
        for role in Role::ALL.iter().copied() {
            assert_eq!(role.to_string().parse(), Ok(role));
        }
        assert!("root".parse::<Role>().is_err());
    }
}
