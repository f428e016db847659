//! Settling all that an agent says after it has connected.

use std::collections::HashSet;

use drover_domain::resource::{Details, HostFacts};
use drover_domain::{Resource, ResourceId, ResourceType, State};
use drover_proto::v1::{Inventory, SeenContainer, seen_container};
use drover_store::{Attached, ResourceFilter};

use super::settle::{SettleError, Settler};

/// Containers of a host that are read at a time.
const PAGE: u64 = 500;

impl Settler {
    /// Settles an inventory: what has ended while the agent was away, what is gone, and what the
    /// host is by now. True once everything is settled.
    pub(super) async fn settle_inventory(
        &self,
        host: ResourceId,
        inventory: &Inventory,
    ) -> Result<bool, SettleError> {
        if let Some(facts) = &inventory.facts {
            self.record_facts(host, facts.clone().into()).await?;
        }
        let mut is_settled = true;
        for seen in &inventory.containers {
            is_settled &= self.settle_container(host, seen).await?;
        }
        let there: HashSet<&str> = inventory
            .containers
            .iter()
            .map(|seen| seen.container_id.as_str())
            .collect();
        let mut filter = ResourceFilter {
            host: Some(host),
            states: vec![State::Running],
            ..ResourceFilter::all(ResourceType::Container, PAGE)
        };
        loop {
            let page = self.parts.store.resources(&filter).await?;
            for container in &page {
                if !there.contains(container.id.to_string().as_str()) {
                    is_settled &= self.settle_container(host, &missing(container)).await?;
                }
            }
            match page.last() {
                Some(last) if page.len() as u64 == PAGE => filter.after = Some(last.id),
                _ => return Ok(is_settled),
            }
        }
    }

    async fn record_facts(&self, host: ResourceId, facts: HostFacts) -> Result<(), SettleError> {
        let Some(mut resource) = self.parts.store.resource(ResourceType::Host, host).await? else {
            return Ok(());
        };
        let Details::Host { status, .. } = &mut resource.details else {
            return Ok(());
        };
        if status.facts == facts || resource.state.is_transitional() {
            return Ok(());
        }
        let capacity = facts.capacity();
        status.facts = facts;
        let expected = resource.version;
        resource.version += 1;
        resource.updated = self.parts.clock.now();
        let attached = Attached::nothing();
        let rewritten = self.parts.store.rewrite(&resource, expected, attached);
        if rewritten.await?.is_done() {
            self.parts.store.set_capacity(host, capacity).await?;
        }
        Ok(())
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
