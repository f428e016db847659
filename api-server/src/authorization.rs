//! What whoever asks may see and do.
//!
//! A [`Caller`] is made from what a request shows, once, before anything else is done. It has a role,
//! which says what there is at all, and a [`Scope`], which says where. What lies outside of either
//! does not exist for it; what it sees and may not change is refused.

use std::net::IpAddr;
use std::sync::Arc;

use aide::operation::OperationInput;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use drover_domain::listing::{Condition, Listed, Operand, Subject, Test};
use drover_domain::process::{Cause, Process};
use drover_domain::resource::Details;
use drover_domain::{Resource, ResourceId, ResourceType, Role, Timestamp};
use uuid::Uuid;

use crate::problem::Problem;
use crate::recording::Record;
use crate::{Shared, request_id};

/// Whoever made the request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The key or session that was shown.
    pub(crate) credential: Uuid,
    /// The account that it acts for; none for a key from before there were accounts.
    pub(crate) account: Option<ResourceId>,
    /// The most that it may be anywhere.
    pub(crate) role: Role,
    /// Where it may be something.
    pub(crate) scope: Scope,
    /// When what was shown ends; never if absent.
    pub(crate) expires: Option<Timestamp>,
    /// The address that the request came from.
    pub(crate) from: Option<IpAddr>,
    /// What is written down of the request.
    pub(crate) record: Record,
}

/// Where a caller may be something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// In the whole installation.
    Everything,
    /// In these projects, each as something.
    Projects(Vec<(ResourceId, Role)>),
    /// An agent: itself.
    Agent(ResourceId),
}

impl Caller {
    /// What is written down as the cause of what follows from the request.
    pub(crate) fn cause(&self) -> Cause {
        let account = self.account.map(|account| account.to_string());
        Cause {
            request_id: request_id::current().unwrap_or_default(),
            account_id: Some(account.unwrap_or_else(|| self.credential.to_string())),
        }
    }

    /// What the caller is in a project; none if the project does not exist for it.
    pub(crate) fn role_in(&self, project: ResourceId) -> Option<Role> {
        match &self.scope {
            Scope::Everything => Some(self.role),
            Scope::Projects(projects) => {
                let found = projects.iter().find(|(id, _)| *id == project);
                found.map(|(_, role)| *role)
            }
            Scope::Agent(_) => None,
        }
    }

    /// What the caller is to a resource; none if the resource does not exist for it.
    pub(crate) fn role_to(&self, resource: &Resource) -> Option<Role> {
        if let Details::ApiKey { spec, .. } = &resource.details {
            return self.role_to_keys_of(spec.account_id);
        }
        self.role_to_one(resource.resource_type(), resource.id, resource.project)
    }

    /// The same, of what is known to be a resource.
    pub(crate) fn role_to_one(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
        project: Option<ResourceId>,
    ) -> Option<Role> {
        // Whose key it is stands in the key itself.
        if resource_type == ResourceType::ApiKey && self.role != Role::Operator {
            return None;
        }
        let role = match (&self.scope, resource_type, project) {
            (Scope::Everything, ..) => self.role,
            (Scope::Agent(own), ..) => return (*own == id).then_some(self.role),
            (_, ResourceType::Project, _) => self.role_in(id)?,
            (_, _, Some(project)) => self.role_in(project)?,
            // What belongs to the installation is seen by whoever the type lets see it.
            (_, _, None) => self.role,
        };
        role.may_see(resource_type).then_some(role)
    }

    /// Whether a process exists for the caller: as its resource does.
    pub(crate) fn sees_process(&self, process: &Process) -> bool {
        let role = match process.project {
            Some(project) => self.role_in(project),
            None => Some(self.role),
        };
        role.is_some_and(|role| role.may_see(process.resource.resource_type))
    }

    /// What must hold of items beside what was asked for, so that they exist for the caller.
    pub(crate) fn horizon(&self, listed: Listed) -> Option<Condition> {
        let id = |id: &ResourceId| Operand::Id(id.uuid());
        if listed == Listed::Resource(ResourceType::ApiKey) && self.role != Role::Operator {
            // Whoever acts for no account has no keys: none bears the id of what was shown.
            let own = Operand::Id(self.account.map_or(self.credential, ResourceId::uuid));
            let subject = Subject::Spec("accountId");
            return Some(Condition::new(subject, Test::Equals(own)));
        }
        match &self.scope {
            Scope::Everything => None,
            Scope::Agent(own) => Some(Condition::new(Subject::Id, Test::Equals(id(own)))),
            Scope::Projects(projects) => {
                let own = projects.iter().map(|(project, _)| id(project)).collect();
                let (subject, test) = match listed {
                    Listed::Resource(ResourceType::Project) => (Subject::Id, Test::OneOf(own)),
                    Listed::Resource(
                        ResourceType::Container
                        | ResourceType::Volume
                        | ResourceType::Network
                        | ResourceType::RegistryCredential
                        | ResourceType::Image,
                    ) => (Subject::Project, Test::OneOf(own)),
                    // What belongs to the installation is seen by whoever the type lets see it.
                    _ => (Subject::Project, Test::OneOfOrNull(own)),
                };
                Some(Condition::new(subject, test))
            }
        }
    }

