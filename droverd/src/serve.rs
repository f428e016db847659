//! `droverd serve`: any set of the services of a cluster, in one process.

use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use drover_bus::{EventBus, NatsBus, NatsOptions};
use drover_configuration::{Settings, flags};
use drover_store::clock::{Clock, SystemClock};
use drover_store::{Keyring, Store, StoreOptions};
use drover_telemetry::health::{self, Health};
use drover_telemetry::{metrics, shutdown};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::wiring;

#[derive(Args, Serialize)]
pub(crate) struct Flags {
    /// Which services to run; several with commas between them
    #[arg(long = "role", value_delimiter = ',', required = true)]
    #[serde(skip)]
    pub(crate) roles: Vec<Role>,
    #[command(flatten)]
    #[serde(flatten)]
    listen: flags::Listen,
    #[command(flatten)]
    #[serde(flatten)]
    agent_listen: flags::AgentListen,
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
    locks: flags::Locks,
    #[command(flatten)]
    #[serde(flatten)]
    history: flags::History,
    #[command(flatten)]
    #[serde(flatten)]
    health: flags::Health,
}

/// A service of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// Takes intents and tells how things stand.
    Api,
    /// Makes intents true.
    Process,
    /// Speaks with agents.
    Agent,
}

/// What the services of one process share.
struct Wiring {
    settings: Settings,
    store: Store,
    bus: Arc<dyn EventBus>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
}

pub(crate) async fn run(settings: Settings, roles: &[Role]) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal().context("waiting for signals")?;
    let metrics = metrics::begin(SystemClock.now().millis())?;
    let keyring = Keyring::read(settings.secrets_key_file.as_deref())?;
    let options = StoreOptions::new(settings.database_url()?).with_keyring(keyring);
    let store = Store::connect(&options).await?;
    let bus = NatsBus::connect(NatsOptions {
        servers: settings.nats_urls()?,
        name: "droverd".to_owned(),
        ..NatsOptions::default()
    });
    let wiring = Wiring {
        bus: Arc::new(bus.await?),
        clock: Arc::new(SystemClock),
        shutdown: shutdown.clone(),
        store: store.clone(),
        settings,
    };
    let mut services: JoinSet<anyhow::Result<()>> = JoinSet::new();
    let mut health = wiring::health(&wiring.store, &wiring.bus);
    for role in roles {
        match role {
            Role::Api => wiring.serve_api(&mut services).await?,
            Role::Process => health = wiring.serve_processes(&mut services).await?,
            Role::Agent => wiring.serve_agents(&mut services).await?,
        }
    }
    let health_listen = wiring.settings.health_listen;
    let ending = shutdown.clone();
    services.spawn(async move { Ok(health::serve(health, metrics, health_listen, ending).await?) });
    drop(wiring);
    let mut failed = None;
    while let Some(ended) = services.join_next().await {
        if let Err(error) = ended.context("a service panicked").flatten() {
            // One that fails takes the others along: whoever supervises starts them all again.
            shutdown.cancel();
            failed.get_or_insert(error);
        }
    }
    store.close().await?;
    failed.map_or(Ok(()), Err)
}

impl Wiring {
    async fn serve_api(&self, services: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
        let parts = drover_api_server::Parts {
            store: self.store.clone(),
            bus: self.bus.clone(),
            clock: self.clock.clone(),
            listener: wiring::listen(self.settings.listen).await?,
            pages: drover_dashboard::router(),
        };
        let options = wiring::api_options(&self.settings)?;
        let server = drover_api_server::Server::new(options, parts);
        let shutdown = self.shutdown.clone();
        services.spawn(async move { Ok(server.run(shutdown).await?) });
        Ok(())
    }

    async fn serve_agents(&self, services: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
        let parts = drover_agent_server::Parts {
            store: self.store.clone(),
            bus: self.bus.clone(),
            clock: self.clock.clone(),
            listener: wiring::listen(self.settings.agent_listen).await?,
        };
        let tls = self.settings.agent_tls()?;
        let options = drover_agent_server::Options {
            tls: tls.map(|(certificate, key)| drover_agent_server::Tls { certificate, key }),
            advertised: self.settings.agent_advertise.clone(),
            ..drover_agent_server::Options::default()
        };
        let server = drover_agent_server::Server::new(options, parts);
        let shutdown = self.shutdown.clone();
        services.spawn(async move { Ok(server.run(shutdown).await?) });
        Ok(())
    }

    /// Runs a process server, and tells the health of a program that has one.
    async fn serve_processes(
        &self,
        services: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<Health> {
        let locks = drover_process_server::launch::locks(&self.settings, &self.store).await?;
        let parts = drover_process_server::Parts {
            store: self.store.clone(),
            bus: self.bus.clone(),
            locks: locks.clone(),
            clock: self.clock.clone(),
            chance: Arc::new(drover_process_server::SystemChance),
            interference: Arc::new(drover_process_server::NoInterference),
        };
        let options = drover_process_server::launch::options(&self.settings)?;
        let health = drover_process_server::launch::health(&self.store, &self.bus, &locks);
        let server = drover_process_server::Server::new(options, parts);
        let shutdown = self.shutdown.clone();
        services.spawn(async move {
            Box::pin(server.run(shutdown)).await;
            locks.close().await;
            Ok(())
        });
        Ok(health)
    }
}
