//! What containers take of hosts, checked and changed inside the transaction of a write.
//!
//! The rows of all hosts that a batch touches are locked first. Then each change is applied to what
//! was read, in memory and in order, so that two containers of one batch see each other just as
//! two of different batches do.
//!
//! A container that is to be apart from others takes its place only where none of them has one
//! ([`occupants`]).

mod occupants;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use drover_domain::placement::HeldPort;
use drover_domain::resource::{Capacity, Port, Protocol};
use drover_domain::write::{ProcessWrite, ReservationChange};
use drover_domain::{Resource, ResourceId};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::dialect::Together;
use crate::entities::{host_port, host_room, reservation};
use crate::{StoreError, dialect};
use occupants::{Occupant, Occupants};

/// The rooms of the hosts that a batch touches, and what has become of them.
#[derive(Default)]
pub(crate) struct Rooms {
    rooms: BTreeMap<Uuid, host_room::Model>,
    /// By host, with the container that holds each.
    held: HashMap<Uuid, Vec<(Uuid, HeldPort)>>,
    occupants: Occupants,
    reservations: HashMap<Uuid, reservation::Model>,
    taken: BTreeMap<Uuid, (reservation::Model, Vec<host_port::Model>)>,
    released: BTreeSet<Uuid>,
}

impl Rooms {
    /// Locks whatever the reservations of the writes touch.
    pub(crate) async fn lock(
        transaction: &DatabaseTransaction,
        writes: &[Arc<ProcessWrite>],
    ) -> Result<Self, StoreError> {
        let changes = || {
            writes.iter().filter_map(|write| {
                write
                    .reservation
                    .as_ref()
                    .map(|change| (write.process.resource.id.uuid(), change))
            })
        };
        let containers: BTreeSet<Uuid> = changes().map(|(container, _)| container).collect();
        if containers.is_empty() {
            return Ok(Self::default());
        }
        let backend = transaction.get_database_backend();
        let existing = reservation::Entity::find()
            .filter(dialect::is_one_of(
                backend,
                reservation::Column::ContainerId,
                containers,
            ))
            .all(transaction)
            .await?;
        let mut hosts: BTreeSet<Uuid> = existing.iter().map(|row| row.host_id).collect();
        let mut with_ports: BTreeSet<Uuid> = BTreeSet::new();
        let mut with_strangers: BTreeSet<Uuid> = BTreeSet::new();
        for (_, change) in changes() {
            if let ReservationChange::Take {
                host, ports, apart, ..
            } = change
            {
                if !apart.is_empty() {
                    with_strangers.insert(host.uuid());
                }
                hosts.insert(host.uuid());
                if ports.iter().any(|port| port.host_port.is_some()) {
                    with_ports.insert(host.uuid());
                }
            }
        }
        let rooms = host_room::Entity::find()
            .filter(dialect::is_one_of(
                backend,
                host_room::Column::HostId,
                hosts,
            ))
            .order_by_asc(host_room::Column::HostId)
            .lock_exclusive()
            .all(transaction)
            .await?;
        let mut held: HashMap<Uuid, Vec<(Uuid, HeldPort)>> = HashMap::new();
        if !with_ports.is_empty() {
            let rows = host_port::Entity::find()
                .filter(dialect::is_one_of(
                    backend,
                    host_port::Column::HostId,
                    with_ports,
                ))
                .all(transaction)
                .await?;
            for row in rows {
                let port = held_port(&row)?;
                held.entry(row.host_id)
                    .or_default()
                    .push((row.container_id, port));
            }
        }
        Ok(Self {
            rooms: rooms.into_iter().map(|room| (room.host_id, room)).collect(),
            held,
            occupants: Occupants::read(transaction, with_strangers).await?,
            reservations: existing
                .into_iter()
                .map(|row| (row.container_id, row))
                .collect(),
            ..Self::default()
        })
    }

    /// Applies one change; false if the host has no room for it, and then nothing has changed.
    /// `resource` is the container as it should stand.
    pub(crate) fn apply(
        &mut self,
        container: ResourceId,
        change: &ReservationChange,
        resource: Option<&Resource>,
    ) -> bool {
        let container = container.uuid();
        match change {
            ReservationChange::Release => {
                self.release(container);
                true
            }
            ReservationChange::Take {
                host,
                amount,
                ports,
                apart,
            } => {
                let host = host.uuid();
                let own = resource.map(|resource| Occupant::of(container, resource));
                let is_welcome = apart.is_empty()
                    || own
                        .as_ref()
                        .is_some_and(|own| !self.occupants.include_any(host, own, apart));
                let is_taken = is_welcome && self.take(container, host, *amount, ports);
                if is_taken && let Some(own) = own {
                    self.occupants.enter(host, own);
                }
                is_taken
            }
        }
    }

