//! `drover-agent`: runs one agent on this machine, until it is told to end.

use anyhow::Context;
use clap::Parser;
use drover_agent::{Agent, launch};
use drover_configuration::flags;
use drover_telemetry::{logs, shutdown};
use serde::Serialize;

/// Runs the containers of this host for Drover.
#[derive(Parser, Serialize)]
#[command(name = "drover-agent", version)]
struct Arguments {
    #[command(flatten)]
    #[serde(flatten)]
    general: flags::General,
    #[command(flatten)]
    #[serde(flatten)]
    data_dir: flags::DataDir,
    #[command(flatten)]
    #[serde(flatten)]
    connection: flags::AgentConnection,
    #[command(flatten)]
    #[serde(flatten)]
    runtime: flags::HostRuntime,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let settings = drover_configuration::load(arguments.general.config.as_deref(), &arguments)?;
    logs::begin(settings.log_format, &settings.log)?;
    let agent = Agent::new(launch::options(&settings)?, launch::parts(&settings)?);
    let shutdown = shutdown::on_signal().context("waiting for signals")?;
    agent.run(shutdown).await.context("the agent cannot go on")
}
