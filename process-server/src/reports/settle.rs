//! Settling what is said of one container.

use std::sync::Arc;

use drover_domain::lifecycle::{self, Report, Reported};
use drover_domain::process::WaitsFor;
use drover_domain::resource::Details;
use drover_domain::{Fence, Resource, ResourceId, ResourceRef, ResourceType};
use drover_locks::{Acquisition, Guard, LockError};
use drover_proto::Malformed;
use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;
use drover_proto::v1::{InspectContainer, RemoveContainer, SeenContainer, seen_container};
use drover_store::{Attached, StoreError};
use tokio::sync::Notify;

use crate::Parts;
use crate::agents::{Answer, Order};
use crate::engine::offers::Offers;
use crate::engine::runner::Runner;
use crate::waking;

/// Settles reports.
pub(crate) struct Settler {
    pub(crate) parts: Parts,
    pub(crate) runner: Arc<Runner>,
    pub(crate) offers: Offers,
    /// Told when an agent has connected.
    pub(crate) news: Arc<Notify>,
}

/// Why a report could not be settled now.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Locks(#[from] LockError),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

impl Settler {
    /// Settles a report; false if it is to be made again later.
    pub(super) async fn settle_container(
        &self,
        host: ResourceId,
        seen: &SeenContainer,
    ) -> Result<bool, SettleError> {
        let id: ResourceId = seen.container_id.parse().map_err(|_| Malformed::Field {
            field: "containerId",
            value: seen.container_id.chars().take(64).collect(),
        })?;
        let Some(container) = self.container_on(host, id).await? else {
            // It is not there, or on its way elsewhere: nobody wants it here.
            return match seen.state() {
                seen_container::State::Missing => Ok(true),
                _ => self.remove_unwanted(host, id).await,
            };
        };
        let Some(report) = report_of(seen) else {
            return Ok(true);
        };
        match lifecycle::of(ResourceType::Container).hear(container.state, report) {
            Reported::Ignored => Ok(true),
            Reported::Later => Ok(false),
            Reported::Moves(_) => self.settle_under_lock(host, id).await,
        }
    }

    async fn settle_under_lock(
        &self,
        host: ResourceId,
        id: ResourceId,
    ) -> Result<bool, SettleError> {
        let Some(guard) = self.lock(id).await? else {
            return Ok(false);
        };
        let Some(container) = self.container_on(host, id).await? else {
            return Ok(true);
        };
        let Some(now) = self.inspect(host, &container, guard.fence()).await? else {
            return Ok(false);
        };
        let Some(report) = report_of(&now) else {
            return Ok(true);
        };
        match lifecycle::of(ResourceType::Container).hear(container.state, report) {
            Reported::Ignored => Ok(true),
            Reported::Later => Ok(false),
            Reported::Moves(state) => {
                let expected = container.version;
                let mut moved = container;
                if let Details::Container { status, .. } = &mut moved.details {
                    now.record(status)?;
                }
                moved.state = state;
                moved.version += 1;
                moved.updated = self.parts.clock.now();
                tracing::info!(
                    container = %id,
                    exit_code = now.exit_code,
                    %state,
                    "the container ended by itself"
                );
                let attached = Attached::nothing();
                let rewritten = self.parts.store.rewrite(&moved, expected, attached);
                let is_written = rewritten.await?.is_done();
                if is_written {
                    self.runner.announcer.changed().await;
                }
                Ok(is_written)
            }
        }
    }

    /// The lock of a container; none while somebody else holds it.
    async fn lock(&self, id: ResourceId) -> Result<Option<Guard>, SettleError> {
        let resource_type = ResourceType::Container;
        let reference = ResourceRef { resource_type, id };
        let acquired = self.parts.locks.acquire(&[reference]).await?.pop();
        Ok(match acquired {
            Some(Acquisition::Acquired(guard)) => Some(guard),
            _ => None,
        })
    }

    /// How a container is now; none if the agent does not say.
    async fn inspect(
        &self,
        host: ResourceId,
        container: &Resource,
        fence: Fence,
    ) -> Result<Option<SeenContainer>, SettleError> {
        let order = self.order("settle", host, container.reference(), fence);
        let action = Action::InspectContainer(InspectContainer {});
        let agents = &self.runner.surroundings.agents;
        Ok(match agents.send(order, action).await? {
            Answer::Container(seen) => Some(*seen),
            Answer::Failure(Code::NotFound, _) => {
                let mut missing = SeenContainer {
                    container_id: container.id.to_string(),
                    ..SeenContainer::default()
                };
                missing.set_state(seen_container::State::Missing);
                Some(missing)
            }
            _ => None,
        })
    }

    /// Takes away a container that a host has and should not have: it was removed by force while the
    /// host was away, or placed elsewhere. Decided anew under its lock.
    async fn remove_unwanted(&self, host: ResourceId, id: ResourceId) -> Result<bool, SettleError> {
        let Some(guard) = self.lock(id).await? else {
            return Ok(false);
        };
        if self.container_on(host, id).await?.is_some() {
            return Ok(false);
        }
        tracing::info!(container = %id, %host, "a container that nobody wants is taken away");
        let order = self.order("remove-unwanted", host, guard.resource(), guard.fence());
        let action = Action::RemoveContainer(RemoveContainer {});
        let agents = &self.runner.surroundings.agents;
        Ok(matches!(
            agents.send(order, action).await?,
            Answer::Container(_)
        ))
    }

    /// A container, if it lives on the host and was not removed.
    async fn container_on(
        &self,
        host: ResourceId,
        id: ResourceId,
    ) -> Result<Option<Resource>, SettleError> {
        let container = self
            .parts
            .store
            .resource(ResourceType::Container, id)
            .await?;
        let lives_here =
            |container: &Resource| container.host == Some(host) && container.removed.is_none();
        Ok(container.filter(lives_here))
    }

    /// An order that no process gives.
    fn order(&self, name: &str, host: ResourceId, resource: ResourceRef, fence: Fence) -> Order {
        Order {
            name: name.to_owned(),
            sender: self.parts.chance.id(),
            host,
            resource,
            fence,
            force: false,
        }
    }

    /// Offers the processes that wait for something which has happened.
    pub(super) async fn wake(&self, waits_for: WaitsFor) {
        match waking::wake(&self.parts.store, &*self.parts.clock, waits_for).await {
            Ok(woken) => woken.into_iter().for_each(|ready| self.offers.now(ready)),
            Err(error) => tracing::info!(%error, "nobody was woken, the sweep will do it"),
        }
    }
}

/// What a sight of a container tells; none if it runs or was never started.
fn report_of(seen: &SeenContainer) -> Option<Report> {
    match seen.state() {
        seen_container::State::Exited => Some(Report::Exited),
        seen_container::State::Missing => Some(Report::Vanished),
        _ => None,
    }
}
