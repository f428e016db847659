//! `drover-api-server`: runs one API server of a cluster, until it is told to end.

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use drover_api_server::{Options, Parts, Server};
use drover_bus::{NatsBus, NatsOptions};
use drover_configuration::flags;
use drover_store::clock::SystemClock;
use drover_store::{Store, StoreOptions};
use drover_telemetry::{logs, shutdown};
use serde::Serialize;
use tokio::net::TcpListener;

/// Takes what people and programs want, and tells how things stand.
#[derive(Parser, Serialize)]
#[command(name = "drover-api-server", version)]
struct Arguments {
    #[command(flatten)]
    #[serde(flatten)]
    general: flags::General,
    #[command(flatten)]
    #[serde(flatten)]
    listen: flags::Listen,
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
        name: "drover-api-server".to_owned(),
        ..NatsOptions::default()
    });
    let listener = TcpListener::bind(settings.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.listen))?;
    let parts = Parts {
        store: store.clone(),
        bus: Arc::new(bus.await?),
        clock: Arc::new(SystemClock),
        listener,
        pages: axum::Router::new(),
    };
    let options = Options {
        policies: settings.policies()?,
        ..Options::default()
    };
    Server::new(options, parts).run(shutdown).await?;
    Ok(store.close().await?)
}
