//! Settling what is said of one container.

use std::sync::Arc;

use drover_domain::lifecycle::{Refusal, Request};
use drover_domain::process::{Cause, WaitsFor};
use drover_domain::recovery::{self, Moment, Settlement};
use drover_domain::resource::{Details, HealthState, OnUnhealthy};
use drover_domain::write::Intent;
use drover_domain::{Fence, Phase, Resource, ResourceId, ResourceRef, ResourceType, State};
use drover_locks::{Acquisition, Guard, LockError};
use drover_proto::Malformed;
use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;
use drover_proto::v1::{
    InspectContainer, RemoveContainer, SeenContainer, StopContainer, seen_container,
};
use drover_store::{Accepted, Attached, StoreError};
use tokio::sync::Notify;

use super::concern::{Concern, concern};
use crate::Parts;
use crate::agents::{Answer, Order};
use crate::engine::offers::Offers;
use crate::engine::runner::Runner;
use crate::steps::GRACE;
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
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Settler {
    /// Settles a report; false if it is to be made again later.
    pub(super) async fn settle_container(
        &self,
        host: ResourceId,
        seen: &SeenContainer,
        cause: &Cause,
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
        match concern(&container, seen) {
            Concern::Nothing => Ok(true),
            Concern::Later => self.is_known(&container).await,
            _ => self.settle_under_lock(host, id, cause).await,
        }
    }

    /// Whether a process at work is one that waits to start the container again, and has done nothing
    /// yet: then what is seen is what it was born of.
    async fn is_known(&self, container: &Resource) -> Result<bool, SettleError> {
        if container.state != State::Restarting {
            return Ok(false);
        }
        let at_work = self.parts.store.unfinished([container.id]).await?;
        Ok(at_work.iter().any(|process| {
            process.request == Request::Recover
                && process.phase == Phase::Waiting
                && process.started.is_none()
        }))
    }

    async fn settle_under_lock(
        &self,
        host: ResourceId,
        id: ResourceId,
        cause: &Cause,
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
        let concern = concern(&container, &now);
        let mut seen = container;
        if let Details::Container { status, .. } = &mut seen.details {
            now.record(status)?;
        }
        match concern {
            Concern::Nothing => Ok(true),
            Concern::Later => self.is_known(&seen).await,
            Concern::RunsUnasked => self.stop_again(host, &seen, guard.fence()).await,
            Concern::Health => self.settle_health(seen, &now, cause).await,
            Concern::Ended(end) => {
                tracing::info!(container = %id, ?end, "the container ended by itself");
                match recovery::settle_end(seen, end, now.ran(), self.moment(cause))? {
                    Settlement::Rewrite(row) => self.rewrite(&row).await,
                    Settlement::Recovery(intent) => self.accept(*intent).await,
                }
            }
        }
    }

    /// Writes down how healthy a container is, and has it started again if that was asked for.
    async fn settle_health(
        &self,
        mut seen: Resource,
        now: &SeenContainer,
        cause: &Cause,
    ) -> Result<bool, SettleError> {
        let is_to_restart = match &seen.details {
            Details::Container { spec, .. } => spec.health_check.as_ref().is_some_and(|check| {
                check.on_unhealthy == OnUnhealthy::Restart
                    && now.health_state() == Some(HealthState::Unhealthy)
            }),
            _ => false,
        };
        tracing::info!(
            container = %seen.id,
            health = ?now.health_state(),
            message = now.health_message,
            "the health of the container is another one"
        );
        if is_to_restart {
            let moment = self.moment(cause);
            if let Some(intent) = recovery::settle_unhealthy(seen.clone(), now.ran(), moment)? {
                return self.accept(intent).await;
            }
        }
        seen.version += 1;
        seen.updated = self.parts.clock.now();
        self.rewrite(&seen).await
    }

    /// Stops a container that somebody has started by hand. Its row is as it should be.
    async fn stop_again(
        &self,
        host: ResourceId,
        container: &Resource,
        fence: Fence,
    ) -> Result<bool, SettleError> {
        tracing::info!(container = %container.id, %host, "a container that nobody asked to run is stopped");
        let order = self.order("stop-unasked", host, container.reference(), fence);
        let grace_millis = u32::try_from(GRACE.as_millis()).unwrap_or(u32::MAX);
        let action = Action::StopContainer(StopContainer { grace_millis });
        let agents = &self.runner.surroundings.agents;
        Ok(matches!(
            agents.send(order, action).await?,
            Answer::Container(_)
        ))
    }

    /// Replaces a row by its next version; false if somebody else was quicker.
    async fn rewrite(&self, row: &Resource) -> Result<bool, SettleError> {
        let store = &self.parts.store;
        let rewritten = store.rewrite(row, row.version - 1, Attached::nothing());
        let is_written = rewritten.await?.is_done();
        if is_written {
            self.runner.announcer.changed().await;
        }
        Ok(is_written)
    }

    /// Commits an intent; false if somebody else was quicker. Nobody is told of the process: it waits,
    /// and the sweep finds it when its moment has come.
    async fn accept(&self, intent: Intent) -> Result<bool, SettleError> {
        let accepted = self.parts.store.accept(intent).await?;
        let is_written = matches!(accepted, Accepted::Committed { .. });
        if is_written {
            self.runner.announcer.changed().await;
        }
        Ok(is_written)
    }

    fn moment(&self, cause: &Cause) -> Moment<'_> {
        let chance = &self.parts.chance;
        Moment {
            now: self.parts.clock.now(),
            jitter: chance.fraction(),
            process: chance.process_id(),
            cause: cause.clone(),
            policies: &self.runner.policies,
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
