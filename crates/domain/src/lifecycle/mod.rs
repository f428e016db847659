//! Lifecycles: which request is allowed in which state, and where it leads.
//!
//! A lifecycle is a table, one for each type of resource, and the only place where its states are
//! joined to one another. The engine reads from it which steps to run, the API which actions to
//! offer and how to refuse, the documentation its pictures.
//!
//! ```text
//!            request             steps succeed
//!   from  ------------>  via  ------------------>  done
//!    ^                    |
//!    |                    +---------------------> error     a step failed for good
//!    |                    +---------------------> via'      a later request superseded this one
//!    +-- every state that the request lists, or any at all where it may be forced
//! ```
//!
//! [`Lifecycle::decide`] is total: for each pair of a state and a request it gives a
//! [`Transition`] or a [`Refusal`], and it never looks at anything else.

mod agent;
mod container;
mod host;
mod image;
mod names;
pub mod picture;
mod policy;
mod settled;
mod volume;

pub use names::{Request, Step, UnknownRequest, UnknownStep};
pub use policy::{Adjustment, Backoff, Policies, Policy, UnknownProcess, UnsoundPolicy};

use crate::process::Priority;
use crate::{ResourceType, State};

/// The lifecycle of one type of resource.
#[derive(Debug)]
pub struct Lifecycle {
    /// The type.
    pub resource_type: ResourceType,
    /// The state of a resource that was just asked for.
    pub initial: State,
    /// What can be asked, in the order in which a person would look for it.
    pub processes: &'static [ProcessDefinition],
    /// What can be reported by those who look at the real thing.
    pub reports: &'static [ReportDefinition],
}

/// One request of a lifecycle and the process that carries it out.
#[derive(Debug)]
pub struct ProcessDefinition {
    /// The request.
    pub request: Request,
    /// The states in which it is allowed.
    pub from: &'static [State],
    /// Whether it is allowed in any state but the ended ones when it is forced.
    pub may_be_forced: bool,
    /// The state while the process runs.
    pub via: State,
    /// The state once it is done.
    pub done: State,
    /// What is to be done, in this order.
    pub steps: &'static [Step],
    /// Whether a failure leaves nothing behind: what was begun is undone in reverse.
    pub is_atomic: bool,
    /// How long and how hard it tries, where an operator says nothing else.
    pub policy: Policy,
    /// Whether clients ask for it as an action of the resource.
    pub is_action: bool,
}

impl ProcessDefinition {
    /// Forgets what was removed, when nothing else is to be done.
    const PURGE: Self = Self {
        request: Request::Purge,
        from: &[State::Removed],
        may_be_forced: false,
        via: State::Purging,
        done: State::Purged,
        steps: &[],
        is_atomic: false,
        policy: Policy {
            priority: Priority::Background,
            ..Policy::USUAL
        },
        is_action: true,
    };
}

/// A change that was seen rather than asked for.
#[derive(Debug)]
pub struct ReportDefinition {
    /// What was seen.
    pub report: Report,
    /// The state in which it changes something.
    pub from: State,
    /// The state that it leads to.
    pub to: State,
}

/// Something that an agent can see happen to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Report {
    /// The container ended by itself.
    Exited,
    /// The container is not on its host any more.
    Vanished,
    /// The container ended once too often: its policy has it started no more.
    GaveUp,
    /// The agent of the host is not connected.
    Lost,
    /// The agent of the host is connected again.
    Reconnected,
}

/// An allowed request: where it leads.
#[derive(Clone, Copy, Debug)]
pub struct Transition {
    /// The process that carries it out.
    pub definition: &'static ProcessDefinition,
    /// The state that the resource was in.
    pub origin: State,
}

/// A request that is not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The type of resource knows no such request.
    #[error("a {resource_type} cannot be asked to {request}")]
    Unknown {
        /// The type.
        resource_type: ResourceType,
        /// What was asked.
        request: Request,
    },
    /// It does, but not in this state.
    #[error("a {resource_type} that is {state} cannot be asked to {request}")]
    State {
        /// The type.
        resource_type: ResourceType,
        /// What was asked.
        request: Request,
        /// The state that the resource is in.
        state: State,
        /// The states in which it would be allowed.
        allowed: &'static [State],
        /// Whether it would be allowed here if it were forced.
        may_be_forced: bool,
    },
}

/// The answer to a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// The resource moves to this state.
    Moves(State),
    /// A process is at work on the resource: the report must be made again once it is settled.
    Later,
    /// The report changes nothing.
    Ignored,
}

