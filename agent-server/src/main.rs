//! `drover-agent-server`: runs one agent server of a cluster, until it is told to end.

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use drover_agent_server::{Options, Parts, Server};
use drover_bus::{NatsBus, NatsOptions};
use drover_configuration::flags;
use drover_store::clock::SystemClock;
use drover_store::{Store, StoreOptions};
use drover_telemetry::{logs, shutdown};
use serde::Serialize;
use tokio::net::TcpListener;

/// Speaks with agents, so that they need nothing but one outbound connection.
#[derive(Parser, Serialize)]
#[command(name = "drover-agent-server", version)]
struct Arguments {
    #[command(flatten)]
    #[serde(flatten)]
    general: flags::General,
    #[command(flatten)]
    #[serde(flatten)]
    listen: flags::AgentListen,
    #[command(flatten)]
    #[serde(flatten)]
    database: flags::Database,
    #[command(flatten)]
    #[serde(flatten)]
    bus: flags::Bus,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let settings = drover_configuration::load(arguments.general.config.as_deref(), &arguments)?;
    logs::begin(settings.log_format, &settings.log)?;
    let shutdown = shutdown::on_signal().context("waiting for signals")?;
    let store = Store::connect(&StoreOptions::new(settings.database_url()?)).await?;
    let bus = NatsBus::connect(NatsOptions {
        servers: settings.nats_urls()?,
        name: "drover-agent-server".to_owned(),
        ..NatsOptions::default()
    });
    let listener = TcpListener::bind(settings.agent_listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.agent_listen))?;
    let parts = Parts {
        store: store.clone(),
        bus: Arc::new(bus.await?),
        clock: Arc::new(SystemClock),
        listener,
    };
    Server::new(Options::default(), parts).run(shutdown).await?;
    Ok(store.close().await?)
}
