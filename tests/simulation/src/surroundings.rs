//! What surrounds a process server in a simulation, beside bus and locks: the clock, chance, and the
//! gates before and after each of its writes.

use async_trait::async_trait;
use drover_domain::Timestamp;
use drover_domain::write::ProcessWrite;
use drover_process_server::{Chance, Interference};
use drover_store::clock::Clock;
use uuid::Uuid;

use crate::kernel::Kernel;
use crate::locks::short;

/// Simulated time.
#[derive(Clone)]
pub struct SimClock(pub Kernel);

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
}

/// The chance of the seed.
#[derive(Clone)]
pub struct SimChance(pub Kernel);

impl Chance for SimChance {
    fn fraction(&self) -> f64 {
        self.0.chance(crate::random::Random::fraction)
    }

    fn number(&self) -> u64 {
        self.0.chance(crate::random::Random::number)
    }

    fn id(&self) -> Uuid {
        self.0.id()
    }
}

/// A gate before and one after each write, and a line of the transcript for each.
#[derive(Clone)]
pub struct Gates {
    /// The kernel.
    pub kernel: Kernel,
    /// The name of the server.
    pub server: String,
}

impl Gates {
    fn log(&self, verb: &str, write: &ProcessWrite) {
        let process = &write.process;
        let name = self.kernel.name('p', process.id.uuid());
        let finished = process
            .journal
            .iter()
            .filter(|entry| entry.finished.is_some());
        let mut event = format!(
            "{verb} {name} ({} {}) {} with {} steps done at {}",
            process.request,
            process.resource,
            process.phase,
            finished.count(),
            short(process.fence),
        );
        if let Some((resource, expected)) = &write.resource {
            event += &format!(", {} v{expected} to v{}", resource.state, resource.version);
        }
        if let Some(successor) = &write.successor {
            event += &format!(", then {}", self.kernel.name('p', successor.id.uuid()));
        }
        if let Some(message) = &process.message {
            event += &format!(": {message}");
        }
        self.kernel.log(&self.server, event);
    }
}

#[async_trait]
impl Interference for Gates {
    async fn dies_before(&self, write: &ProcessWrite) -> bool {
        self.log("means to write", write);
        self.kernel.pass().await;
        false
    }

    async fn dies_after(&self, write: &ProcessWrite) -> bool {
        self.log("has written", write);
        self.kernel.pass().await;
        false
    }
}
