//! Steps: what processes are made of.
//!
//! A step looks whether what it is for is true already, makes it true if not, and says what it
//! saw. It may run any number of times, after a crash or because what it read was out of date, so
//! nothing that it does may add up. It changes nothing in the database: the changes that it answers
//! with are written with its journal entry, or not at all.
//!
//! Each step has a file in the folder of the lifecycle that it belongs to.

mod agent;
mod container;
mod host;
mod image;
mod registry;
mod replies;
mod volume;

use std::sync::Arc;
use std::time::Duration;

use drover_domain::engine::{Outcome, foregone};
use drover_domain::lifecycle::{Policies, Policy, Step};
use drover_domain::{Process, Resource, ResourceId, ResourceType, Timestamp};
use drover_proto::Malformed;
use drover_store::{Store, StoreError};

use crate::agents::{Agents, Order};
use crate::chance::Chance;
use crate::hosts::Hosts;
use crate::liveness::Reach;

/// How long a container may take to end by itself before it is killed; Docker's own default.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// What steps act on.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub(crate) store: Store,
    pub(crate) agents: Agents,
    pub(crate) hosts: Hosts,
    pub(crate) reach: Reach,
    pub(crate) chance: Arc<dyn Chance>,
    pub(crate) policies: Policies,
}

/// What a step knows: the process and the resource as they were read, and its surroundings.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) step: Step,
    pub(crate) now: Timestamp,
    pub(crate) process: &'a Process,
    pub(crate) resource: &'a Resource,
    pub(crate) surroundings: &'a Surroundings,
}

/// Why a step has no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StepError {
    /// An agent has seen a higher fence for the resource: this server must not go on.
    #[error("an agent has seen a higher fence")]
    Fenced,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An agent's reply is not of the right form.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// Runs a step.
pub(crate) async fn run(
    step: Step,
    process: &Process,
    resource: &Resource,
    surroundings: &Surroundings,
    now: Timestamp,
) -> Result<Outcome, StepError> {
    let context = Context {
        now,
        step,
        process,
        resource,
        surroundings,
    };
    match step {
        Step::Place => container::place::run(context).await,
        Step::CreateOnHost => container::create_on_host::run(context).await,
        Step::StartOnHost => container::start_on_host::run(context).await,
        Step::StopOnHost => container::stop_on_host::run(context).await,
        Step::RemoveFromHost => container::remove_from_host::run(context).await,
        Step::Greet => agent::greet::run(context).await,
        Step::RotateCredential => agent::rotate_credential::run(context).await,
        Step::TakeInventory => host::take_inventory::run(context).await,
        Step::RefuseWhileOccupied => host::refuse_while_occupied::run(context).await,
        Step::RetireAgent => host::retire_agent::run(context).await,
        Step::StopOccupants => host::stop_occupants::run(context).await,
        Step::PlaceElsewhere => container::place_elsewhere::run(context).await,
        Step::ReplaceOccupants => host::replace_occupants::run(context).await,
        Step::RefuseStrays => host::refuse_strays::run(context).await,
        Step::LeaveVolumes => container::leave_volumes::run(context).await,
        Step::MakeVolume => volume::make_volume::run(context).await,
        Step::RefuseWhileMounted => volume::refuse_while_mounted::run(context).await,
        Step::RemoveVolume => volume::remove_volume::run(context).await,
        Step::PullOnHosts => image::pull_on_hosts::run(context).await,
        // The engine does not have them run.
        Step::Release | Step::Unplace => {
            let changes = foregone(step, resource).unwrap_or_default();
            Ok(Outcome::Done(Box::new(changes)))
        }
    }
}

impl Context<'_> {
    /// Whether a host was removed, and whatever lived on it with it.
    async fn is_gone(&self, host: ResourceId) -> Result<bool, StepError> {
        let host = self
            .surroundings
            .store
            .resource(ResourceType::Host, host)
            .await?;
        Ok(host.is_none_or(|host| host.removed.is_some()))
    }

    /// How long and how hard the process tries.
    fn policy(&self) -> Policy {
        let process = self.process;
        let policy = self
            .surroundings
            .policies
            .of(process.resource.resource_type, process.request);
        policy.unwrap_or(Policy::USUAL)
    }

    /// The order for the agent of a host, in the name of this step and this try of it. `part` tells
    /// apart the commands of one step.
    fn order(&self, host: ResourceId, part: &str) -> Order {
        Order {
            name: format!("{}/{}/{part}", self.step, self.process.attempts()),
            sender: self.process.id.uuid(),
            host,
            resource: self.resource.reference(),
            fence: self.process.fence,
            force: self.process.force,
        }
    }
}
