//! `drover-agent`: runs one agent on this machine, until it is told to end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use drover_agent::runtime::Runtime;
use drover_agent::runtime::docker::{DEFAULT_HOST, DockerRuntime};
use drover_agent::runtime::simulated::SimulatedRuntime;
use drover_agent::{Agent, Options, Parts, RegistrationToken, ServerAddress};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Runs the containers of this host for Drover.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// An agent server, as http://127.0.0.1:8090; several are tried in turn
    #[arg(
        long = "server",
        env = "DROVER_SERVER",
        value_delimiter = ',',
        required = true
    )]
    servers: Vec<ServerAddress>,

    /// The registration token; needed once
    #[arg(long, env = "DROVER_REGISTRATION_TOKEN", hide_env_values = true)]
    registration_token: Option<RegistrationToken>,

    /// Where the agent keeps its credential
    #[arg(long, env = "DROVER_DATA_DIR", default_value = "/var/lib/drover-agent")]
    data_dir: PathBuf,

    /// The name of this host; its own if absent
    #[arg(long, env = "DROVER_HOST_NAME")]
    host_name: Option<String>,

    /// A label for this host, as rack=7
    #[arg(long = "label", env = "DROVER_HOST_LABELS", value_delimiter = ',', value_parser = label)]
    labels: Vec<(String, String)>,

    /// Speak to servers elsewhere without encryption
    #[arg(long, env = "DROVER_ALLOW_PLAIN_HTTP")]
    allow_plain_http: bool,

    /// Certificates in PEM to trust instead of the platform's
    #[arg(long, env = "DROVER_CA_FILE")]
    ca_file: Option<PathBuf>,

    /// What runs the containers
    #[arg(long, env = "DROVER_RUNTIME", value_enum, default_value = "docker")]
    runtime: RuntimeName,

    /// Where the Docker engine is
    #[arg(long, env = "DOCKER_HOST", default_value = DEFAULT_HOST)]
    docker_host: String,

    /// What is logged, as `info` or `drover_agent=debug`
    #[arg(long, env = "DROVER_LOG", default_value = "info")]
    log: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum RuntimeName {
    Docker,
    Simulated,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a label is written as name=value".to_owned()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    // The client for Docker logs whole requests, in which the environment of a container stands.
    let filter = EnvFilter::try_new(format!("{},bollard=info", arguments.log))
        .context("reading what is to be logged")?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime: Arc<dyn Runtime> = match arguments.runtime {
        RuntimeName::Docker => Arc::new(DockerRuntime::new(arguments.docker_host)?),
        RuntimeName::Simulated => Arc::new(SimulatedRuntime::new()),
    };
    let options = Options {
        servers: arguments.servers,
        registration_token: arguments.registration_token,
        data_dir: arguments.data_dir,
        host_name: arguments.host_name,
        labels: arguments.labels.into_iter().collect::<BTreeMap<_, _>>(),
        allow_plain_http: arguments.allow_plain_http,
        ca_file: arguments.ca_file,
    };
    let shutdown = CancellationToken::new();
    let _ends_with_main = shutdown.clone().drop_guard();
    tokio::spawn(cancel_on_signal(
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
        shutdown.clone(),
    ));
    Agent::new(options, Parts { runtime })
        .run(shutdown)
        .await
        .context("the agent cannot go on")
}

async fn cancel_on_signal(
    mut terminate: tokio::signal::unix::Signal,
    mut interrupt: tokio::signal::unix::Signal,
    shutdown: CancellationToken,
) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    shutdown.cancel();
}
