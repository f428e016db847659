//! What is struck, how, and how it comes back.

use anyhow::{Context, Result};
use clap::ValueEnum;

use crate::system::System;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// One of two API servers is killed.
    ApiServer,
    /// One of two process servers is killed.
    ProcessServer,
    /// One of two agent servers is killed.
    AgentServer,
    /// The process that all simulated hosts are is killed.
    Hosts,
    /// NATS is stopped, and comes back empty.
    Nats,
    /// Etcd is stopped, and comes back as it was.
    Etcd,
    /// Etcd is stopped, and comes back empty.
    EtcdWiped,
    /// PostgreSQL is killed.
    Postgres,
}

impl Fault {
    pub(crate) const ALL: [Self; 8] = [
        Self::ApiServer,
        Self::ProcessServer,
        Self::AgentServer,
        Self::Hosts,
        Self::Nats,
        Self::Etcd,
        Self::EtcdWiped,
        Self::Postgres,
    ];

    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::ApiServer => "an API server is killed",
            Self::ProcessServer => "a process server is killed",
            Self::AgentServer => "an agent server is killed",
            Self::Hosts => "all hosts are killed",
            Self::Nats => "NATS is stopped and wiped",
            Self::Etcd => "etcd is stopped",
            Self::EtcdWiped => "etcd is stopped and wiped",
            Self::Postgres => "PostgreSQL is killed",
        }
    }

    pub(super) async fn strike(self, system: &mut System) -> Result<()> {
        if self == Self::Hosts {
            return hosts(system)?.kill_hard();
        }
        let cluster = system.cluster_parts()?;
        match self {
            Self::ApiServer => cluster.api_servers[0].kill_hard(),
            Self::ProcessServer => cluster.process_servers[0].kill_hard(),
            Self::AgentServer => cluster.agent_servers[0].kill_hard(),
            Self::Hosts => Ok(()),
            Self::Nats => cluster.nats.stop().await,
            Self::Etcd | Self::EtcdWiped => cluster.etcd.stop().await,
            Self::Postgres => cluster.postgres.process().kill_hard(),
        }
    }

    pub(super) async fn mend(self, system: &mut System) -> Result<()> {
        if self == Self::Hosts {
            return hosts(system)?.start_again();
        }
        let cluster = system.cluster_parts()?;
        match self {
            Self::ApiServer => cluster.api_servers[0].start_again(),
            Self::ProcessServer => cluster.process_servers[0].start_again(),
            Self::AgentServer => cluster.agent_servers[0].start_again(),
            Self::Hosts => Ok(()),
            Self::Nats => cluster.nats.start_empty().await,
            Self::Etcd => cluster.etcd.start_again().await,
            Self::EtcdWiped => cluster.etcd.start_empty().await,
            Self::Postgres => cluster.postgres.start_again().await,
        }
    }
}

fn hosts(system: &mut System) -> Result<&mut drover_scenarios::process::Process> {
    let fleet = system.fleets.first_mut().context("simulated hosts")?;
    Ok(&mut fleet.process)
}
