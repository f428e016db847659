//! The names of envelopes, and the type of the payload of each.

/// A process is ready to be claimed. The resource is the one that it works on; the payload is the
/// process's id as text.
pub const PROCESS_READY: &str = "process.ready";
/// Processes are finished. The payload is their ids as text, one a line.
pub const PROCESSES_ENDED: &str = "processes.ended";
/// The change log has grown. No payload.
pub const CHANGED: &str = "changed";
/// A [`Command`](crate::v1::Command) to an agent; answered by [`Reply`](crate::v1::Reply)s.
pub const AGENT_COMMAND: &str = "agent.command";
/// A [`HostReport`](crate::v1::HostReport); answered by a
/// [`ReportAnswer`](crate::v1::ReportAnswer).
pub const HOST_REPORT: &str = "host.report";
/// A host was removed: the connection of its agent is to be ended. No payload.
pub const HOST_RETIRED: &str = "host.retired";
/// An agent has connected. The resource is its host.
pub const HOST_CONNECTED: &str = "host.connected";
/// The credentials of an agent are others: its connection is to be ended if its own is not valid any more.
/// The resource is its host.
pub const CREDENTIALS_CHANGED: &str = "host.credentials";
