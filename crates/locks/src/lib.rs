//! Locks: one owner for each resource at a time, and a fencing token for each turn.
//!
//! A lock saves work: while one server holds `container/42`, no other spends effort on it. It does
//! not keep anything right, since a server can always be paused past its lease; the [`Fence`](drover_domain::Fence) that
//! comes with each lock does, presented with every write and every command.
//!
//! ```text
//!                    acquire many, in one transaction of the lock service
//!   dispatcher  ----------------------------------------------------------> a Guard for each, or Held
//!   Guard       --- dropped or released: given back, many at a time ------>
//!   session lost (no renewal within the lease) ---> `lost` of every Guard of the session
//! ```
//!
//! One session, and so one lease, serves a whole server. A session that could not be renewed in
//! time, by the server's own monotonic clock, is given up before the lock service can have given
//! its locks to others; every guard of it says so. A new session takes its place.
//!
//! Fences grow for ever, even when the lock service loses its disk and counts from one again: the
//! service carries an *epoch*, handed out by the database ([`EpochSource`]) each time that the service is
//! found without one, and the epoch outranks the revision ([`Fence::compose`](drover_domain::Fence::compose)).
//!
//! Two implementations pass one suite ([`conformance`]): [`EtcdLocks`], and [`MemoryLocks`] inside one
//! operating-system process.

pub mod conformance;
mod etcd;
mod guard;
mod memory;
mod meter;

use async_trait::async_trait;
use drover_domain::ResourceRef;

pub use etcd::{EtcdLocks, EtcdOptions};
pub use guard::Guard;
pub use memory::MemoryLocks;

/// Hands out locks.
#[async_trait]
pub trait LockManager: Send + Sync + 'static {
    /// Tries to take a lock on each resource, all at once, and waits for none: whoever is told
    /// [`Acquisition::Held`] comes again later. The answers are in the order of the resources. The
    /// same lock asked for twice by one server is held the second time.
    ///
    /// # Errors
    /// [`LockError::Unreachable`]: none was taken that will not be given back by itself.
    async fn acquire(&self, resources: &[ResourceRef]) -> Result<Vec<Acquisition>, LockError>;

    /// Whether the lock service is within reach now and the session lives.
    fn is_connected(&self) -> bool;
}

/// The answer for one lock.
#[derive(Debug)]
pub enum Acquisition {
    /// It is ours until the guard is dropped or lost.
    Acquired(Guard),
    /// It is somebody else's.
    Held,
}

/// Hands out epochs: each higher than all before, for ever. The database does it.
#[async_trait]
pub trait EpochSource: Send + Sync + 'static {
    /// The next epoch.
    ///
    /// # Errors
    /// When the source is out of reach.
    async fn next_epoch(&self) -> Result<u32, Box<dyn std::error::Error + Send + Sync>>;
}

/// Why no lock could be had at all.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// The lock service does not answer, or the session was lost just now.
    #[error("the lock service is out of reach")]
    Unreachable {
        /// What its client says, if it says anything.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The lock service was found empty and no epoch could be had for it.
    #[error("no epoch could be had for the lock service")]
    NoEpoch {
        /// What the source of epochs says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The address of the lock service cannot be used.
    #[error("the lock service cannot be used as configured: {0}")]
    Configuration(String),
}

/// The name of the lock of a resource.
pub fn lock_name(resource: ResourceRef) -> String {
    format!("resource/{resource}")
}
