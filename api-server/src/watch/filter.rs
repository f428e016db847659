//! Which changes somebody wants to be told of, and may be.
//!
//! Labels count as they were at the moment of the change. One that has changed the labels passes if
//! those from before were selected as well: whoever watches a selection is told once of what leaves it.

use drover_domain::listing::{Condition, Listed, Operand, Selection, Subject, Test};
use drover_domain::{Resource, ResourceId, ResourceType, Selector};
use drover_store::Change;

use crate::authorization::Caller;

/// What a watch is about.
#[derive(Clone)]
pub(super) struct Filter {
    /// Only these types, if any are named.
    pub(super) types: Vec<ResourceType>,
    /// Only this resource.
    pub(super) resource: Option<ResourceId>,
    /// Only what belongs to this project.
    pub(super) project: Option<ResourceId>,
    /// Only what has such labels.
    pub(super) labels: Selector,
    /// Who is told.
    pub(super) caller: Caller,
}

impl Filter {
    /// Whether everything passes.
    pub(super) fn passes_all(&self) -> bool {
        self.types.is_empty()
            && self.resource.is_none()
            && self.project.is_none()
            && self.labels.is_empty()
            && self.caller.sees_everything()
    }

    /// Whether a change passes.
    pub(super) fn passes(&self, change: &Change) -> bool {
        let resource = change.resource;
        let is_selected = || {
            let before = change.labels_before.as_ref();
            self.labels.selects(&change.labels)
                || before.is_some_and(|labels| self.labels.selects(labels))
        };
        self.is_about(resource.resource_type, resource.id, change.project) && is_selected()
    }

    /// Whether a resource as it is passes.
    pub(super) fn finds(&self, resource: &Resource) -> bool {
        self.is_about(resource.resource_type(), resource.id, resource.project)
            && self.labels.selects(&resource.labels)
    }

    fn is_about(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
        project: Option<ResourceId>,
    ) -> bool {
        (self.types.is_empty() || self.types.contains(&resource_type))
            && self.resource.is_none_or(|wanted| wanted == id)
            && self.project.is_none_or(|wanted| Some(wanted) == project)
            && self
                .caller
                .role_to_one(resource_type, id, project)
                .is_some()
    }

    /// The types that can pass.
    pub(super) fn seen_types(&self) -> Vec<ResourceType> {
        ResourceType::ALL
            .iter()
            .copied()
            .filter(|known| self.types.is_empty() || self.types.contains(known))
            .filter(|known| self.caller.role.may_see(*known))
            .collect()
    }

    /// What the database is asked for to find the resources of a type; some that it gives may not
    /// pass.
    pub(super) fn selection(&self, resource_type: ResourceType) -> Selection {
        let listed = Listed::Resource(resource_type);
        let mut selection = Selection::all(listed);
        let id = |id: ResourceId| Operand::Id(id.uuid());
        let mut demand = |subject, test| {
            selection.conditions.push(Condition::new(subject, test));
        };
        if let Some(project) = self.project {
            demand(Subject::Project, Test::Equals(id(project)));
        }
        if let Some(resource) = self.resource {
            demand(Subject::Id, Test::Equals(id(resource)));
        }
        let horizon = self.caller.horizon(listed);
        selection.conditions.extend(horizon);
        selection.labels = self.labels.clone();
        selection
    }
}

#[cfg(test)]
mod tests {
    use drover_domain::{ResourceRef, Role, State, Timestamp};
    use drover_store::{Labels, Position};
    use uuid::Uuid;

    use super::super::choice::Choice;
    use super::*;
    use crate::authorization::Scope;

    fn id(number: u128) -> ResourceId {
        ResourceId::new(Uuid::from_u128(number))
    }

    fn filter(scope: Scope, role: Role, labels: &str) -> Filter {
        Filter {
            types: Vec::new(),
            resource: None,
            project: None,
            labels: match labels {
                "" => Selector::default(),
                labels => Selector::parse(labels).unwrap(),
            },
            caller: Caller {
                credential: Uuid::nil(),
                account: None,
                role,
                scope,
                expires: None,
                from: None,
                record: crate::recording::Record::default(),
            },
        }
    }

    fn labels(team: &str) -> Labels {
        Labels::from([("team".to_owned(), team.to_owned())])
    }

    fn change(resource_type: ResourceType, project: Option<u128>) -> Change {
        Change {
            position: "1-1".parse().unwrap(),
            resource: ResourceRef {
                resource_type,
                id: id(9),
            },
            project: project.map(id),
            state: State::Running,
            version: 1,
            at: Timestamp::from_millis(0),
            labels: labels("x"),
            labels_before: None,
        }
    }

    #[test]
    fn a_change_of_another_project_does_not_pass_and_that_of_a_host_does() {
        let projects = Scope::Projects(vec![(id(1), Role::Member)]);
        let member = filter(projects, Role::Member, "");
        assert!(member.passes(&change(ResourceType::Container, Some(1))));
        assert!(!member.passes(&change(ResourceType::Container, Some(2))));
        assert!(member.passes(&change(ResourceType::Host, None)));
        assert!(!member.passes(&change(ResourceType::RegistrationToken, None)));
        let operator = filter(Scope::Everything, Role::Operator, "");
        assert!(operator.passes_all() && !member.passes_all());
    }

    #[test]
    fn an_agent_is_told_of_itself() {
        let own = filter(Scope::Agent(id(9)), Role::Agent, "");
        let other = filter(Scope::Agent(id(8)), Role::Agent, "");
        let change = change(ResourceType::Agent, None);
        assert!(own.passes(&change) && !other.passes(&change));
    }

    #[test]
    fn what_leaves_a_selection_is_told_of_once() {
        let team_x = filter(Scope::Everything, Role::Operator, "team=x");
        let inside = change(ResourceType::Container, None);
        let mut leaving = inside.clone();
        leaving.labels = labels("y");
        leaving.labels_before = Some(labels("x"));
        let mut outside = inside.clone();
        outside.labels = labels("y");
        assert!(team_x.passes(&inside) && team_x.passes(&leaving) && !team_x.passes(&outside));
    }

    #[test]
    fn what_was_told_before_is_not_chosen_again() {
        let everything = filter(Scope::Everything, Role::Operator, "");
        let changes: Vec<Change> = ["1-1", "1-2", "2-3"]
            .map(|position| Change {
                position: position.parse().unwrap(),
                ..change(ResourceType::Container, None)
            })
            .to_vec();
        let after = |text: &str| -> Position { text.parse().unwrap() };
        let chosen = |position| Choice::of(&changes, after(position), &everything);
        assert_eq!(chosen("0"), Some(Choice::From(0)));
        assert_eq!(chosen("1-2"), Some(Choice::From(2)));
        assert_eq!(chosen("2-3"), None);
    }
}
