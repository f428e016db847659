//! New identifiers. They sort by the time of their making.

use drover_domain::{ProcessId, ResourceId, ServerId, Timestamp};
use uuid::{Builder, Uuid};

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

/// An id for a new audit row: it begins with the moment of the row, so that rows between two moments
/// are rows between two ids.
pub fn audit_id(at: Timestamp) -> Uuid {
    Builder::from_unix_timestamp_millis(millis(at), &rand::random()).into_uuid()
}

/// Not after any audit row of the moment or a later one, and after every earlier row.
pub(crate) fn first_audit_id(at: Timestamp) -> Uuid {
    Uuid::from_u128(u128::from(millis(at)) << 80)
}

fn millis(at: Timestamp) -> u64 {
    u64::try_from(at.millis()).unwrap_or(0)
}
