//! What placement needs to know of hosts.

use std::collections::HashMap;

use drover_domain::placement::{Candidate, HeldPort};
use drover_domain::resource::Capacity;
use drover_domain::{Resource, ResourceId, ResourceType, State};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter,
};

use crate::entities::{host_port, host_room, readable, reservation, resource};
use crate::{ResourceFilter, Store, StoreError, reservations};

impl Store {
    /// Every host that is not removed, with what is taken of it. Cost: three queries, whatever the
    /// number of containers.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn candidates(&self) -> Result<Vec<Candidate>, StoreError> {
        let hosts = resource::Entity::find()
            .filter(resource::Column::ResourceType.eq(ResourceType::Host.as_str()))
            .filter(resource::Column::RemovedAt.is_null())
            .all(&self.reader)
            .await?;
        let ids: Vec<Uuid> = hosts.iter().map(|host| host.id).collect();
        let rooms = host_room::Entity::find()
            .filter(host_room::Column::HostId.is_in(ids))
            .all(&self.reader)
            .await?;
        let mut rooms: HashMap<Uuid, host_room::Model> =
            rooms.into_iter().map(|room| (room.host_id, room)).collect();
        let mut ports: HashMap<Uuid, Vec<HeldPort>> = HashMap::new();
        for row in host_port::Entity::find().all(&self.reader).await? {
            ports
                .entry(row.host_id)
                .or_default()
                .push(reservations::held_port(&row)?);
        }
        let mut candidates = Vec::with_capacity(hosts.len());
        for row in hosts {
            let Some(room) = rooms.remove(&row.id) else {
                continue;
            };
            let Some(host) = readable::<_, Resource>(row) else {
                continue;
            };
            candidates.push(Candidate {
                id: host.id,
                state: host.state,
                labels: host.labels,
                capacity: Capacity {
                    cpu_millis: room.cpu_millis,
                    memory_mib: room.memory_mib,
                },
                reserved: Capacity {
                    cpu_millis: room.cpu_millis_taken,
                    memory_mib: room.memory_mib_taken,
                },
                containers: u32::try_from(room.containers).unwrap_or(0),
                ports: ports.remove(&host.id.uuid()).unwrap_or_default(),
            });
        }
        Ok(candidates)
    }

    /// What some hosts have, and what is taken of it by how many containers.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn rooms(
        &self,
        hosts: impl IntoIterator<Item = ResourceId>,
    ) -> Result<HashMap<ResourceId, (Capacity, Capacity, u32)>, StoreError> {
        let rows = host_room::Entity::find()
            .filter(host_room::Column::HostId.is_in(hosts.into_iter().map(ResourceId::uuid)))
            .all(&self.reader)
            .await?;
        let rooms = rows.into_iter().map(|room| {
            let capacity = Capacity {
                cpu_millis: room.cpu_millis,
                memory_mib: room.memory_mib,
            };
            let taken = Capacity {
                cpu_millis: room.cpu_millis_taken,
                memory_mib: room.memory_mib_taken,
            };
            let containers = u32::try_from(room.containers).unwrap_or(0);
            (ResourceId::new(room.host_id), (capacity, taken, containers))
        });
        Ok(rooms.collect())
    }

    /// Says how much a host has; what is taken of it stays as it is.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn set_capacity(
        &self,
        host: ResourceId,
        capacity: Capacity,
    ) -> Result<(), StoreError> {
        write_capacity(&self.writer, host, capacity).await
    }

    /// Forgets how much a host has, once it is removed.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forget_room(&self, host: ResourceId) -> Result<(), StoreError> {
        host_room::Entity::delete_many()
            .filter(host_room::Column::HostId.eq(host.uuid()))
            .exec(&self.writer)
            .await?;
        Ok(())
    }

    /// The containers of a host that are in one of some states, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn occupants(
        &self,
        host: ResourceId,
        states: &[State],
        limit: u64,
    ) -> Result<Vec<Resource>, StoreError> {
        let mut filter = ResourceFilter::all(ResourceType::Container, limit);
        filter.host = Some(host);
        filter.states = states.to_vec();
        self.resources(&filter).await
    }

    /// How many containers hold something on a host.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn containers_on(&self, host: ResourceId) -> Result<u64, StoreError> {
        Ok(reservation::Entity::find()
            .filter(reservation::Column::HostId.eq(host.uuid()))
            .count(&self.reader)
            .await?)
    }
}

pub(crate) async fn write_capacity(
    database: &impl ConnectionTrait,
    host: ResourceId,
    capacity: Capacity,
) -> Result<(), StoreError> {
    let row = host_room::Model {
        host_id: host.uuid(),
        cpu_millis: capacity.cpu_millis,
        memory_mib: capacity.memory_mib,
        cpu_millis_taken: 0,
        memory_mib_taken: 0,
        containers: 0,
    };
    host_room::Entity::insert(row.into_active_model())
        .on_conflict(
            OnConflict::column(host_room::Column::HostId)
                .update_columns([host_room::Column::CpuMillis, host_room::Column::MemoryMib])
                .to_owned(),
        )
        .exec_without_returning(database)
        .await?;
    Ok(())
}
