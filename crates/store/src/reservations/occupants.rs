//! Who has a place on a host already, for those who do not stand beside everybody.
//!
//! It is read after the rooms of the hosts are locked, so that nobody comes or goes meanwhile, and only
//! for hosts of which somebody asks. Costs as much as there are containers on these hosts.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use drover_domain::resource::Neighbours;
use drover_domain::{Resource, ResourceId};
use sea_orm::entity::prelude::{Json, Uuid};
use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect};

use crate::entities::{reservation, resource};
use crate::{StoreError, dialect};

/// A container that has a place on a host, as others may ask about it.
pub(super) struct Occupant {
    container: Uuid,
    project: Option<Uuid>,
    name: String,
    labels: BTreeMap<String, String>,
}

impl Occupant {
    pub(super) fn of(container: Uuid, resource: &Resource) -> Self {
        Self {
            container,
            project: resource.project.map(ResourceId::uuid),
            name: resource.name.clone(),
            labels: resource.labels.clone(),
        }
    }
}

/// By host, who is there; of hosts that somebody asks about.
#[derive(Default)]
pub(super) struct Occupants(HashMap<Uuid, Vec<Occupant>>);

impl Occupants {
    pub(super) async fn read(
        transaction: &DatabaseTransaction,
        hosts: BTreeSet<Uuid>,
    ) -> Result<Self, StoreError> {
        let mut by_host: HashMap<Uuid, Vec<Occupant>> =
            hosts.iter().map(|host| (*host, Vec::new())).collect();
        if hosts.is_empty() {
            return Ok(Self(by_host));
        }
        let backend = transaction.get_database_backend();
        let places: Vec<(Uuid, Uuid)> = reservation::Entity::find()
            .select_only()
            .columns([
                reservation::Column::ContainerId,
                reservation::Column::HostId,
            ])
            .filter(dialect::is_one_of(
                backend,
                reservation::Column::HostId,
                hosts,
            ))
            .into_tuple()
            .all(transaction)
            .await?;
        let places: HashMap<Uuid, Uuid> = places.into_iter().collect();
        let containers: BTreeSet<Uuid> = places.keys().copied().collect();
        let rows: Vec<(Uuid, Option<Uuid>, String, Json)> = resource::Entity::find()
            .select_only()
            .columns([
                resource::Column::Id,
                resource::Column::ProjectId,
                resource::Column::Name,
                resource::Column::Labels,
            ])
            .filter(dialect::is_one_of(
                backend,
                resource::Column::Id,
                containers,
            ))
            .into_tuple()
            .all(transaction)
            .await?;
        for (container, project, name, labels) in rows {
            let labels = serde_json::from_value(labels)
                .map_err(|error| StoreError::unreadable("resource", error.to_string()))?;
            let occupant = Occupant {
                container,
                project,
                name,
                labels,
            };
            if let Some(host) = places.get(&container) {
                by_host.entry(*host).or_default().push(occupant);
            }
        }
        Ok(Self(by_host))
    }

    /// Whether one of some containers has a place on the host, of the project of one that would join it.
    pub(super) fn include_any(&self, host: Uuid, own: &Occupant, any: &[Neighbours]) -> bool {
        let mut others = self.0.get(&host).into_iter().flatten();
        others.any(|other| {
            other.container != own.container
                && other.project == own.project
                && any
                    .iter()
                    .any(|them| them.include(&other.name, &other.labels))
        })
    }

    pub(super) fn enter(&mut self, host: Uuid, occupant: Occupant) {
        if let Some(occupants) = self.0.get_mut(&host) {
            occupants.push(occupant);
        }
    }

    pub(super) fn leave(&mut self, host: Uuid, container: Uuid) {
        if let Some(occupants) = self.0.get_mut(&host) {
            occupants.retain(|occupant| occupant.container != container);
        }
    }
}
