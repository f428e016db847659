//! The process server: makes intents true.
//!
//! ```text
//!   hint (bus) ---+
//!   sweep (db) ---+--> dispatcher --> lock --> claim --> runner --> step --> write --> ...
//!   wake-ups   ---+                                        |          |
//!                                                  fence in every   commands to agents,
//!                                                  write            fence in each
//! ```
//!
//! - A *hint* says that a process may be ready. It is never believed: the claim looks at the row.
//! - The *sweep* finds whatever hints were lost and whatever a dead server left behind.
//! - The *dispatcher* locks the resources of many processes at once and claims them at once.
//! - A *runner* drives one claimed process: it runs a step, asks the
//!   [domain](drover_domain::engine) what follows, has that written, and goes on until the process
//!   ends or waits. It holds nothing for a process that waits.
//! - *Reports* of agents are settled here too, under the same locks.
//! - Hosts whose agents are lost are found here, and those that are back.
//!
//! Any number of process servers can run. One that dies loses its lease; the sweep of another takes
//! up its work. One that is paused and wakes finds its lock lost, and if it does not notice in
//! time, its writes and commands are refused for their old fence.

mod agents;
mod breakers;
pub mod by_hand;
mod chance;
mod engine;
mod hosts;
mod interference;
pub mod launch;
mod liveness;
mod neighbourhood;
mod recoveries;
mod reports;
mod retention;
mod steps;
mod vitals;
mod waking;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drover_bus::{Announcer, EventBus};
use drover_domain::ServerId;
use drover_domain::lifecycle::Policies;
use drover_locks::{EpochSource, LockManager};
use drover_store::Store;
use drover_store::clock::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use agents::Agents;
use breakers::Breakers;
pub use chance::{Chance, SystemChance};
pub use interference::{Interference, NoInterference};
pub use retention::Retention;

use engine::caps::Caps;
use engine::dispatcher::Dispatcher;
use engine::offers;
use engine::runner::Runner;
use engine::taking::Taker;
use engine::{hints, sweep};
use hosts::Hosts;
use liveness::Reach;
use steps::Surroundings;

/// How a process server behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most processes that it works on at the same time.
    pub in_flight: usize,
    /// The most of them that are on one host, unless as many are left for all others.
    pub per_host: usize,
    /// The most of them that can be of one project.
    pub per_project: usize,
    /// How often it looks for work that no hint told of.
    pub sweep_interval: Duration,
    /// How long other servers leave a claim alone. The lease of the lock service should be no
    /// longer.
    pub lease: Duration,
    /// How long a step waits for an agent before it gives the lock back and waits without it.
    pub patience: Duration,
    /// How long it waits for steps under way when it shuts down.
    pub grace: Duration,
    /// How long history is kept.
    pub retention: Retention,
    /// How long and how hard processes try.
    pub policies: Policies,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            in_flight: 256,
            per_host: 64,
            per_project: 192,
            sweep_interval: Duration::from_secs(1),
            lease: Duration::from_secs(10),
            patience: Duration::from_secs(15),
            grace: Duration::from_secs(10),
            retention: Retention::default(),
            policies: Policies::default(),
        }
    }
}

/// What a process server works with.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The event bus.
    pub bus: Arc<dyn EventBus>,
    /// The lock service.
    pub locks: Arc<dyn LockManager>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What is left to chance; [`SystemChance`] unless a run is to be repeated.
    pub chance: Arc<dyn Chance>,
    /// Where it dies, in tests; [`NoInterference`] otherwise.
    pub interference: Arc<dyn Interference>,
}

/// A process server.
pub struct Server {
    options: Options,
    parts: Parts,
    id: ServerId,
}

impl Server {
    /// A server that has not begun to work.
    pub fn new(options: Options, parts: Parts) -> Self {
        let id = parts.chance.server_id();
        Self { options, parts, id }
    }

    /// Its id, as processes name it.
    pub fn id(&self) -> ServerId {
        self.id
    }

    /// Works until `shutdown`, then hands back what it can and returns.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { options, parts, id } = self;
        let announcer = Announcer::new(parts.bus.clone());
        let (offers, offered) = offers::queue();
        let caps = Arc::new(Caps::new(&options, offers.clone()));
        let runner = runner(id, &options, &parts, (announcer, caps), shutdown.clone());
        let taker = taker(id, &options, &parts);
        let queue = (offers.clone(), offered);
        let dispatcher = Dispatcher::new(&options, queue, taker, runner.clone());
        let news = Arc::new(Notify::new());
        tracing::info!(server = %id, "process server started");
        tokio::join!(
            dispatcher.run(shutdown.clone()),
            hints::run(parts.bus.clone(), offers.clone(), shutdown.clone()),
            sweep::run(
                parts.store.clone(),
                parts.clock.clone(),
                offers.clone(),
                options.sweep_interval,
                shutdown.clone(),
            ),
            retention::run(
                parts.store.clone(),
                parts.clock.clone(),
                options.retention,
                shutdown.clone(),
            ),
            vitals::take_census(parts.store.clone(), parts.clock.clone(), shutdown.clone()),
            liveness::run(
                parts.clone(),
                runner.clone(),
                news.clone(),
                shutdown.clone()
            ),
            recoveries::run(parts.bus.clone(), runner.clone(), shutdown.clone()),
            reports::run(parts.clone(), runner, offers, news, shutdown.clone()),
        );
        tracing::info!(server = %id, "process server stopped");
    }
}

/// The runner of a server. It begins no step once `stopping`.
fn runner(
    server: ServerId,
    options: &Options,
    parts: &Parts,
    (announcer, caps): (Announcer, Arc<Caps>),
    stopping: CancellationToken,
) -> Arc<Runner> {
    let surroundings = Surroundings {
        store: parts.store.clone(),
        agents: Agents::new(
            parts.bus.clone(),
            Breakers::new(parts.clock.clone(), parts.chance.clone()),
            options.patience,
        ),
        hosts: Hosts::new(
            parts.store.clone(),
            parts.clock.clone(),
            parts.chance.clone(),
        ),
        reach: Reach::default(),
        chance: parts.chance.clone(),
        policies: options.policies.clone(),
    };
    Arc::new(Runner {
        server,
        surroundings,
        clock: parts.clock.clone(),
        chance: parts.chance.clone(),
        announcer,
        interference: parts.interference.clone(),
        caps,
        company: Arc::default(),
        lease: options.lease,
        policies: options.policies.clone(),
        stopping,
    })
}

/// What locks and claims for a server.
fn taker(server: ServerId, options: &Options, parts: &Parts) -> Taker {
    Taker {
        store: parts.store.clone(),
        locks: parts.locks.clone(),
        clock: parts.clock.clone(),
        server,
        lease: options.lease,
    }
}

/// The epochs of the lock service, handed out by the database.
#[derive(Clone)]
pub struct StoreEpochs(pub Store);

#[async_trait]
impl EpochSource for StoreEpochs {
    async fn next_epoch(&self) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.next_lock_epoch().await?)
    }
}
