//! Resources as they are by now, beside their changes: read once for a page and shared by all who
//! want them. Those of the last few pages are kept; whoever comes later reads them again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use drover_domain::process::Process;
use drover_domain::{Resource, ResourceId, ResourceType};
use drover_store::{Store, StoreError};
use tokio::sync::OnceCell;

use super::page::Page;
use crate::authorization::Caller;
use crate::representation::Room;
use crate::representation::Shown;

/// Pages whose resources are kept: with the largest pages some ten megabytes.
const KEPT: usize = 16;

/// Resources with what is shown beside their rows.
#[derive(Default)]
pub(super) struct Rows {
    resources: HashMap<ResourceId, Resource>,
    processes: HashMap<ResourceId, Process>,
    rooms: HashMap<ResourceId, Room>,
}

impl Rows {
    /// What is shown beside the rows of resources: two queries at most.
    pub(super) async fn of(
        store: &Store,
        resources: HashMap<ResourceId, Resource>,
    ) -> Result<Self, StoreError> {
        let moving = ids(&resources, |resource| resource.state.is_transitional());
        let hosts = ids(&resources, |resource| {
            resource.resource_type() == ResourceType::Host
        });
        let mut rows = Self::default();
        if !moving.is_empty() {
            for process in store.unfinished(moving).await? {
                rows.processes.insert(process.resource.id, process);
            }
        }
        if !hosts.is_empty() {
            rows.rooms = store.rooms(hosts).await?;
        }
        rows.resources = resources;
        Ok(rows)
    }

    /// A resource as JSON, as a caller sees it; `null` if there is none any more.
    pub(super) fn json(&self, id: ResourceId, caller: &Caller) -> String {
        let Some(resource) = self.resources.get(&id) else {
            return "null".to_owned();
        };
        let mut shown = Shown::<()>::new(resource.clone(), caller);
        shown.process = self.processes.get(&id).cloned();
        shown.room = self.rooms.get(&id).copied();
        serde_json::to_string(&shown).unwrap_or_else(|error| {
            tracing::error!(%error, resource = %resource.reference(), "cannot be shown");
            "null".to_owned()
        })
    }
}

fn ids(
    resources: &HashMap<ResourceId, Resource>,
    wanted: fn(&Resource) -> bool,
) -> Vec<ResourceId> {
    let wanted = resources.values().filter(|resource| wanted(resource));
    wanted.map(|resource| resource.id).collect()
}

type Cell = Arc<OnceCell<Arc<Rows>>>;

/// The resources of the pages of the ring that were read last, by the numbers of the pages.
#[derive(Default)]
pub(super) struct Resources(Mutex<VecDeque<(u64, Cell)>>);

impl Resources {
    /// Those of a page: as another has read them, or read now.
    pub(super) async fn of(
        &self,
        number: u64,
        page: &Page,
        store: &Store,
    ) -> Result<Arc<Rows>, StoreError> {
        let cell = self.cell(number);
        let rows = cell.get_or_try_init(|| read(page, store)).await?;
        Ok(Arc::clone(rows))
    }

    fn cell(&self, number: u64) -> Cell {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, cell)) = kept.iter().find(|(known, _)| *known == number) {
            return Arc::clone(cell);
        }
        let cell = Cell::default();
        kept.push_back((number, Arc::clone(&cell)));
        if kept.len() > KEPT {
            kept.pop_front();
        }
        cell
    }
}

/// Reads the resources of a page.
pub(super) async fn read(page: &Page, store: &Store) -> Result<Arc<Rows>, StoreError> {
    let ids = page.changes.iter().map(|change| change.resource.id);
    let ids: Vec<ResourceId> = ids.collect();
    let resources = store.resources_of(ids).await?;
    Ok(Arc::new(Rows::of(store, resources).await?))
}
