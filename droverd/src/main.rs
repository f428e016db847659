//! `droverd`: all of Drover in one executable.
//!
//! - `droverd standalone`: everything in one process, on SQLite, with an agent for this machine.
//! - `droverd serve --role api,process,agent`: any set of the services of a cluster.
//! - `droverd agent`: the agent of a host.
//! - `droverd simulate`: the agents of any number of hosts that are only pretended.
//! - `droverd migrate`: brings the schema of a cluster's database up to date, and on the first run
//!   makes the operator's key.
//!
//! The services are the same code in each; only what they are wired to differs.

mod agent;
mod migrate;
mod serve;
mod simulate;
mod standalone;
mod wiring;

use clap::{Parser, Subcommand};
use drover_configuration::Settings;
use drover_configuration::flags;
use drover_telemetry::logs;
use serde::Serialize;
use tikv_jemallocator::Jemalloc;

/// Services allocate much and briefly, from many threads: up to a quarter of their time was the system's
/// allocator (docs/performance.md).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// A durable, distributed container orchestrator
#[derive(Parser)]
#[command(name = "droverd", version)]
struct Arguments {
    #[command(flatten)]
    general: flags::General,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run everything in one process, on SQLite
    Standalone(standalone::Flags),
    /// Run services of a cluster
    Serve(serve::Flags),
    /// Run the agent of this host
    Agent(agent::Flags),
    /// Run the agents of many pretended hosts, for trials and benchmarks
    Simulate(simulate::Flags),
    /// Bring the schema of a cluster's database up to date
    Migrate(migrate::Flags),
}

/// The flags of the program and those of the command, for the settings.
#[derive(Serialize)]
struct Both<'a, Flags> {
    #[serde(flatten)]
    general: &'a flags::General,
    #[serde(flatten)]
    command: &'a Flags,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Arguments { general, command } = Arguments::parse();
    wiring::install_tls_provider();
    match &command {
        Command::Standalone(flags) => Box::pin(standalone::run(begin(&general, flags)?)).await,
        Command::Serve(flags) => serve::run(begin(&general, flags)?, &flags.roles).await,
        Command::Agent(flags) => agent::run(begin(&general, flags)?).await,
        Command::Simulate(flags) => simulate::run(begin(&general, flags)?, flags).await,
        Command::Migrate(flags) => migrate::run(begin(&general, flags)?).await,
    }
}

/// Reads the settings and begins the log.
fn begin(general: &flags::General, command: &impl Serialize) -> anyhow::Result<Settings> {
    let flags = Both { general, command };
    let settings = drover_configuration::load(general.config.as_deref(), &flags)?;
    logs::begin(settings.log_format, &settings.log)?;
    Ok(settings)
}
