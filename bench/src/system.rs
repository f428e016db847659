//! What is measured: Drover in either wiring, with simulated hosts.
//!
//! The cluster is one API server, one agent server and one or more process servers, on PostgreSQL
//! that writes through to the disk (`fsync` and `synchronous_commit` are on, as by default), NATS
//! and etcd, each an operating-system process of its own. The other wiring is `droverd standalone`
//! on SQLite. In both, all hosts are one `droverd simulate`.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use drover_scenarios::counters::{self, Counters};
use drover_scenarios::installation::{Api, Cluster, Drover, Embedded, Fleet, Runtime, Shape};
use drover_scenarios::until::until;

use crate::connection::Connection;
use crate::door::Door;

/// PostgreSQL as somebody would run it for Drover on a small machine. The defaults are made for
/// half a gigabyte of memory, and let dead rows gather up to a fifth of a table.
pub(crate) const POSTGRES: [&str; 6] = [
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
    "autovacuum_naptime=5s",
    "autovacuum_vacuum_scale_factor=0.02",
    "autovacuum_vacuum_cost_limit=2000",
];

/// An installation under measurement; gone when this is dropped.
pub(crate) struct System {
    /// Fleets of simulated hosts, first so that they are the first to go.
    pub(crate) fleets: Vec<Fleet>,
    pub(crate) wiring: Wiring,
    key: String,
}

/// How it is put together.
pub(crate) enum Wiring {
    Cluster(Box<Cluster>),
    Embedded(Box<Embedded>),
}

impl System {
    /// A cluster with so many process servers, which are given these flags, and so many hosts.
    pub(crate) async fn cluster(
        process_servers: usize,
        process_flags: &[&str],
        hosts: usize,
    ) -> Result<Self> {
        let process_flags = process_flags.iter().map(|flag| (*flag).to_owned());
        let shape = Shape {
            process_flags: process_flags.collect(),
            ..shape(process_servers)
        };
        Self::of(Runtime::Simulated, &shape, hosts).await
    }

    /// A cluster in which there are two of each server, so that there is one when the other is gone.
    pub(crate) async fn in_pairs(process_flags: Vec<String>, hosts: usize) -> Result<Self> {
        let shape = Shape {
            api_servers: 2,
            agent_servers: 2,
            process_flags,
            ..shape(2)
        };
        Self::of(Runtime::Simulated, &shape, hosts).await
    }

    /// A cluster of one each, with one agent that has the machine's Docker engine.
    pub(crate) async fn with_docker() -> Result<Self> {
        let shape = Shape {
            agents: 1,
            ..shape(1)
        };
        Self::of(Runtime::Docker, &shape, 0).await
    }

    async fn of(runtime: Runtime, shape: &Shape, hosts: usize) -> Result<Self> {
        let cluster = Cluster::of(runtime, shape).await?;
        Counters::prepare(&cluster.postgres).await?;
        Self::with_hosts(Wiring::Cluster(Box::new(cluster)), hosts).await
    }

    /// `droverd standalone` with so many hosts beside its own.
    pub(crate) async fn embedded(hosts: usize) -> Result<Self> {
        let embedded = Embedded::start(Runtime::Simulated).await?;
        Self::with_hosts(Wiring::Embedded(Box::new(embedded)), hosts).await
    }

    /// `droverd standalone` with the machine's Docker engine.
    pub(crate) async fn embedded_with_docker() -> Result<Self> {
        let embedded = Embedded::start(Runtime::Docker).await?;
        Self::with_hosts(Wiring::Embedded(Box::new(embedded)), 0).await
    }

    async fn with_hosts(wiring: Wiring, hosts: usize) -> Result<Self> {
        let key = std::fs::read_to_string(&wiring.drover().key_file)?;
        let mut system = Self {
            fleets: Vec::new(),
            wiring,
            key: key.trim().to_owned(),
        };
        if hosts > 0 {
            system.add_hosts("sim", hosts, &[]).await?;
        }
        Ok(system)
    }

