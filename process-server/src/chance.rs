//! What a process server leaves to chance: jitter, the pick among equal hosts, new ids. It is handed
//! in, as the clock is, so that a simulation can repeat a run to the letter.

use drover_domain::{ProcessId, ServerId};
use uuid::Uuid;

/// Gives what nobody can foresee.
pub trait Chance: Send + Sync + 'static {
    /// A number from 0 to 1: spreads what would otherwise come back all at once.
    fn fraction(&self) -> f64;

    /// Any number: picks among what is equal.
    fn number(&self) -> u64;

    /// An id that nobody has; one that sorts after those that were made earlier.
    fn id(&self) -> Uuid;
}

impl dyn Chance {
    /// An id for a new process.
    pub(crate) fn process_id(&self) -> ProcessId {
        ProcessId::new(self.id())
    }

    /// An id for one run of a server.
    pub(crate) fn server_id(&self) -> ServerId {
        ServerId::new(self.id())
    }
}

/// The chance of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn fraction(&self) -> f64 {
        rand::random()
    }

    fn number(&self) -> u64 {
        rand::random()
    }

    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }
}