    /// Whether everything exists for the caller.
    pub(crate) fn sees_everything(&self) -> bool {
        self.role == Role::Operator && self.scope == Scope::Everything
    }

    /// What the caller is to the keys of an account: everybody sees and revokes their own, and
    /// operators all.
    fn role_to_keys_of(&self, account: ResourceId) -> Option<Role> {
        let is_own = self.account == Some(account) || self.role == Role::Operator;
        let may_see = self.role.may_see(ResourceType::ApiKey);
        (is_own && may_see).then_some(self.role)
    }

    /// Passes a resource on if it exists for the caller.
    ///
    /// # Errors
    /// That there is no such resource.
    pub(crate) fn seen(&self, resource: Resource) -> Result<Resource, Problem> {
        match self.role_to(&resource) {
            Some(_) => Ok(resource),
            None => Err(Problem::not_found(resource.resource_type().as_str())),
        }
    }

    /// Passes a resource on if the caller may change it.
    ///
    /// # Errors
    /// That there is no such resource, or that the role does not allow it.
    pub(crate) fn changeable(&self, resource: Resource) -> Result<Resource, Problem> {
        let resource = self.seen(resource)?;
        match self.may_change(&resource) {
            true => Ok(resource),
            false => Err(Problem::role(needed_to_change(resource.resource_type()))),
        }
    }

    /// Whether the caller may change a resource.
    pub(crate) fn may_change(&self, resource: &Resource) -> bool {
        self.role_to(resource)
            .is_some_and(|role| role.may_change(resource.resource_type()))
    }
}

fn needed_to_change(resource_type: ResourceType) -> Role {
    drover_domain::role::Access::to(resource_type).change
}

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(Problem::unauthorized)
    }
}

/// The route says who may ask.
impl OperationInput for Caller {}

#[cfg(test)]
mod tests {
    use drover_domain::State;
    use drover_domain::resource::{ContainerSpec, ContainerStatus, Details};

    use super::*;

    fn id(number: u128) -> ResourceId {
        ResourceId::new(Uuid::from_u128(number))
    }

    fn caller(role: Role, scope: Scope) -> Caller {
        Caller {
            credential: Uuid::nil(),
            account: None,
            role,
            scope,
            expires: None,
            from: None,
            record: Record::default(),
        }
    }

    fn container_in(project: u128) -> Resource {
        let details = Details::Container {
            spec: Box::<ContainerSpec>::default(),
            status: Box::<ContainerStatus>::default(),
        };
        let now = Timestamp::from_millis(0);
        Resource {
            project: Some(id(project)),
            ..Resource::new(id(9), "web", State::Running, details, now)
        }
    }

    #[test]
    fn another_project_does_not_exist() {
        let member = caller(Role::Member, Scope::Projects(vec![(id(1), Role::Member)]));
        assert!(member.may_change(&container_in(1)));
        assert_eq!(member.role_to(&container_in(2)), None);
        assert_eq!(member.seen(container_in(2)).unwrap_err().code(), "notFound");
    }

    #[test]
    fn a_member_of_one_project_only_looks_at_another() {
        let roles = vec![(id(1), Role::Member), (id(2), Role::Viewer)];
        let person = caller(Role::Member, Scope::Projects(roles));
        assert!(person.seen(container_in(2)).is_ok());
        assert_eq!(
            person.changeable(container_in(2)).unwrap_err().code(),
            "role"
        );
    }

    #[test]
    fn an_agent_sees_no_containers_and_an_operator_all() {
        let agent = caller(Role::Agent, Scope::Agent(id(5)));
        assert_eq!(agent.role_to(&container_in(1)), None);
        let operator = caller(Role::Operator, Scope::Everything);
        assert!(operator.may_change(&container_in(1)));
    }

    #[test]
    fn a_list_has_what_exists_for_the_caller_and_nothing_else() {
        let two = Scope::Projects(vec![(id(1), Role::Member), (id(2), Role::Viewer)]);
        let own = || vec![Operand::Id(id(1).uuid()), Operand::Id(id(2).uuid())];
        let person = caller(Role::Member, two);
        for (listed, subject, test) in [
            (
                Listed::Resource(ResourceType::Container),
                Subject::Project,
                Test::OneOf(own()),
            ),
            (
                Listed::Resource(ResourceType::Project),
                Subject::Id,
                Test::OneOf(own()),
            ),
            (
                Listed::Resource(ResourceType::Host),
                Subject::Project,
                Test::OneOfOrNull(own()),
            ),
            (Listed::Process, Subject::Project, Test::OneOfOrNull(own())),
        ] {
            let expected = Condition::new(subject, test);
            assert_eq!(person.horizon(listed), Some(expected), "{listed:?}");
        }
        let agent = caller(Role::Agent, Scope::Agent(id(5)));
        let agents = Listed::Resource(ResourceType::Agent);
        let only = Condition::new(Subject::Id, Test::Equals(Operand::Id(id(5).uuid())));
        assert_eq!(agent.horizon(agents), Some(only));
        let operator = caller(Role::Operator, Scope::Everything);
        assert_eq!(operator.horizon(agents), None);
    }
}
