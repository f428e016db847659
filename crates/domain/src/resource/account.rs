//! Accounts: people and programs that use Drover, and the projects that they work in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Invalid;
use crate::role::Role;
use crate::{ResourceId, Timestamp};

/// The most projects of one account.
const MEMBERSHIPS_LIMIT: usize = 256;

/// What was asked of an account. Its password is not here: only its hash is kept, elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AccountSpec {
    /// Whether it may do everything, in every project.
    pub operator: bool,
    /// The projects that it works in.
    #[schemars(length(max = 256))]
    pub memberships: Vec<Membership>,
}

/// A project that an account works in, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Membership {
    /// The project.
    pub project_id: ResourceId,
    /// As what.
    pub role: ProjectRole,
}

/// What an account may be in a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProjectRole {
    /// Reads what the project has.
    Viewer,
    /// Reads and changes what the project has.
    Member,
}

/// What was seen of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountStatus {
    /// When somebody last logged in with its name and password.
    pub last_login: Option<Timestamp>,
}

impl From<ProjectRole> for Role {
    fn from(role: ProjectRole) -> Self {
        match role {
            ProjectRole::Viewer => Self::Viewer,
            ProjectRole::Member => Self::Member,
        }
    }
}

impl AccountSpec {
    /// Checks what the types alone do not say.
    ///
    /// # Errors
    /// The first field that is not sound, with what is wrong with it.
    pub fn validate(&self) -> Result<(), Invalid> {
        if self.memberships.len() > MEMBERSHIPS_LIMIT {
            let reason = format!("are more than {MEMBERSHIPS_LIMIT}");
            return Err(Invalid::new("memberships", reason));
        }
        for (index, membership) in self.memberships.iter().enumerate() {
            let is_repeated = self.memberships[..index]
                .iter()
                .any(|earlier| earlier.project_id == membership.project_id);
            if is_repeated {
                let field = format!("memberships[{index}].projectId");
                return Err(Invalid::new(field, "is listed twice"));
            }
        }
        Ok(())
    }

    /// What the account may be in a project; none if it has nothing to do with it.
    pub fn role_in(&self, project: ResourceId) -> Option<Role> {
        if self.operator {
            return Some(Role::Operator);
        }
        let membership = self
            .memberships
            .iter()
            .find(|membership| membership.project_id == project);
        membership.map(|membership| membership.role.into())
    }

    /// The most that it may be anywhere; none if it may be nothing.
    pub fn highest_role(&self) -> Option<Role> {
        if self.operator {
            return Some(Role::Operator);
        }
        let roles = self.memberships.iter().map(|given| Role::from(given.role));
        roles.max()
    }

    /// Whether it covers a key of a role, in a project or, without one, everywhere.
    pub fn covers(&self, role: Role, project: Option<ResourceId>) -> bool {
        match project {
            _ if self.operator => true,
            Some(project) => self.role_in(project).is_some_and(|own| own >= role),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(number: u128) -> ResourceId {
        ResourceId::new(uuid::Uuid::from_u128(number))
    }

    fn member_of(number: u128, role: ProjectRole) -> AccountSpec {
        AccountSpec {
            operator: false,
            memberships: vec![Membership {
                project_id: project(number),
                role,
            }],
        }
    }

    #[test]
    fn a_key_is_covered_by_as_much_as_its_account_may() {
        let viewer = member_of(1, ProjectRole::Viewer);
        assert!(viewer.covers(Role::Viewer, Some(project(1))));
        assert!(!viewer.covers(Role::Member, Some(project(1))));
        assert!(!viewer.covers(Role::Viewer, Some(project(2))));
        assert!(!viewer.covers(Role::Viewer, None));
        let operator = AccountSpec {
            operator: true,
            ..AccountSpec::default()
        };
        assert!(operator.covers(Role::Operator, None));
        assert_eq!(AccountSpec::default().highest_role(), None);
    }

    #[test]
    fn a_project_is_listed_once() {
        let mut account = member_of(1, ProjectRole::Viewer);
        account.memberships.push(account.memberships[0]);
        assert_eq!(
            account.validate().unwrap_err().field,
            "memberships[1].projectId"
        );
    }
}
