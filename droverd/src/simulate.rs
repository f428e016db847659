//! `droverd simulate`: the agents of many hosts that are only pretended, in one process.
//!
//! Each is the agent that a real host runs, with an identity, a directory and a connection of its
//! own; its runtime keeps containers in memory. What they can share, they share: the runtime of
//! tasks, and the certificates that they trust. Few of them register or connect at a time, so that
//! the servers meet a queue and not a stampede, and each starts the next as soon as it is connected.
//!
//! Started again on the same directory, it is the same hosts.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use drover_agent::runtime::simulated::SimulatedRuntime;
use drover_agent::{Agent, Options, Parts, Transport, launch};
use drover_configuration::{Settings, flags};
use drover_telemetry::shutdown;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Hosts that register or connect for the first time at the same time.
const INTRODUCED_AT_A_TIME: usize = 32;

#[derive(Args, Serialize)]
pub(crate) struct Flags {
    /// How many hosts to pretend
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    #[serde(skip)]
    hosts: u32,
    /// What each host is called, before its number
    #[arg(long, default_value = "sim")]
    #[serde(skip)]
    name_prefix: String,
    /// How many processors each host pretends to have
    #[arg(long, default_value_t = 1_000)]
    #[serde(skip)]
    host_cpus: u32,
    /// How much memory each host pretends to have, in MiB
    #[arg(long, default_value_t = 4 << 20)]
    #[serde(skip)]
    host_memory_mib: u64,
    #[command(flatten)]
    #[serde(flatten)]
    data_dir: flags::DataDir,
    /// An agent server, as https://host:8090; several with commas between them
    #[arg(long = "connect")]
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_server: Option<String>,
    /// The registration token of all of them; needed once
    #[arg(long = "token")]
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_token: Option<String>,
    /// Speak to servers elsewhere without encryption
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_plain_http: bool,
    /// Certificates in PEM to trust instead of the platform's
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<PathBuf>,
}

pub(crate) async fn run(settings: Settings, flags: &Flags) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal().context("waiting for signals")?;
    let fleet = Fleet {
        options: launch::options(&settings)?,
        data_dir: settings.data_dir.join("simulated"),
        cpus: flags.host_cpus,
        memory_mib: flags.host_memory_mib,
    };
    let names = (1..=flags.hosts).map(|number| format!("{}-{number:04}", flags.name_prefix));
    fleet.run(names, shutdown).await
}

/// What all hosts have in common.
struct Fleet {
    options: Options,
    data_dir: PathBuf,
    cpus: u32,
    memory_mib: u64,
}

impl Fleet {
    /// Runs an agent for each name, until all are told to end or one of them cannot go on.
    async fn run(
        &self,
        names: impl Iterator<Item = String>,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        let transport = Transport::prepare(&self.options)?;
        let introductions = Arc::new(Semaphore::new(INTRODUCED_AT_A_TIME));
        let (mut agents, mut connected) = (JoinSet::new(), Vec::new());
        for name in names {
            let agent = self.agent(&name).with_transport(transport.clone());
            connected.push(agent.connected());
            let (introductions, shutdown) = (Arc::clone(&introductions), shutdown.clone());
            agents.spawn(async move {
                let ended = live(agent, &introductions, shutdown).await;
                ended.with_context(|| format!("the agent of {name} cannot go on"))
            });
        }
        let hosts = agents.len();
        let everyone = async {
            for agent in &mut connected {
                if agent.wait_for(|is_connected| *is_connected).await.is_err() {
                    return;
                }
            }
            tracing::info!(hosts, "all simulated hosts are connected");
        };
        let ends = async {
            let mut failed = None;
            while let Some(ended) = agents.join_next().await {
                if let Err(error) = ended.context("an agent panicked").flatten() {
                    shutdown.cancel();
                    failed.get_or_insert(error);
                }
            }
            failed.map_or(Ok(()), Err)
        };
        tokio::join!(everyone, ends).1
    }

    fn agent(&self, name: &str) -> Agent {
        let options = Options {
            data_dir: self.data_dir.join(name),
            host_name: Some(name.to_owned()),
            ..self.options.clone()
        };
        let runtime = SimulatedRuntime::new().with_capacity(self.cpus, self.memory_mib);
        let runtime = Arc::new(runtime);
        Agent::new(options, Parts { runtime })
    }
}

/// The life of one agent. It begins when few others are connecting for the first time.
async fn live(
    agent: Agent,
    introductions: &Semaphore,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let mut connected = agent.connected();
    let introduction = tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        introduction = introductions.acquire() => introduction?,
    };
    let introduced = async {
        // An error says that the agent has ended, which ends its introduction too.
        drop(connected.wait_for(|is_connected| *is_connected).await);
        drop(introduction);
    };
    let (ended, ()) = tokio::join!(agent.run(shutdown), introduced);
    Ok(ended?)
}
