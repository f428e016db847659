//! What a container uses of its host, as it was measured.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// What a container uses of its host, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// When this was measured, by the clock of the host.
    pub time: Timestamp,
    /// How much it computes, in thousandths of one CPU: over the second or so before this moment.
    pub cpu_millis: u64,
    /// Memory, without what the kernel keeps for it and would give back.
    pub memory_bytes: u64,
    /// The most memory that it may have: its own limit, or all that the host has.
    pub memory_limit_bytes: u64,
    /// What came in over its networks since its start.
    pub network_received_bytes: u64,
    /// What went out over its networks since its start.
    pub network_sent_bytes: u64,
    /// What it read from disks since its start.
    pub disk_read_bytes: u64,
    /// What it wrote to disks since its start.
    pub disk_written_bytes: u64,
    /// Its processes and threads.
    pub processes: u64,
}
