//! `droverd agent`: the agent of a host, as `drover-agent` is.

use anyhow::Context;
use clap::Args;
use drover_agent::{Agent, launch};
use drover_configuration::{Settings, flags};
use drover_telemetry::shutdown;
use serde::Serialize;

#[derive(Args, Serialize)]
pub(crate) struct Flags {
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

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal().context("waiting for signals")?;
    let agent = Agent::new(launch::options(&settings)?, launch::parts(&settings)?);
    agent.run(shutdown).await.context("the agent cannot go on")
}
