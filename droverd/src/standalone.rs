//! `droverd standalone`: everything in one operating-system process.
//!
//! The services are those of a cluster; what differs is the wiring: SQLite in the data directory,
//! a bus and locks inside the process, and one agent that connects over loopback like any other.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use drover_agent::{Agent, RegistrationToken, launch};
use drover_api_server::bootstrap;
use drover_bus::{EventBus, MemoryBus};
use drover_configuration::{Settings, flags};
use drover_locks::MemoryLocks;
use drover_store::clock::{Clock, SystemClock};
use drover_store::{Store, StoreOptions};
use drover_telemetry::{health, metrics, shutdown};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::wiring;

#[derive(Args, Serialize)]
pub(crate) struct Flags {
    #[command(flatten)]
    #[serde(flatten)]
    data_dir: flags::DataDir,
    #[command(flatten)]
    #[serde(flatten)]
    listen: flags::Listen,
    #[command(flatten)]
    #[serde(flatten)]
    agent_listen: flags::AgentListen,
    #[command(flatten)]
    #[serde(flatten)]
    runtime: flags::HostRuntime,
    #[command(flatten)]
    #[serde(flatten)]
    secrets: flags::Secrets,
    #[command(flatten)]
    #[serde(flatten)]
    history: flags::History,
    #[command(flatten)]
    #[serde(flatten)]
    health: flags::Health,
}

pub(crate) async fn run(settings: Settings) -> anyhow::Result<()> {
    let shutdown = shutdown::on_signal().context("waiting for signals")?;
    let metrics = metrics::begin(SystemClock.now().millis())?;
    wiring::make_data_dir(&settings.data_dir)?;
    let listener = wiring::listen(settings.listen).await?;
    let agent_listener = wiring::listen(settings.agent_listen).await?;
    let database = settings.data_dir.join("drover.db");
    let keyring = wiring::own_keyring(&settings)?;
    let options = StoreOptions::new(format!("sqlite://{}", database.display()));
    let options = options.with_keyring(keyring);
    let store = Store::connect(&options).await?;
    store.migrate().await?;
    wiring::reseal(&store).await?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let key_file = wiring::operator_key(&settings.data_dir);
    let is_first_start = bootstrap::prepare(&store, &*clock, &key_file).await?;
    if is_first_start {
        tracing::info!(file = %key_file.display(), "the operator's key was written");
    }
    // Nobody else can own what a run before this one has left: there is no lease to wait for.
    let left = store.take_up_all(clock.now()).await?;
    if left > 0 {
        tracing::info!(processes = left, "what was under way is taken up again");
    }
    let agent_address = agent_listener.local_addr()?;
    let bus: Arc<dyn EventBus> = Arc::new(MemoryBus::new());
    let locks = Arc::new(MemoryLocks::new(store.next_lock_epoch().await?));

    let mut api_options = wiring::api_options(&settings)?;
    // The one agent server is in this program, whatever address it listens at.
    api_options.streams.allow_plain_http = true;
    let api = drover_api_server::Server::new(
        api_options,
        drover_api_server::Parts {
            store: store.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
            listener,
            pages: drover_dashboard::router(),
        },
    );
    let process = drover_process_server::Server::new(
        drover_process_server::launch::options(&settings)?,
        drover_process_server::Parts {
            store: store.clone(),
            bus: bus.clone(),
            locks,
            clock: clock.clone(),
            chance: Arc::new(drover_process_server::SystemChance),
            interference: Arc::new(drover_process_server::NoInterference),
        },
    );
    let agents = drover_agent_server::Server::new(
        drover_agent_server::Options {
            // Whoever dials it is in this program.
            advertised: Some(on_loopback(agent_address)),
            ..drover_agent_server::Options::default()
        },
        drover_agent_server::Parts {
            store: store.clone(),
            bus: bus.clone(),
            clock: clock.clone(),
            listener: agent_listener,
        },
    );
    let agent = LocalAgent::new(&settings, agent_address);
    let token = match is_first_start || !agent.is_registered()? {
        true => Some(bootstrap::local_registration_token(&store, &*clock).await?),
        false => None,
    };
    let agent = agent.build(token.as_deref())?;
    let health = wiring::health(&store, &bus);
    let running = Running {
        shutdown: shutdown.clone(),
    };
    tokio::try_join!(
        running.until_end("the API server", async {
            Ok(api.run(shutdown.clone()).await?)
        }),
        running.until_end("the agent server", async {
            Ok(agents.run(shutdown.clone()).await?)
        }),
        running.until_end("the agent", async {
            Ok(agent.run(shutdown.clone()).await?)
        }),
        running.until_end("health", async {
            Ok(health::serve(health, metrics, settings.health_listen, shutdown.clone()).await?)
        }),
        async {
            Box::pin(process.run(shutdown.clone())).await;
            Ok(())
        },
    )?;
    Ok(store.close().await?)
}

/// Services that end together: when one fails, the others are told to end.
struct Running {
    shutdown: CancellationToken,
}

impl Running {
    async fn until_end(
        &self,
        what: &'static str,
        service: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let ended = service
            .await
            .with_context(|| format!("{what} cannot go on"));
        if ended.is_err() {
            self.shutdown.cancel();
        }
        ended
    }
}

/// How an agent server that listens there is reached from this machine.
fn on_loopback(mut server: SocketAddr) -> String {
    if server.ip().is_unspecified() {
        server.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{server}")
}

/// The agent of this machine. It is given a registration token on its first start, and again should
/// its database be a new one; the token serves once, for a short while.
struct LocalAgent {
    settings: Settings,
}

impl LocalAgent {
    fn new(settings: &Settings, server: SocketAddr) -> Self {
        let agent_server = Some(on_loopback(server));
        Self {
            settings: Settings {
                agent_server,
                ..settings.clone()
            },
        }
    }

    fn is_registered(&self) -> anyhow::Result<bool> {
        Ok(Agent::is_registered(&launch::options(&self.settings)?)?)
    }

    fn build(self, token: Option<&str>) -> anyhow::Result<Agent> {
        let mut options = launch::options(&self.settings)?;
        options.registration_token = token.map(RegistrationToken::new);
        Ok(Agent::new(options, launch::parts(&self.settings)?))
    }
}
