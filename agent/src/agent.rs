//! The life of an agent: who it is, then a connection, until it is told to end.

use std::sync::Arc;
use std::time::Duration;

use drover_domain::ResourceId;
use drover_domain::resource::HostFacts;
use rustls::ClientConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info, warn};

use crate::backoff::Backoff;
use crate::connection::{Connection, End};
use crate::credentials::Credentials;
use crate::executor::{Executor, Tools};
use crate::health::HealthChecks;
use crate::identity::{Identity, StateFile, StateFileError};
use crate::ledger::{Ledger, Limits};
use crate::machine;
use crate::options::Options;
use crate::registrar::{self, registration};
use crate::reports::Reports;
use crate::runtime::Runtime;
use crate::session::Session;
use crate::streams::Streams;
use crate::transport::{Transport, TransportError};
use crate::watcher::Watcher;

/// How long commands in hand are waited for at the end.
const FINISH_WITHIN: Duration = Duration::from_secs(5);

/// What an agent works with.
#[derive(Clone)]
pub struct Parts {
    /// What runs containers.
    pub runtime: Arc<dyn Runtime>,
}

/// Why an agent cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its state cannot be read or written.
    #[error("the agent's state cannot be kept")]
    State(#[from] StateFileError),
    /// Its servers cannot be spoken to as was asked.
    #[error("the agent servers cannot be used")]
    Transport(#[from] TransportError),
    /// Nobody knows it, and it has nothing to introduce itself with.
    #[error("the agent is not registered and was given no registration token")]
    NoRegistrationToken,
}

/// One agent.
pub struct Agent {
    options: Options,
    runtime: Arc<dyn Runtime>,
    transport: Option<Transport>,
    connected: watch::Sender<bool>,
}

impl Agent {
    /// An agent that has not begun.
    pub fn new(options: Options, parts: Parts) -> Self {
        Self {
            options,
            runtime: parts.runtime,
            transport: None,
            connected: watch::Sender::new(false),
        }
    }

    /// The same, on a transport that was prepared for these servers before: many agents of one
    /// process share it.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Whether a server has it on a connection, now and later.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.connected.subscribe()
    }

    /// Whether an agent with these options has registered before, and needs no token.
    ///
    /// # Errors
    /// When its state cannot be read, or another agent is using it.
    pub fn is_registered(options: &Options) -> Result<bool, StateFileError> {
        Ok(StateFile::open(&options.data_dir)?.identity().is_some())
    }

    /// Works until it is told to end.
    ///
    /// # Errors
    /// When it cannot begin: its directory or its servers cannot be used, or it is not registered
    /// and has no token. Whatever may pass, as a server that is away, is waited for instead.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Error> {
        let Transport(tls) = match &self.transport {
            Some(transport) => transport.clone(),
            None => Transport::prepare(&self.options)?,
        };
        let file = StateFile::open(&self.options.data_dir)?;
        let credentials = Arc::new(Credentials::new(file));
        let identity = match credentials.identity() {
            Some(identity) => identity,
            None if self.options.registration_token.is_none() => {
                return Err(Error::NoRegistrationToken);
            }
            None => match self.introduce(&credentials, &tls, &shutdown).await? {
                Some(identity) => identity,
                None => return Ok(()),
            },
        };
        self.work(identity.agent_id, &credentials, &tls, &shutdown)
            .await
    }

    async fn work(
        &self,
        mut agent: ResourceId,
        credentials: &Arc<Credentials>,
        tls: &Arc<ClientConfig>,
        shutdown: &CancellationToken,
    ) -> Result<(), Error> {
        self.runtime.bind(agent);
        let ledger = Ledger::new(Limits::default());
        let reports = Arc::new(Reports::new());
        let health = HealthChecks::new(Arc::clone(&self.runtime));
        let watcher = Arc::new(Watcher::new(
            Arc::clone(&self.runtime),
            ledger.clone(),
            Arc::clone(&reports),
            Arc::clone(&health),
        ));
        let watch = || {
            let watcher = Arc::clone(&watcher).run(shutdown.child_token());
            AbortOnDropHandle::new(tokio::spawn(watcher))
        };
        let mut watching = watch();
        let runtime = Arc::clone(&self.runtime);
        let executor = Executor::new(Tools {
            runtime,
            ledger,
            reports: Arc::clone(&reports),
            health,
            credentials: Arc::clone(credentials),
        });
        let session = Session {
            executor: Arc::new(executor),
            reports,
            runtime: Arc::clone(&self.runtime),
            streams: Streams::new(Arc::clone(&self.runtime), shutdown.child_token()),
            connected: self.connected.clone(),
        };
        let mut connection = Connection::new(&self.options.servers, tls, &session, credentials);
        let mut unknown = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        while let End::Unknown = connection.run(shutdown).await {
            if self.options.registration_token.is_none() {
                error!("the servers do not accept this agent, and it was given no token");
            } else {
                warn!("the servers do not accept this agent; registering again");
                let known = self.introduce(credentials, tls, shutdown).await?;
                if let Some(known) = known.filter(|known| known.agent_id != agent) {
                    agent = known.agent_id;
                    self.runtime.bind(agent);
                    watching = watch();
                }
            }
            if !unknown.pause(shutdown).await {
                break;
            }
        }
        info!("ending");
        drop(watching);
        tokio::join!(
            session.executor.finish_within(FINISH_WITHIN),
            session.streams.finish_within(FINISH_WITHIN),
        );
        Ok(())
    }

    /// Registers and keeps the identity. `None` if the program is to end first.
    async fn introduce(
        &self,
        credentials: &Credentials,
        tls: &Arc<ClientConfig>,
        shutdown: &CancellationToken,
    ) -> Result<Option<Identity>, Error> {
        let Some(token) = &self.options.registration_token else {
            return Err(Error::NoRegistrationToken);
        };
        let facts = self.facts().await;
        let key = credentials.agent_key();
        let asked = registration(&self.options, token.reveal(), &key, facts);
        let given = registrar::register(&self.options, tls, &asked, shutdown).await;
        if let Some(identity) = &given {
            credentials.keep(identity.clone())?;
        }
        Ok(given)
    }

    /// What the runtime knows of the machine, or the machine alone if the runtime is away.
    async fn facts(&self) -> HostFacts {
        self.runtime.facts().await.unwrap_or_else(|error| {
            warn!(%error, "the runtime does not tell what the host is");
            let mut facts = machine::facts();
            facts.runtime = self.runtime.name().to_owned();
            facts
        })
    }
}
