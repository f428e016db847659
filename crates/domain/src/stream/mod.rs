//! Streams: what a container writes, a command that is run inside it, what it uses.
//!
//! [`request`] says what can be asked for, [`frame`] how it travels: the same messages on every hop
//! from the agent to the client, so that those in between pass them on without looking. [`usage`] is
//! what is told of a container's use of its host.

pub mod frame;
pub mod request;
pub mod usage;

pub use frame::{Channel, Control, Size};
pub use request::{ExecRequest, LogsRequest, StatsRequest, StreamRequest};
pub use usage::Usage;
