//! The agent server: speaks with agents, so that they need nothing but one outbound connection.
//!
//! ```text
//!   agent ==== WebSocket ====> session ---- subscribes host.<id>.command ----> bus
//!   agent ---- GET events ------> |  command: bus -> agent     reply: agent -> bus
//!         ---- POST replies ----> |  report:  agent -> bus     answer: bus -> agent
//!   agent ---- POST register --> store
//! ```
//!
//! It is a proxy, and a border. An agent shows its credential with each connection; from then on it
//! is given the commands of its own host and no others, its replies count only for commands that
//! were sent on this very connection, and whatever it reports is marked with its own host. It has
//! no access to the database, the bus or the lock service. What it says is looked at
//! (`border`) and read at a bounded rate (`allowance`); what it may not do counts for nothing and
//! is written down (`offences`).
//!
//! Which agents are connected is told in the database (`presence`); nothing else is kept. When an agent
//! server dies, its agents come back through another, and the processes that waited for their replies
//! send the commands again.

mod address;
mod allowance;
mod border;
mod connect;
mod link;
mod meter;
mod offences;
mod own;
mod pending;
mod presence;
mod problem;
mod register;
mod replies;
mod session;
mod sessions;
mod streams;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{get, post};
use drover_bus::EventBus;
use drover_domain::ServerId;
use drover_domain::liveness::SILENT_HEARTBEATS;
use drover_proto::registration::{EVENTS_PATH, REGISTER_PATH, REPLIES_PATH};
use drover_proto::stream::{AGENT_STREAMS_PATH, STREAMS_PATH};
use drover_serving::Serving;
use drover_store::clock::Clock;
use drover_store::{Store, fresh};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::timeout::TimeoutLayer;

use meter::Meter;
use offences::Offences;
use presence::Presence;
use sessions::Sessions;
use streams::Streams;

pub use drover_serving::{Limits, Tls, TlsError};

/// How an agent server behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// How often agents are to give a sign of life, if not as the settings say.
    pub heartbeat: Option<Duration>,
    /// How long to wait for a process server to settle a report.
    pub report_timeout: Duration,
    /// How often the credential of a connected agent is looked at, about: one that was revoked
    /// ends its connection within so long. Each look is a row, read together with others.
    pub credential_check: Duration,
    /// The certificate that agents are shown; plain HTTP if absent.
    pub tls: Option<Tls>,
    /// What agents may make the server hold.
    pub limits: Limits,
    /// Where API servers dial it for streams, as `https://host:8090`; made of where it listens if absent.
    pub advertised: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            heartbeat: None,
            report_timeout: Duration::from_secs(20),
            credential_check: Duration::from_secs(30),
            tls: None,
            limits: Limits {
                connections: CONNECTIONS,
                ..Limits::default()
            },
            advertised: None,
        }
    }
}

/// What an agent server works with.
pub struct Parts {
    /// The database: credentials, registrations, who is connected, and tickets of streams.
    pub store: Store,
    /// The event bus.
    pub bus: Arc<dyn EventBus>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where it listens.
    pub listener: TcpListener,
}

/// The most connections: two for each agent of the plain form, one for the others.
const CONNECTIONS: usize = 20_000;
/// The largest registration, in bytes.
const REGISTRATION_LIMIT: usize = 64 * 1024;
/// How long a request that does not stay open may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// An agent server.
pub struct Server {
    options: Options,
    parts: Parts,
}

/// What its handlers share.
pub(crate) struct Shared {
    pub(crate) id: ServerId,
    pub(crate) options: Options,
    pub(crate) store: Store,
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) presence: Presence,
    pub(crate) streams: Arc<Streams>,
    /// Where API servers dial it.
    pub(crate) address: String,
    pub(crate) offences: Offences,
    pub(crate) meter: Meter,
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: CancellationToken,
}

impl Shared {
    /// How often an agent gives a sign of life.
    pub(crate) fn heartbeat(&self) -> Duration {
        let usual = self.presence.patience().heartbeat;
        self.options.heartbeat.unwrap_or(usual)
    }

    /// How long an agent may be silent.
    pub(crate) fn silence(&self) -> Duration {
        self.heartbeat() * SILENT_HEARTBEATS
    }
}

impl Server {
    /// A server that has not begun to work.
    pub fn new(options: Options, parts: Parts) -> Self {
        Self { options, parts }
    }

    /// Serves until `shutdown`, then closes every connection and returns.
    ///
    /// # Errors
    /// When the certificate cannot be used. A listener that fails later is tried again.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), TlsError> {
        let Self { mut options, parts } = self;
        let (tls, limits) = (options.tls.take(), options.limits.clone());
        let is_tls = tls.is_some();
        let listens = parts.listener.local_addr().ok();
        let address = options.advertised.take();
        let address = address.or(listens.map(|listens| address::of(listens, is_tls)));
        let address = address.unwrap_or_default();
        let id = fresh::server_id();
        let shared = Arc::new(Shared {
            id,
            options,
            store: parts.store,
            bus: parts.bus,
            clock: parts.clock,
            sessions: Arc::default(),
            presence: Presence::default(),
            streams: Arc::default(),
            address,
            offences: Offences::new(),
            meter: Meter::new(),
            tasks: TaskTracker::new(),
            shutdown: shutdown.clone(),
        });
        let router = router(shared.clone());
        let serving = Serving::prepare(parts.listener, tls, limits, router, shutdown.clone())?;
        let address = shared.address.as_str();
        tracing::info!(server = %id, listen = ?listens, address, tls = is_tls, "agent server started");
        // Told at once when it is to stop, so that the agents find others in time.
        let present = presence::run(&shared, &shutdown);
        tokio::join!(serving.run(shutdown.clone()), present);
        shared.tasks.close();
        shared.tasks.wait().await;
        tracing::info!(server = %id, "agent server stopped");
        Ok(())
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(REGISTER_PATH, post(register::register))
        .layer(DefaultBodyLimit::max(REGISTRATION_LIMIT))
        // Looks after the size of what is posted by itself.
        .route(REPLIES_PATH, post(replies::post))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::REQUEST_TIMEOUT,
            REQUEST_TIMEOUT,
        ))
        // What follows is open for as long as it likes.
        .route(EVENTS_PATH, get(connect::connect))
        .route(&format!("{AGENT_STREAMS_PATH}/{{id}}"), get(streams::dial))
        .route(&format!("{STREAMS_PATH}/{{ticket}}"), get(streams::open))
        .route("/healthz", get(|| async { "ok" }))
        .with_state(shared)
}
