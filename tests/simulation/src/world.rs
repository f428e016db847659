//! The world of one seed: servers, hosts, clients, and what happens to them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context;
use drover_bus::{Announcer, Subject, Subscribe};
use drover_domain::resource::{Details, HostFacts, HostSpec, HostStatus};
use drover_domain::{Resource, ResourceId, State};
use drover_process_server::by_hand::ByHand;
use drover_proto::name;
use drover_proto::v1::Envelope;
use drover_store::{Attached, Store, StoreOptions};
use tempfile::TempDir;

use crate::agents::Agents;
use crate::bus::{Listener, SimBus};
use crate::clients::Clients;
use crate::ending::Judge;
use crate::faults::{Plan, Planted};
use crate::invariants::Watch;
use crate::kernel::{Kernel, Owner};
use crate::locks::LockTable;
use crate::random::Random;
use crate::servers::Servers;

/// Processors of each host.
pub const CPUS: u32 = 4;
/// Memory of each host in MiB: room for a few of the containers, not for all.
pub const MEMORY_MIB: u64 = 900;

/// What became of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What happened, line by line.
    pub transcript: Vec<String>,
    /// What was violated, if anything was.
    pub violation: Option<String>,
}

/// A database that was brought up to date once and is copied for each seed.
pub struct Template {
    folder: TempDir,
    rows: Vec<u8>,
}

impl Template {
    /// Makes the template.
    ///
    /// # Errors
    /// When there is no place for it.
    pub async fn make() -> anyhow::Result<Self> {
        let folder = fast_folder()?;
        let path = folder.path().join("template.db");
        let store = Store::connect(&options(&path)).await?;
        store.migrate().await?;
        store.close().await?;
        let rows = std::fs::read(&path).context("the template cannot be read")?;
        Ok(Self { folder, rows })
    }

    async fn open(&self, seed: u64) -> anyhow::Result<(Store, PathBuf)> {
        let path = self.folder.path().join(format!("{seed}.db"));
        std::fs::write(&path, &self.rows)?;
        Ok((Store::connect(&options(&path)).await?, path))
    }
}

/// A folder in memory where there is one: nothing here need survive a loss of power.
fn fast_folder() -> anyhow::Result<TempDir> {
    let in_memory = tempfile::Builder::new()
        .prefix("drover-simulation-")
        .tempdir_in("/dev/shm");
    Ok(match in_memory {
        Ok(folder) => folder,
        Err(_) => tempfile::tempdir()?,
    })
}

fn options(path: &std::path::Path) -> StoreOptions {
    StoreOptions::new(format!("sqlite://{}", path.display()))
}

/// Runs the world of a seed to its end.
///
/// # Errors
/// When there is no place for its database.
pub async fn run(template: &Template, seed: u64, planted: Planted) -> anyhow::Result<Outcome> {
    let (store, path) = template.open(seed).await?;
    let mut random = Random::new(seed);
    let plan = Plan::of(&mut random);
    let servers = 2 + random.below(2);
    let hosts = 2 + random.below(2);
    let most = 3 + random.below(4);
    let lasts = random.between(Duration::from_secs(10), Duration::from_secs(25));
    let kernel = Kernel::new(random, plan);
    kernel.log(
        "----",
        format!("{servers} servers, {hosts} hosts, {most} containers, {plan:?}"),
    );

    let ids: Arc<[ResourceId]> = (0..hosts).map(|_| ResourceId::new(kernel.id())).collect();
    for id in ids.iter() {
        add_host(&kernel, &store, *id).await?;
    }
    let bus = SimBus::new(kernel.clone());
    let table = LockTable::new(kernel.clone(), planted);
    let agents = Agents::new(kernel.clone(), bus.held_by("agnt"), planted, ids.clone());
    let servers = Servers::new(
        kernel.clone(),
        store.clone(),
        bus.clone(),
        table.clone(),
        servers,
    );
    bus.listen(Box::new(Ears {
        servers: servers.clone(),
        agents: agents.clone(),
    }));
    (0..hosts).for_each(|host| agents.start(host));

    let end = kernel.now().after(lasts);
    let announcer = Announcer::new(Arc::new(bus.held_by("api")));
    let clients = Clients {
        kernel: kernel.clone(),
        store: store.clone(),
        announcer: announcer.clone(),
        containers: Arc::new(Mutex::default()),
        most,
        hosts: ids,
    };
    for name in ["ann", "bob"] {
        kernel.spawn(Owner::World, clients.clone().ask_until(name, end));
    }
    let misfortunes = misfortunes(
        kernel.clone(),
        servers.clone(),
        agents.clone(),
        planted,
        end,
    );
    kernel.spawn(Owner::World, misfortunes);
    let watch = Arc::new(Watch::new(kernel.clone(), store.clone(), agents.clone()));
    let judge = Judge {
        kernel: kernel.clone(),
        store: store.clone(),
        table,
        servers,
        agents,
        announcer,
        hosts_come_back: !planted.hosts_stay_connected,
        // What is broken on purpose shows soon.
        patience: match planted.fences_never_grow {
            true => Duration::from_secs(120),
            false => crate::ending::PATIENCE,
        },
    };
    kernel.spawn(Owner::World, judge.judge(watch.clone(), end));

    kernel.run(|| watch.look()).await;
    store.close().await?;
    std::fs::remove_file(path)?;
    Ok(Outcome {
        seed,
        transcript: kernel.transcript(),
        violation: kernel.violation(),
    })
}

