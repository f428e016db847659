//! `drover-process-server`: runs one process server of a cluster, until it is told to end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use drover_bus::{NatsBus, NatsOptions};
use drover_configuration::flags;
use drover_locks::{EtcdLocks, EtcdOptions};
use drover_process_server::{Options, Parts, Server, StoreEpochs};
use drover_store::clock::SystemClock;
use drover_store::{Store, StoreOptions};
use drover_telemetry::{logs, shutdown};
use serde::Serialize;

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
    bus: flags::Bus,
    #[command(flatten)]
    #[serde(flatten)]
    locks: flags::Locks,
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
        name: "drover-process-server".to_owned(),
        ..NatsOptions::default()
    });
    let lease = Duration::from_secs(settings.lease_seconds);
    let etcd = EtcdOptions {
        endpoints: settings.etcd_urls()?,
        lease,
        server: "drover-process-server".to_owned(),
        ..EtcdOptions::default()
    };
    let locks = Arc::new(EtcdLocks::connect(etcd, Arc::new(StoreEpochs(store.clone()))).await?);
    let parts = Parts {
        store: store.clone(),
        bus: Arc::new(bus.await?),
        locks: locks.clone(),
        clock: Arc::new(SystemClock),
    };
    Server::new(
        Options {
            lease,
            ..Options::default()
        },
        parts,
    )
    .run(shutdown)
    .await;
    locks.close().await;
    Ok(store.close().await?)
}
