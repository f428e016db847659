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
/// How long anything may take. A host is given up five seconds after it was heard of last, and whoever waits for
/// children of which nobody tells looks after them up to twelve and a half seconds later.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// An agent, and what its host runs.
struct Hosted {
    options: drover_agent::Options,
    runtime: Arc<WatchedRuntime>,
    running: Option<(DropGuard, JoinHandle<()>)>,
}

/// A running Drover.
pub struct World {
    /// The database.
    pub store: Store,
    /// What kills its process server.
    pub killer: Arc<Killer>,
    /// What runs its containers.
    pub runtime: Arc<WatchedRuntime>,
    agents: Vec<Hosted>,
    _shutdown: DropGuard,
    folder: TempDir,
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
        let mut options = drover_agent::Options::new(server, folder.path().join("agent"));
        options.registration_token = Some(RegistrationToken::new(&token));

        let mut world = Self {
            store,
            killer,
            runtime: runtime.clone(),
            agents: vec![Hosted {
                options,
                runtime,
                running: None,
            }],
            _shutdown: shutdown.drop_guard(),
            folder,
        };
        world.start_agent();
        world.only(ResourceType::Host, State::Active).await?;
        world.only(ResourceType::Agent, State::Active).await?;
        Ok(world)
    }

    /// Adds a host, and waits until it is active.
    ///
    /// # Errors
    /// When it is not active in time.
    pub async fn add_host(&mut self) -> anyhow::Result<Resource> {
        let number = self.agents.len();
        let first = self.agents.first().context("there is a first host")?;
        let options = drover_agent::Options {
            data_dir: self.folder.path().join(format!("agent-{number}")),
            host_name: Some(format!("host-{number}")),
            ..first.options.clone()
        };
        self.agents.push(Hosted {
            options,
            runtime: Arc::new(self.runtime.beside(number)),
            running: None,
        });
        self.start_agent_of(number);
        self.host(number, State::Active).await
    }

    /// What runs the containers of a host.
    ///
    /// # Panics
    /// When there is no such host.
    pub fn runtime_of(&self, host: usize) -> &WatchedRuntime {
        &self.agents[host].runtime
    }

    /// Starts the agent of the first host.
    pub fn start_agent(&mut self) {
        self.start_agent_of(0);
    }

    /// Starts the agent of a host, as on its machine's start. What its runtime has is as it was.
    ///
    /// # Panics
    /// When there is no such host.
    pub fn start_agent_of(&mut self, host: usize) {
        let hosted = &mut self.agents[host];
        let parts = drover_agent::Parts {
            runtime: hosted.runtime.clone(),
        };
        let agent = Agent::new(hosted.options.clone(), parts);
        let shutdown = CancellationToken::new();
        let ended = shutdown.clone();
        let running = tokio::spawn(async move {
            // One that cannot go on is noticed by whoever waits for what it should do.
            drop(agent.run(ended).await);
        });
        hosted.running = Some((shutdown.drop_guard(), running));
    }

    /// Stops the agent of the first host.
    ///
    /// # Errors
    /// When it does not end in order.
    pub async fn stop_agent(&mut self) -> anyhow::Result<()> {
        self.stop_agent_of(0).await
    }

    /// Stops the agent of a host. What its runtime runs goes on.
    ///
    /// # Errors
    /// When it does not end in order.
    ///
    /// # Panics
    /// When there is no such host.
    pub async fn stop_agent_of(&mut self, host: usize) -> anyhow::Result<()> {
        if let Some((shutdown, running)) = self.agents[host].running.take() {
            drop(shutdown);
            running.await?;
        }
        Ok(())
    }

    /// A host by its number, once it is in a state.
    ///
    /// # Errors
    /// When it is not there in time.
    pub async fn host(&self, number: usize, state: State) -> anyhow::Result<Resource> {
        self.nth(ResourceType::Host, number, state).await
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
        self.nth(resource_type, 0, state).await
    }

    /// The resource of a type that is so many places behind the oldest, once it is in a state.
    async fn nth(
        &self,
        resource_type: ResourceType,
        number: usize,
        state: State,
    ) -> anyhow::Result<Resource> {
        let filter = ResourceFilter::all(resource_type, 10);
        let looking = async {
            loop {
                let found = self.store.resources(&filter).await?.into_iter().nth(number);
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
