//! A whole Drover in one operating-system process, with a lease short enough to die often.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use drover_agent::{Agent, RegistrationToken};
use drover_bus::MemoryBus;
use drover_domain::resource::{Details, RegistrationTokenSpec, RegistrationTokenStatus};
use drover_domain::{Resource, ResourceType, Role, State};
use drover_locks::MemoryLocks;
use drover_process_server::{Options, Parts, Server, SystemChance};
use drover_store::clock::{Clock, SystemClock};
use drover_store::{Attached, CredentialKind, ResourceFilter, Store, StoreOptions, fresh};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::misfortune::{Killer, Misfortune, WatchedRuntime};

/// How long a claim is left alone: what a death costs.
const LEASE: Duration = Duration::from_millis(150);
/// How often the server looks for work that nobody told of.
const SWEEP: Duration = Duration::from_millis(20);
/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A running Drover.
pub struct World {
    /// The database.
    pub store: Store,
    /// What kills its process server.
    pub killer: Arc<Killer>,
    /// What runs its containers.
    pub runtime: Arc<WatchedRuntime>,
    agent: drover_agent::Options,
    running_agent: Option<(DropGuard, JoinHandle<()>)>,
    _shutdown: DropGuard,
    _folder: TempDir,
}

impl World {
    /// A Drover with one active host, with a misfortune ahead.
    pub async fn begin(misfortune: Misfortune) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("drover.db").display());
        let store = Store::connect(&StoreOptions::new(url)).await?;
        store.migrate().await?;
        let shutdown = CancellationToken::new();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let bus = Arc::new(MemoryBus::new());
        let killer = Arc::new(Killer::new(misfortune));
        let runtime = Arc::new(WatchedRuntime::new(misfortune));

        let parts = Parts {
            store: store.clone(),
            bus: bus.clone(),
            locks: Arc::new(MemoryLocks::new(store.next_lock_epoch().await?)),
            clock: clock.clone(),
            chance: Arc::new(SystemChance),
            interference: killer.clone(),
        };
        let options = Options {
            lease: LEASE,
            sweep_interval: SWEEP,
            ..Options::default()
        };
        tokio::spawn(Server::new(options, parts).run(shutdown.clone()));

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let parts = drover_agent_server::Parts {
            store: store.clone(),
            bus,
            clock: clock.clone(),
            listener,
        };
        let options = drover_agent_server::Options::default();
        let agent_server = drover_agent_server::Server::new(options, parts);
        tokio::spawn(agent_server.run(shutdown.clone()));

        let token = registration_token(&store, &*clock).await?;
        let server = format!("http://{address}").parse()?;
        let mut agent = drover_agent::Options::new(server, folder.path().join("agent"));
        agent.registration_token = Some(RegistrationToken::new(&token));

        let mut world = Self {
            store,
            killer,
            runtime,
            agent,
            running_agent: None,
            _shutdown: shutdown.drop_guard(),
            _folder: folder,
        };
        world.start_agent();
        world.only(ResourceType::Host, State::Active).await?;
        world.only(ResourceType::Agent, State::Active).await?;
        Ok(world)
    }

    /// Starts the agent, as on its machine's start. What its runtime has is as it was.
    pub fn start_agent(&mut self) {
        let parts = drover_agent::Parts {
            runtime: self.runtime.clone(),
        };
        let agent = Agent::new(self.agent.clone(), parts);
        let shutdown = CancellationToken::new();
        let ended = shutdown.clone();
        let running = tokio::spawn(async move {
            // One that cannot go on is noticed by whoever waits for what it should do.
            drop(agent.run(ended).await);
        });
        self.running_agent = Some((shutdown.drop_guard(), running));
    }

    /// Stops the agent. What its runtime runs goes on.
    ///
    /// # Errors
    /// When it does not end in order.
    pub async fn stop_agent(&mut self) -> anyhow::Result<()> {
        if let Some((shutdown, running)) = self.running_agent.take() {
            drop(shutdown);
            running.await?;
        }
        Ok(())
    }

    /// The one resource of a type, once it is in a state.
    ///
    /// # Errors
    /// When it is not there in time.
    pub async fn only(
        &self,
        resource_type: ResourceType,
        state: State,
    ) -> anyhow::Result<Resource> {
        let filter = ResourceFilter::all(resource_type, 1);
        let looking = async {
            loop {
                let found = self.store.resources(&filter).await?.into_iter().next();
                match found {
                    Some(resource) if resource.state == state => return Ok(resource),
                    _ => tokio::time::sleep(Duration::from_millis(2)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, looking)
            .await
            .with_context(|| format!("no {resource_type} became {state}"))?
    }
}

async fn registration_token(store: &Store, clock: &dyn Clock) -> anyhow::Result<String> {
    let now = clock.now();
    let details = Details::RegistrationToken {
        spec: RegistrationTokenSpec::default(),
        status: RegistrationTokenStatus::default(),
    };
    let token = Resource::new(fresh::resource_id(), "test", State::Active, details, now);
    store.insert(&token, Attached::nothing()).await?;
    let kind = CredentialKind::RegistrationToken;
    Ok(store
        .issue(kind, Some(token.id), Role::Agent, now)
        .await?
        .into_text())
}
