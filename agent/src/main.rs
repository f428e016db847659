//! `drover-agent`: runs one agent on this machine, until it is told to end.

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use drover_agent::runtime::Runtime;
use drover_agent::runtime::docker::DockerRuntime;
use drover_agent::runtime::simulated::SimulatedRuntime;
use drover_agent::{Agent, Options, Parts, RegistrationToken};
use drover_configuration::{LogFormat, Settings, flags};
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
    let format = match settings.log_format {
        LogFormat::Text => logs::Format::Text,
        LogFormat::Json => logs::Format::Json,
    };
    // The client for Docker would log whole requests, with the environment of a container in them.
    logs::begin(format, &format!("{},bollard=info", settings.log))?;
    let runtime = runtime(&settings)?;
    let options = options(&settings)?;
    let shutdown = shutdown::on_signal().context("waiting for signals")?;
    Agent::new(options, Parts { runtime })
        .run(shutdown)
        .await
        .context("the agent cannot go on")
}

fn runtime(settings: &Settings) -> anyhow::Result<Arc<dyn Runtime>> {
    Ok(match settings.runtime {
        drover_configuration::Runtime::Docker => {
            Arc::new(DockerRuntime::new(settings.docker_host.clone())?)
        }
        drover_configuration::Runtime::Simulated => Arc::new(SimulatedRuntime::new()),
    })
}

fn options(settings: &Settings) -> anyhow::Result<Options> {
    let servers = settings.agent_servers()?;
    Ok(Options {
        servers: servers
            .iter()
            .map(|server| server.parse())
            .collect::<Result<_, _>>()?,
        registration_token: settings
            .registration_token
            .as_deref()
            .map(RegistrationToken::new),
        data_dir: settings.data_dir.join("agent"),
        host_name: settings.host_name.clone(),
        labels: settings.host_labels.clone(),
        allow_plain_http: settings.allow_plain_http,
        ca_file: settings.ca_file.clone(),
    })
}