async fn add_host(kernel: &Kernel, store: &Store, id: ResourceId) -> anyhow::Result<()> {
    let label = kernel.name('h', id.uuid());
    let facts = HostFacts {
        cpus: CPUS,
        memory_mib: MEMORY_MIB,
        ..HostFacts::default()
    };
    let capacity = facts.capacity();
    let details = Details::Host {
        spec: HostSpec::of(id),
        status: Box::new(HostStatus {
            facts,
            ..HostStatus::default()
        }),
    };
    let host = Resource::new(id, label, State::Active, details, kernel.now());
    store.insert(&host, Attached::nothing()).await?;
    store.set_room(id, capacity).await?;
    Ok(())
}

/// Things happen to servers, sessions and hosts until a moment has come.
async fn misfortunes(
    kernel: Kernel,
    servers: Servers,
    agents: Agents,
    planted: Planted,
    end: drover_domain::Timestamp,
) {
    loop {
        let plan = kernel.plan();
        let pause =
            kernel.chance(|random| random.between(Duration::ZERO, plan.misfortune_every * 2));
        kernel.sleep(pause).await;
        if kernel.now() >= end || plan.is_calm {
            return;
        }
        let (dice, server, host, long, short) = kernel.chance(|random| {
            let server = random.below(servers.count());
            let host = random.below(agents.ids().len());
            let long = random.between(Duration::ZERO, Duration::from_secs(20));
            let short = random.between(Duration::ZERO, Duration::from_secs(4));
            (random.below(100), server, host, long, short)
        });
        match dice {
            0..15 => servers.crash(server, long),
            15..22 => servers.replace(server),
            22..35 => servers.lose_session(server, Duration::ZERO),
            35..55 => servers.lose_session(server, long),
            55..65 if planted.agents_restart => agents.restart(host),
            55..80 => agents.let_one_change(host),
            _ => {
                agents.disconnect(host);
                let agents = agents.clone();
                let (waiting, away) = (kernel.clone(), if dice < 90 { short } else { long });
                kernel.spawn(Owner::World, async move {
                    waiting.sleep(away).await;
                    agents.connect(host);
                });
            }
        }
    }
}

/// Who listens to the bus.
struct Ears {
    servers: Servers,
    agents: Agents,
}

impl Listener for Ears {
    fn is_there(&self, subject: &Subject) -> bool {
        match self.agents.of_subject(subject) {
            Some(host) => self.agents.hosts()[host].is_connected,
            None => !self.servers.alive().is_empty(),
        }
    }

    fn arrive(&self, subject: &Subject, envelope: Envelope) {
        match envelope.name.as_str() {
            name::PROCESS_READY => {
                if let Some(ready) = ByHand::hinted(&envelope) {
                    self.servers.offer_to_any(ready);
                }
            }
            name::HOST_CONNECTED if Subscribe::hosts_connected().covers(subject) => {
                self.servers.hear_of_connection(&envelope);
            }
            name::HOST_REPORT | name::HOST_CONNECTED => self.servers.hear(envelope),
            _ => {
                if let Some(host) = self.agents.of_subject(subject) {
                    self.agents.arrive(host, envelope);
                }
            }
        }
    }
}