    fn take(&mut self, container: Uuid, host: Uuid, amount: Capacity, ports: &[Port]) -> bool {
        if self
            .reservations
            .get(&container)
            .is_some_and(|existing| existing.host_id == host)
        {
            return true;
        }
        let Some(room) = self.rooms.get_mut(&host) else {
            return false;
        };
        let lacks = |asked: i64, all: i64, taken: i64| asked > 0 && asked > all - taken;
        let held = self.held.entry(host).or_default();
        let is_full = room
            .maximum_containers
            .is_some_and(|most| i64::from(room.containers) >= most);
        if is_full
            || lacks(amount.cpu_millis, room.cpu_millis, room.cpu_millis_taken)
            || lacks(amount.memory_mib, room.memory_mib, room.memory_mib_taken)
            || ports
                .iter()
                .any(|port| held.iter().any(|(_, held)| held.excludes(port)))
        {
            return false;
        }
        room.cpu_millis_taken += amount.cpu_millis;
        room.memory_mib_taken += amount.memory_mib;
        room.containers += 1;
        let mut rows = Vec::new();
        for port in ports {
            let Some(number) = port.host_port else {
                continue;
            };
            let holds = HeldPort {
                ip: port.host_ip,
                port: number,
                protocol: port.protocol,
            };
            held.push((container, holds));
            rows.push(host_port::Model {
                host_id: host,
                protocol: port.protocol.as_str().to_owned(),
                port: i32::from(number),
                ip: port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
                container_id: container,
            });
        }
        let row = reservation::Model {
            container_id: container,
            host_id: host,
            cpu_millis: amount.cpu_millis,
            memory_mib: amount.memory_mib,
        };
        // What it held elsewhere goes with the move.
        self.release(container);
        self.reservations.insert(container, row.clone());
        self.taken.insert(container, (row, rows));
        true
    }

    fn release(&mut self, container: Uuid) {
        let Some(existing) = self.reservations.remove(&container) else {
            return;
        };
        if let Some(room) = self.rooms.get_mut(&existing.host_id) {
            room.cpu_millis_taken -= existing.cpu_millis;
            room.memory_mib_taken -= existing.memory_mib;
            room.containers -= 1;
        }
        if let Some(held) = self.held.get_mut(&existing.host_id) {
            held.retain(|(holder, _)| *holder != container);
        }
        self.occupants.leave(existing.host_id, container);
        self.taken.remove(&container);
        self.released.insert(container);
    }

    /// Writes what has changed.
    pub(crate) async fn save(self, together: &mut Together<'_>) -> Result<(), StoreError> {
        let transaction = together.transaction();
        if !self.released.is_empty() {
            let backend = transaction.get_database_backend();
            let released = || self.released.iter().copied();
            let of_ports = dialect::is_one_of(backend, host_port::Column::ContainerId, released());
            host_port::Entity::delete_many()
                .filter(of_ports)
                .exec(transaction)
                .await?;
            let of_rooms =
                dialect::is_one_of(backend, reservation::Column::ContainerId, released());
            reservation::Entity::delete_many()
                .filter(of_rooms)
                .exec(transaction)
                .await?;
        }
        let (taken, ports): (Vec<_>, Vec<_>) = self.taken.into_values().unzip();
        let ports: Vec<host_port::Model> = ports.into_iter().flatten().collect();
        if taken.is_empty() && self.released.is_empty() {
            return Ok(());
        }
        let rows = taken.into_iter().map(|row| row.into_active_model());
        together
            .insert::<reservation::Entity>(rows.collect())
            .await?;
        let rows = ports.into_iter().map(|row| row.into_active_model());
        together.insert::<host_port::Entity>(rows.collect()).await?;
        let rows = self.rooms.into_values().map(|row| row.into_active_model());
        let taken = [
            host_room::Column::CpuMillisTaken,
            host_room::Column::MemoryMibTaken,
            host_room::Column::Containers,
        ];
        together
            .rewrite::<host_room::Entity>(rows.collect(), &taken)
            .await?;
        Ok(())
    }
}

pub(crate) fn held_port(row: &host_port::Model) -> Result<HeldPort, StoreError> {
    let unreadable = |reason: &str| StoreError::unreadable("host_port", reason);
    Ok(HeldPort {
        ip: match row.ip.as_str() {
            "" => None,
            text => Some(
                text.parse()
                    .map_err(|_| unreadable("the address is none"))?,
            ),
        },
        port: u16::try_from(row.port).map_err(|_| unreadable("the port is none"))?,
        protocol: match row.protocol.as_str() {
            "udp" => Protocol::Udp,
            _ => Protocol::Tcp,
        },
    })
}
