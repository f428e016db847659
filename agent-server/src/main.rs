//! `drover-agent-server`: runs one agent server of a cluster, until it is told to end.

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use drover_agent_server::{Options, Parts, Server, Tls};
use drover_bus::{EventBus, NatsBus, NatsOptions};
use drover_configuration::flags;
use drover_store::clock::{Clock, SystemClock};
use drover_store::{Store, StoreOptions};
use drover_telemetry::health::{self, Health};
use drover_telemetry::{logs, metrics, shutdown};
use serde::Serialize;
use tikv_jemallocator::Jemalloc;
use tokio::net::TcpListener;

/// Services allocate much and briefly, from many threads: up to a quarter of their time was the system's
/// allocator (docs/performance.md).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

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
    let health = health(&store, &parts.bus);
    let options = Options {
        tls: settings
            .agent_tls()?
            .map(|(certificate, key)| Tls { certificate, key }),
        advertised: settings.agent_advertise.clone(),
        ..Options::default()
    };
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
