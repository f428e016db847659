//! What clients see of a host beside what was asked and seen of it: how much containers may take, what is
//! taken, and whether it takes more.

use drover_domain::State;
use drover_domain::resource::{Capacity, HostSpec, HostStatus};
use schemars::JsonSchema;
use serde::Serialize;

/// What a host has, what is taken of it, and by how many containers.
pub(crate) type Room = (Capacity, Capacity, u32);

/// What a host has room for.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HostRoom {
    /// All that containers may reserve, as it was asked, and otherwise as its agent found it. A change of it
    /// names what is asked; null goes back to what was found.
    capacity: Capacity,
    /// What is taken of it.
    reserved: Reserved,
}

/// What is taken of a host.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Reserved {
    /// Thousandths of one CPU.
    cpu_millis: i64,
    /// Memory in MiB.
    #[serde(rename = "memoryMiB")]
    memory_mib: i64,
    /// By so many containers.
    containers: u32,
}

impl From<Room> for HostRoom {
    fn from((capacity, reserved, containers): Room) -> Self {
        Self {
            capacity,
            reserved: Reserved {
                cpu_millis: reserved.cpu_millis,
                memory_mib: reserved.memory_mib,
                containers,
            },
        }
    }
}

/// What a host offers to containers that are yet to come.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Offer {
    /// All that its agent found for containers.
    found_capacity: Capacity,
    /// Whether it takes new containers, as long as they ask for no more than is left.
    schedulable: bool,
    /// Why not, in words for a person; null if it does.
    unschedulable_reason: Option<String>,
}

impl Offer {
    pub(super) fn of(
        state: State,
        spec: &HostSpec,
        status: &HostStatus,
        room: Option<Room>,
    ) -> Self {
        let containers = room.map_or(0, |(_, _, containers)| containers);
        let unschedulable_reason = spec.reason_to_refuse(state, containers);
        Self {
            found_capacity: status.facts.capacity(),
            schedulable: unschedulable_reason.is_none(),
            unschedulable_reason,
        }
    }
}
