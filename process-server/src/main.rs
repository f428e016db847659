//! `drover-process-server`: runs one process server of a cluster, until it is told to end.

use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use drover_bus::{NatsBus, NatsOptions};
use drover_configuration::flags;
use drover_process_server::{NoInterference, Parts, Server, SystemChance, launch};
use drover_store::clock::{Clock, SystemClock};
use drover_store::{Keyring, Store, StoreOptions};
use drover_telemetry::{health, logs, metrics, shutdown};
use serde::Serialize;
use tikv_jemallocator::Jemalloc;

/// Services allocate much and briefly, from many threads: up to a quarter of their time was the system's
/// allocator (docs/performance.md).
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Makes intents true.
#[derive(Parser, Serialize)]
#[command(name = "drover-process-server", version)]
struct Arguments {
    #[command(flatten)]
    #[serde(flatten)]
    general: flags::General,
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
    locks: flags::Locks,
    #[command(flatten)]
    #[serde(flatten)]
    history: flags::History,
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
        name: "drover-process-server".to_owned(),
        ..NatsOptions::default()
    });
    let locks = launch::locks(&settings, &store).await?;
    let parts = Parts {
        store: store.clone(),
        bus: Arc::new(bus.await?),
        locks: locks.clone(),
        clock: Arc::new(SystemClock),
        chance: Arc::new(SystemChance),
        interference: Arc::new(NoInterference),
    };
    let health = launch::health(&store, &parts.bus, &locks);
    let server = Server::new(launch::options(&settings)?, parts);
    let (served, ()) = tokio::join!(
        health::serve(health, metrics, settings.health_listen, shutdown.clone()),
        server.run(shutdown),
    );
    served.context("health cannot be served")?;
    locks.close().await;
    Ok(store.close().await?)
}
