//! `drover-api-server`: runs one API server of a cluster, until it is told to end.

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use drover_api_server::{Options, Parts, Server, StreamOptions, Tls};
use drover_bus::{EventBus, NatsBus, NatsOptions};
use drover_configuration::flags;
use drover_store::clock::{Clock, SystemClock};
use drover_store::{Keyring, Store, StoreOptions};
use drover_telemetry::health::{self, Health};
use drover_telemetry::{logs, metrics, shutdown};
use serde::Serialize;
use tikv_jemallocator::Jemalloc;
use tokio::net::TcpListener;

/// Services allocate much and briefly, from many threads: up to a quarter of their time was the system's
/// allocator (docs/performance.md).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

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
    dialling: flags::Dialling,
    #[command(flatten)]
    #[serde(flatten)]
    database: flags::Database,
    #[command(flatten)]
    #[serde(flatten)]
    secrets: flags::Secrets,
    #[command(flatten)]
    #[serde(flatten)]
    bus: flags::Bus,
    #[command(flatten)]
    #[serde(flatten)]
    health: flags::Health,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let settings = drover_configuration::load(arguments.general.config.as_deref(), &arguments)?;
    logs::begin(settings.log_format, &settings.log)?;
    let metrics = metrics::begin(SystemClock.now().millis())?;
    let shutdown = shutdown::on_signal().context("waiting for signals")?;
    let keyring = Keyring::read(settings.secrets_key_file.as_deref())?;
    let options = StoreOptions::new(settings.database_url()?).with_keyring(keyring);
    let store = Store::connect(&options).await?;
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
        tls: settings
            .tls()?
            .map(|(certificate, key)| Tls { certificate, key }),
        streams: StreamOptions {
            ca_file: settings.ca_file.clone(),
            allow_plain_http: settings.allow_plain_http,
            ..StreamOptions::default()
        },
        ..Options::default()
    };
    let health = health(&store, &parts.bus);
    let server = Server::new(options, parts);
    let served = async { Ok(server.run(shutdown.clone()).await?) };
    let health_served = async {
        let served = health::serve(health, metrics, settings.health_listen, shutdown.clone());
        served.await.context("health cannot be served")
    };
    tokio::try_join!(served, health_served)?;
    Ok(store.close().await?)
}

/// Whether what the server needs is within reach.
fn health(store: &Store, bus: &Arc<dyn EventBus>) -> Health {
    let (store, bus) = (store.clone(), bus.clone());
    Health::default()
        .with("database", move || {
            let store = store.clone();
            async move { store.is_ready().await.unwrap_or(false) }
        })
        .with("bus", move || std::future::ready(bus.is_connected()))
}
