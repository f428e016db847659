//! Streams: what a container writes, commands inside it, what it uses; through to the agent of its host.
//!
//! ```text
//!   client -- GET …/logs, exec, stats --> may the caller? where is the container? [reach]
//!                                            |  a ticket in the database
//!                                         [upstream] -- WebSocket --> agent server <-- WebSocket -- agent
//!                                            |
//!   client <== text, lines, events, or the very messages of a WebSocket ([told], [socket])
//! ```
//!
//! The API server holds no connection to hosts. Whoever asks for a stream is given one of its own, to the
//! agent server that the agent was last seen at; what is read of it is what the client has taken. So a
//! client that reads slowly slows its own stream, down to the container, and a stream costs a task and
//! the buffers of two sockets. One that takes nothing for as long as any answer may stall is cut.
//!
//! All that is kept is the ticket, for as long as it takes to dial. While no agent server is within reach
//! there are no streams, and everything else goes on.
//!
//! Who may read a container's resource may read its streams, and who may change it may run commands. It
//! is looked again while a stream goes on ([standing]), for a stream may outlive a key.

mod accept;
mod command;
mod reach;
mod socket;
mod standing;
mod told;
mod trust;
mod upstream;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use drover_metrics::Presence;
use drover_metrics::table::API_STREAMS;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use trust::Trust;

pub(crate) use accept::preferred;
pub(crate) use command::Command;
pub(crate) use reach::{Asked, open};
pub(crate) use socket::attach;
pub(crate) use standing::Standing;
pub(crate) use told::{LineOfLog, lines, live, once, text};

/// What streams may cost, and how agent servers are dialled for them.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// The most streams at the same time.
    pub streams: usize,
    /// How often it is looked whether whoever reads a stream still may, about.
    pub check: Duration,
    /// Certificates in PEM that are trusted instead of the platform's.
    pub ca_file: Option<PathBuf>,
    /// Whether an agent server that is not on this machine may be spoken to without encryption.
    pub allow_plain_http: bool,
}

impl Default for StreamOptions {
    fn default() -> Self {
        Self {
            streams: 1_000,
            check: Duration::from_secs(30),
            ca_file: None,
            allow_plain_http: false,
        }
    }
}

/// The streams of a server.
pub(crate) struct Streams {
    places: Arc<Semaphore>,
    trust: Trust,
    check: Duration,
}

/// A place among the streams, for as long as it is kept.
struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: Presence,
}

impl Streams {
    pub(crate) fn new(options: StreamOptions) -> Self {
        Self {
            places: Arc::new(Semaphore::new(options.streams)),
            trust: Trust::new(options.ca_file, options.allow_plain_http),
            check: options.check,
        }
    }

    /// A place for one more of a kind, if there is one.
    fn enter(&self, kind: &'static str) -> Option<Place> {
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Place {
            _permit: permit,
            _counted: API_STREAMS.enter([kind]),
        })
    }
}
