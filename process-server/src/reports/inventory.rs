//! Settling all that an agent says after it has connected.

use std::collections::BTreeMap;

use drover_domain::process::Cause;
use drover_domain::resource::{Details, HostFacts};
use drover_domain::{Resource, ResourceId, ResourceType, State};
use drover_proto::v1::{Inventory, SeenContainer, seen_container};
use drover_store::{Attached, ResourceFilter};

use super::concern::{Concern, concern};
use super::settle::{SettleError, Settler};

/// Containers of a host that are read at a time.
const PAGE: u64 = 500;

impl Settler {
    /// Settles an inventory: what has changed while the agent was away or that nobody was told of, and
    /// what the host is by now. True once everything is settled.
    ///
    /// The rows of the host are read a page at a time; only what is not as its row says costs more.
    pub(super) async fn settle_inventory(
        &self,
        host: ResourceId,
        inventory: &Inventory,
        cause: &Cause,
    ) -> Result<bool, SettleError> {
        let mut is_settled = match &inventory.facts {
            Some(facts) => self.record_facts(host, facts.clone().into()).await?,
            None => true,
        };
        let mut seen: BTreeMap<&str, &SeenContainer> = inventory
            .containers
            .iter()
            .map(|seen| (seen.container_id.as_str(), seen))
            .collect();
        let mut filter = ResourceFilter {
            host: Some(host),
            ..ResourceFilter::all(ResourceType::Container, PAGE)
        };
        loop {
            let page = self.parts.store.resources(&filter).await?;
            for container in &page {
                let there = seen.remove(container.id.to_string().as_str());
                let missing = match there {
                    // What is on its way need not be there.
                    None if container.state != State::Running => continue,
                    None => Some(missing(container)),
                    Some(_) => None,
                };
                let Some(seen) = there.or(missing.as_ref()) else {
                    continue;
                };
                if concern(container, seen) != Concern::Nothing {
                    is_settled &= self.settle_container(host, seen, cause).await?;
                }
            }
            match page.last() {
                Some(last) if page.len() as u64 == PAGE => filter.after = Some(last.id),
                _ => break,
            }
        }
        // No row says that these live here.
        for seen in seen.into_values() {
            is_settled &= self.settle_container(host, seen, cause).await?;
        }
        Ok(is_settled)
    }

    /// Writes down what a host is, if that is not what its row says. A process that is at work on the
    /// host reads its row again. False if somebody else wrote the row meanwhile.
    async fn record_facts(&self, host: ResourceId, facts: HostFacts) -> Result<bool, SettleError> {
        let Some(mut resource) = self.parts.store.resource(ResourceType::Host, host).await? else {
            return Ok(true);
        };
        let Details::Host { status, .. } = &mut resource.details else {
            return Ok(true);
        };
        if status.facts == facts || resource.removed.is_some() {
            return Ok(true);
        }
        status.facts = facts;
        let expected = resource.version;
        resource.version += 1;
        resource.updated = self.parts.clock.now();
        let attached = Attached::nothing();
        let rewritten = self.parts.store.rewrite(&resource, expected, attached);
        let is_written = rewritten.await?.is_done();
        if is_written {
            self.runner.announcer.changed().await;
        }
        Ok(is_written)
    }
}

fn missing(container: &Resource) -> SeenContainer {
    let mut seen = SeenContainer {
        container_id: container.id.to_string(),
        ..SeenContainer::default()
    };
    seen.set_state(seen_container::State::Missing);
    seen
}
