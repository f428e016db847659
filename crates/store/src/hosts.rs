//! What placement needs to know of hosts.

use std::collections::{HashMap, HashSet};

use drover_domain::placement::{Candidate, HeldPort};
use drover_domain::resource::{Capacity, Details, Neighbours, Room};
use drover_domain::{Resource, ResourceId, ResourceType, State};
use sea_orm::entity::prelude::{Json, Uuid};
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{
    ActiveValue, ColumnTrait, ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QuerySelect,
};

use crate::entities::{host_port, host_room, reservation, resource};
use crate::{ResourceFilter, Store, StoreError, dialect, reservations};

impl Store {
    /// Every host that is not removed, with what is taken of it. Cost: three queries, which read as much
    /// as there are hosts and ports that are held, whatever the number of containers.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn candidates(&self) -> Result<Vec<Candidate>, StoreError> {
        let hosts: Vec<(Uuid, String, Json)> = resource::Entity::find()
            .select_only()
            .columns([
                resource::Column::Id,
                resource::Column::State,
                resource::Column::Labels,
            ])
            .filter(resource::Column::ResourceType.eq(ResourceType::Host.as_str()))
            .filter(resource::Column::RemovedAt.is_null())
            .into_tuple()
            .all(&self.reader)
            .await?;
        let rooms = host_room::Entity::find().all(&self.reader).await?;
        let mut rooms: HashMap<Uuid, host_room::Model> =
            rooms.into_iter().map(|room| (room.host_id, room)).collect();
        let mut ports: HashMap<Uuid, Vec<HeldPort>> = HashMap::new();
        for row in host_port::Entity::find().all(&self.reader).await? {
            ports
                .entry(row.host_id)
                .or_default()
                .push(reservations::held_port(&row)?);
        }
        let candidates = hosts.into_iter().filter_map(|(id, state, labels)| {
            let room = rooms.remove(&id)?;
            let candidate = candidate(&room, &state, labels, ports.remove(&id).unwrap_or_default());
            // One that cannot be read is no candidate, and spoils nothing for the others.
            if candidate.is_none() {
                tracing::warn!(host = %id, "the row of a host cannot be read");
            }
            candidate
        });
        Ok(candidates.collect())
    }

    /// The hosts on which some containers of a project are, whatever their state. Cost: the containers of
    /// the project, or those with a label where one of a given value is asked for (PostgreSQL).
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn hosts_of(
        &self,
        project: Option<ResourceId>,
        containers: &Neighbours,
    ) -> Result<HashSet<ResourceId>, StoreError> {
        let backend = self.reader.get_database_backend();
        let project = match project {
            Some(project) => resource::Column::ProjectId.eq(project.uuid()),
            None => resource::Column::ProjectId.is_null(),
        };
        let mut query = resource::Entity::find()
            .select_only()
            .column(resource::Column::HostId)
            .distinct()
            .filter(resource::Column::ResourceType.eq(ResourceType::Container.as_str()))
            .filter(resource::Column::RemovedAt.is_null())
            .filter(resource::Column::HostId.is_not_null())
            .filter(project);
        query = match containers {
            Neighbours::Named(name) => query.filter(resource::Column::Name.eq(name)),
            Neighbours::Labelled(selector) => {
                let requirements = selector.requirements().iter();
                requirements.fold(query, |query, requirement| {
                    query.filter(dialect::meets(backend, requirement))
                })
            }
        };
        let hosts: Vec<Uuid> = query.into_tuple().all(&self.reader).await?;
        Ok(hosts.into_iter().map(ResourceId::new).collect())
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
            .filter(dialect::is_one_of(
                self.reader.get_database_backend(),
                host_room::Column::HostId,
                hosts.into_iter().map(ResourceId::uuid),
            ))
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

    /// Says how much containers may take of a host; what is taken of it stays as it is.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn set_room(
        &self,
        host: ResourceId,
        room: impl Into<Room>,
    ) -> Result<(), StoreError> {
        write_room(&self.writer, host, room.into()).await
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

fn candidate(
    room: &host_room::Model,
    state: &str,
    labels: Json,
    ports: Vec<HeldPort>,
) -> Option<Candidate> {
    Some(Candidate {
        id: ResourceId::new(room.host_id),
        state: state.parse().ok()?,
        labels: serde_json::from_value(labels).ok()?,
        capacity: Capacity {
            cpu_millis: room.cpu_millis,
            memory_mib: room.memory_mib,
        },
        reserved: Capacity {
            cpu_millis: room.cpu_millis_taken,
            memory_mib: room.memory_mib_taken,
        },
        containers: u32::try_from(room.containers).unwrap_or(0),
        maximum_containers: room
            .maximum_containers
            .map(|most| u32::try_from(most).unwrap_or(u32::MAX)),
        ports,
    })
}

/// Writes how much containers may take of a host, whether that was said before or not.
pub(crate) async fn write_room(
    database: &impl ConnectionTrait,
    host: ResourceId,
    room: Room,
) -> Result<(), StoreError> {
    let mut row = host_room::Model {
        host_id: host.uuid(),
        cpu_millis: room.capacity.cpu_millis,
        memory_mib: room.capacity.memory_mib,
        cpu_millis_taken: 0,
        memory_mib_taken: 0,
        containers: 0,
        maximum_containers: None,
    }
    .into_active_model();
    row.maximum_containers = ActiveValue::Set(room.maximum_containers.map(i64::from));
    host_room::Entity::insert(row)
        .on_conflict(
            OnConflict::column(host_room::Column::HostId)
                .update_columns([
                    host_room::Column::CpuMillis,
                    host_room::Column::MemoryMib,
                    host_room::Column::MaximumContainers,
                ])
                .to_owned(),
        )
        .exec_without_returning(database)
        .await?;
    Ok(())
}

/// Writes what follows for the room of a host from its row, unless the room is forgotten: the host is on
/// its way out then. Whoever calls it has locked the row.
pub(crate) async fn rewrite_room(
    transaction: &DatabaseTransaction,
    host: &Resource,
) -> Result<(), StoreError> {
    use host_room::Column;
    let Details::Host { spec, status } = &host.details else {
        return Ok(());
    };
    let Room {
        capacity,
        maximum_containers,
    } = spec.room(&status.facts);
    let maximum_containers = maximum_containers.map(i64::from);
    host_room::Entity::update_many()
        .col_expr(Column::CpuMillis, Expr::value(capacity.cpu_millis))
        .col_expr(Column::MemoryMib, Expr::value(capacity.memory_mib))
        .col_expr(Column::MaximumContainers, Expr::value(maximum_containers))
        .filter(Column::HostId.eq(host.id.uuid()))
        .exec(transaction)
        .await?;
    Ok(())
}