    /// Adds hosts in an operating-system process of their own.
    pub(crate) async fn add_hosts(
        &mut self,
        name: &str,
        hosts: usize,
        flags: &[&str],
    ) -> Result<()> {
        let fleet = Fleet::start(self.drover(), name, hosts, flags).await?;
        self.fleets.push(fleet);
        Ok(())
    }

    pub(crate) fn drover(&self) -> &Drover {
        self.wiring.drover()
    }

    pub(crate) fn api(&self) -> &Api {
        &self.drover().api
    }

    /// The cluster, for what is measured on clusters only.
    pub(crate) fn cluster_parts(&mut self) -> Result<&mut Cluster> {
        match &mut self.wiring {
            Wiring::Cluster(cluster) => Ok(cluster),
            Wiring::Embedded(_) => anyhow::bail!("this is no cluster"),
        }
    }

    /// A client that is not put off.
    pub(crate) fn door(&self) -> Door {
        Door::new(self.api().servers().to_vec(), self.key.clone())
    }

    /// Waits until no host is anything but active.
    pub(crate) async fn until_all_hosts_are_active(&self, within: Duration) -> Result<()> {
        until("all hosts are active", within, || async {
            let path = "/v1/hosts?state_ne=active&limit=1";
            let others = self.api().list(path).await?;
            ensure!(others.is_empty(), "one is {}", others[0]["state"]);
            Ok(())
        })
        .await
    }

    /// Waits until PostgreSQL has cleared away what was done until now, so that it is not counted as the cost
    /// of what comes next: until nothing was cleared away for longer than it waits between two looks.
    pub(crate) async fn until_the_database_rests(&self) -> Result<()> {
        const CLEARING: &str = "SELECT count(*) FROM pg_stat_activity
            WHERE backend_type = 'autovacuum worker'";
        const AT_REST: Duration = Duration::from_secs(15);
        const WITHIN: Duration = Duration::from_secs(300);
        let Wiring::Cluster(cluster) = &self.wiring else {
            return Ok(());
        };
        let since = Cell::new(Instant::now());
        until("PostgreSQL is done with clearing away", WITHIN, || async {
            let workers: u32 = cluster.postgres.query(CLEARING).await?.parse()?;
            if workers > 0 {
                since.set(Instant::now());
            }
            ensure!(since.get().elapsed() >= AT_REST, "{workers} at work");
            Ok(())
        })
        .await
    }

    /// A connection for requests that are to cost little.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let server = self.api().servers().first().context("an API server")?;
        Connection::open(server, &self.key).await
    }

    /// The operating-system processes by the part that they are.
    pub(crate) fn processes(&self) -> Result<Vec<(&'static str, Vec<u32>)>> {
        let ids = |processes: &[drover_scenarios::process::Process]| {
            processes.iter().map(|process| process.id()).collect()
        };
        let mut all = match &self.wiring {
            Wiring::Embedded(embedded) => vec![("standalone", vec![embedded.droverd.id()])],
            Wiring::Cluster(cluster) => vec![
                ("api", ids(&cluster.api_servers)),
                ("process", ids(&cluster.process_servers)),
                ("agentServer", ids(&cluster.agent_servers)),
                ("nats", vec![cluster.nats.id()]),
                ("etcd", vec![cluster.etcd.id()]),
                ("postgres", cluster.postgres.ids()?),
                ("agent", ids(&cluster.agents)),
            ],
        };
        let fleets = self.fleets.iter().map(|fleet| fleet.process.id());
        all.push(("simulatedHosts", fleets.collect()));
        all.push(("benchClient", vec![std::process::id()]));
        Ok(all)
    }
}

/// One API server, one agent server, so many process servers, and no agents.
fn shape(process_servers: usize) -> Shape {
    Shape {
        api_servers: 1,
        process_servers,
        agent_servers: 1,
        agents: 0,
        process_flags: Vec::new(),
        postgres_settings: [&POSTGRES[..], &counters::POSTGRES_SETTINGS[..]]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect(),
        ..Shape::default()
    }
}

impl Wiring {
    fn drover(&self) -> &Drover {
        match self {
            Self::Cluster(cluster) => &cluster.drover,
            Self::Embedded(embedded) => &embedded.drover,
        }
    }
}
