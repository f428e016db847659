//! The resources that pass a filter, as they are found, before changes are told.
//!
//! They are read by pages while others write. What is written meanwhile is among the changes that
//! follow, since these begin at a position from before the first page; so whoever applies them by
//! their versions has everything, and what was removed in between is told of as well.

use std::collections::VecDeque;
use std::sync::Arc;

use drover_domain::{Resource, ResourceType};
use drover_store::{Marker, Store, StoreError};

use super::event::Event;
use super::filter::Filter;
use super::form::Told;
use super::resources::Rows;

/// Resources that are read at a time.
const PAGE: u64 = 200;

/// What of a snapshot is still to be read.
pub(super) struct Snapshot {
    filter: Arc<Filter>,
    types: VecDeque<ResourceType>,
    after: Option<Marker>,
}

impl Snapshot {
    pub(super) fn of(filter: Arc<Filter>) -> Self {
        Self {
            types: filter.seen_types().into(),
            filter,
            after: None,
        }
    }

    /// The next resources; none once it is whole.
    pub(super) async fn next(&mut self, store: &Store) -> Result<Option<Vec<Told>>, StoreError> {
        let Some(resource_type) = self.types.front().copied() else {
            return Ok(None);
        };
        let selection = self.filter.selection(resource_type);
        let after = self.after.as_ref();
        let page = store
            .list_resources(resource_type, &selection, after, PAGE)
            .await?;
        self.after = page.next;
        if self.after.is_none() {
            self.types.pop_front();
        }
        let mut found = page.items;
        found.retain(|resource| self.filter.finds(resource));
        told(found, Arc::clone(&self.filter), store).await.map(Some)
    }
}

async fn told(
    found: Vec<Resource>,
    filter: Arc<Filter>,
    store: &Store,
) -> Result<Vec<Told>, StoreError> {
    let by_id = found
        .iter()
        .map(|resource| (resource.id, resource.clone()))
        .collect();
    let rows = Rows::of(store, by_id).await?;
    let told = found.iter().map(|resource| {
        let shown = rows.json(resource.id, &filter.caller);
        Told::of(&Event::snapshot(resource)).with("resource", &shown)
    });
    Ok(told.collect())
}