/// Lifecycles of every type.
static LIFECYCLES: [&Lifecycle; 11] = [
    &container::LIFECYCLE,
    &host::LIFECYCLE,
    &agent::LIFECYCLE,
    &settled::REGISTRATION_TOKEN,
    &settled::PROJECT,
    &settled::ACCOUNT,
    &settled::API_KEY,
    &volume::LIFECYCLE,
    &settled::NETWORK,
    &settled::REGISTRY_CREDENTIAL,
    &image::LIFECYCLE,
];

/// Every lifecycle.
pub fn all() -> impl Iterator<Item = &'static Lifecycle> {
    LIFECYCLES.into_iter()
}

/// The lifecycle of a type.
pub fn of(resource_type: ResourceType) -> &'static Lifecycle {
    match resource_type {
        ResourceType::Container => LIFECYCLES[0],
        ResourceType::Host => LIFECYCLES[1],
        ResourceType::Agent => LIFECYCLES[2],
        ResourceType::RegistrationToken => LIFECYCLES[3],
        ResourceType::Project => LIFECYCLES[4],
        ResourceType::Account => LIFECYCLES[5],
        ResourceType::ApiKey => LIFECYCLES[6],
        ResourceType::Volume => LIFECYCLES[7],
        ResourceType::Network => LIFECYCLES[8],
        ResourceType::RegistryCredential => LIFECYCLES[9],
        ResourceType::Image => LIFECYCLES[10],
    }
}

impl ProcessDefinition {
    /// The state in which a failure leaves the resource. What is only given something else to work with works
    /// on with what it has.
    pub fn failed(&self) -> State {
        match self.request {
            Request::Rotate => self.done,
            _ => State::Error,
        }
    }

    /// What undoes the process if it is atomic: the undoing of each of its steps, last first.
    pub fn undo_steps(&self) -> impl Iterator<Item = Step> {
        let backwards = self.steps.iter().rev().filter(|_| self.is_atomic);
        backwards.copied().filter_map(Step::undo)
    }
}

impl Report {
    /// The name that people see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Vanished => "vanished",
            Self::GaveUp => "gaveUp",
            Self::Lost => "lost",
            Self::Reconnected => "reconnected",
        }
    }
}

impl Lifecycle {
    /// The definition of a request, if the type knows it.
    pub fn definition(&self, request: Request) -> Option<&'static ProcessDefinition> {
        self.processes
            .iter()
            .find(|definition| definition.request == request)
    }

    /// Whether a request is allowed in a state, and where it leads.
    ///
    /// # Errors
    /// A [`Refusal`] that names the states which would allow it.
    pub fn decide(
        &self,
        state: State,
        request: Request,
        force: bool,
    ) -> Result<Transition, Refusal> {
        let resource_type = self.resource_type;
        let definition = self.definition(request).ok_or(Refusal::Unknown {
            resource_type,
            request,
        })?;
        let is_over = matches!(state, State::Removed | State::Purging | State::Purged);
        let is_forced = force && definition.may_be_forced && !is_over;
        if definition.from.contains(&state) || is_forced {
            return Ok(Transition {
                definition,
                origin: state,
            });
        }
        Err(Refusal::State {
            resource_type,
            request,
            state,
            allowed: definition.from,
            may_be_forced: definition.may_be_forced && !is_over,
        })
    }

    /// What a report changes about a resource in a state.
    pub fn hear(&self, state: State, report: Report) -> Reported {
        let heard = self
            .reports
            .iter()
            .find(|known| known.report == report && known.from == state);
        match heard {
            Some(known) => Reported::Moves(known.to),
            None if state.is_transitional() => Reported::Later,
            None => Reported::Ignored,
        }
    }

    /// The actions that a client can ask for in a state, without force.
    pub fn actions(&self, state: State) -> impl Iterator<Item = Request> {
        self.processes
            .iter()
            .filter(move |definition| definition.is_action && definition.from.contains(&state))
            .map(|definition| definition.request)
    }

    /// Every state that the type can be in.
    pub fn states(&self) -> Vec<State> {
        let mut states = vec![self.initial];
        // What no process of its own removes, one transaction does.
        states.push(State::Removed);
        for definition in self.processes {
            states.extend([definition.via, definition.done, State::Error]);
            states.extend(definition.from);
        }
        states.sort();
        states.dedup();
        states
    }
}

#[cfg(test)]
mod tests;
