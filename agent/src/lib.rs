//! The agent: the one part of Drover that runs on every host, and the dumbest.
//!
//! It dials out to an agent server, carries out the commands that come back, and tells what it
//! sees. It decides nothing: a command carries all that is needed for it, a reply all that changed.
//!
//! ```text
//!            agent server
//!                 | one WebSocket, dialled by the agent
//!            [connection]  finds a server, again and again
//!                 |
//!             [session]    one connection: reader, writer, heartbeat
//!            /         \
//!     [executor]     [reports]   what happened without being asked for,
//!     |        \         ^       told until somebody has dealt with it
//!  [ledger]   [runtime] -+-- [health]   whether containers do their work
//!  fences,     Docker or simulated
//!  replies,          |
//!  turns         [streams]   logs, commands and stats, on a connection each
//! ```
//!
//! What never happens: the agent never acts without a command, never touches a container that does
//! not bear Drover's label, never carries out one command twice, never obeys a fence older than
//! one that it has seen, and never writes its credential anywhere but into its own state file.
//!
//! The memory of fences and replies does not outlive the program. A restarted agent therefore takes
//! the first fence that it sees for a resource as the highest; the database still refuses whatever
//! an outdated server would make of the reply.

mod agent;
mod backoff;
mod connection;
mod credentials;
mod dial;
mod executor;
mod generations;
mod health;
mod identity;
mod images;
pub mod launch;
mod ledger;
mod machine;
mod options;
mod registrar;
mod reports;
pub mod runtime;
mod session;
mod streams;
mod telling;
mod transport;
mod usage;
mod watcher;

pub use agent::{Agent, Error, Parts};
pub use identity::StateFileError;
pub use options::{Options, RegistrationToken, ServerAddress, ServerAddressError};
pub use runtime::HostPaths;
pub use transport::{Transport, TransportError};
