//! New identifiers. They sort by the time of their making.

use drover_domain::{ProcessId, ResourceId, ServerId};
use uuid::Uuid;

/// An id for a new resource.
pub fn resource_id() -> ResourceId {
    ResourceId::new(Uuid::now_v7())
}

/// An id for a new process.
pub fn process_id() -> ProcessId {
    ProcessId::new(Uuid::now_v7())
}

/// An id for one run of a server.
pub fn server_id() -> ServerId {
    ServerId::new(Uuid::now_v7())
}
