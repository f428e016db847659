//! The API server: takes what people and programs want, and tells how things stand.
//!
//! ```text
//!   request --> key --> body or query, checked --> lifecycle: allowed? --> one transaction --> 202
//!                                                                             |
//!                                                       hint on the bus  <----+  (may be lost)
//! ```
//!
//! It is stateless and does no orchestration. An intent is answered once the database has committed
//! the resource, its process and its change record together; everything else happens elsewhere. All
//! that it needs is the database: while the bus, the lock service, every process server and every
//! agent server are down, intents are accepted and reads are answered.
//!
//! Streams from hosts are the exception: for each the server dials the agent server that holds the host's
//! agent (`streams`). Nothing else waits for that.
//!
//! What a client sees of a resource is made (in `representation`) from the rows and the lifecycle
//! alone, so two API servers over one database cannot be told apart.

mod answer;
mod authentication;
mod authorization;
mod body;
pub mod bootstrap;
mod conditional;
mod handlers;
mod intents;
mod limits;
mod live;
mod merge_patch;
mod meter;
mod new;
mod objects;
mod openapi;
mod problem;
mod query;
mod rate_limits;
mod recording;
mod references;
mod representation;
mod request_id;
mod router;
mod routes;
mod schemas;
mod streams;
mod tokens;
mod upgrade;
mod waiters;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use drover_bus::{Announcer, EventBus};
use drover_domain::ResourceId;
use drover_domain::lifecycle::Policies;
use drover_serving::Serving;
use drover_store::Store;
use drover_store::clock::Clock;
use tokio::net::TcpListener;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use live::Live;
use openapi::Descriptions;
use rate_limits::Buckets;
use streams::Streams;
use waiters::Waiters;
use watch::Watches;

pub use drover_serving::{Limits, Tls, TlsError};
pub use streams::StreamOptions;
pub use watch::WatchLimits;

/// How an API server behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest body of a request, in bytes.
    pub body_limit: usize,
    /// The longest that a client can have an answer held back.
    pub longest_wait: Duration,
    /// How many watch, and what is held for them.
    pub watch: WatchLimits,
    /// What streams may cost, and how agent servers are dialled for them.
    pub streams: StreamOptions,
    /// How long new processes have.
    pub policies: Policies,
    /// The certificate of the API; plain HTTP if absent.
    pub tls: Option<Tls>,
    /// What clients may make the server hold.
    pub limits: Limits,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            body_limit: 1024 * 1024,
            longest_wait: Duration::from_secs(60),
            watch: WatchLimits::default(),
            streams: StreamOptions::default(),
            policies: Policies::default(),
            tls: None,
            limits: Limits::default(),
        }
    }
}

/// What an API server works with.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The event bus.
    pub bus: Arc<dyn EventBus>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where it listens.
    pub listener: TcpListener,
    /// Pages that are served beside the API, for browsers.
    pub pages: Router,
}

/// What its handlers share.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) store: Store,
    pub(crate) announcer: Announcer,
    pub(crate) bus: Arc<dyn EventBus>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) descriptions: Descriptions,
    /// The project that there always is, once it was looked up: it is never removed.
    pub(crate) default_project: OnceCell<ResourceId>,
    /// Whether clients speak TLS to this server.
    pub(crate) is_tls: bool,
    pub(crate) watches: Watches,
    pub(crate) streams: Streams,
    pub(crate) live: Live,
    pub(crate) buckets: Buckets,
    pub(crate) shutdown: CancellationToken,
}

/// An API server.
pub struct Server {
    options: Options,
    parts: Parts,
}

impl Server {
    /// A server that has not begun to work.
    pub fn new(options: Options, parts: Parts) -> Self {
        Self { options, parts }
    }

    /// Serves until `shutdown`, then answers what it was asked before and returns.
    ///
    /// # Errors
    /// When the certificate cannot be used. A listener that fails later is tried again.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), TlsError> {
        let Self { mut options, parts } = self;
        let waiters = Arc::new(Waiters::default());
        let tls = options.tls.take();
        let limits = options.limits.clone();
        let address = parts.listener.local_addr().ok();
        let described = openapi::describe(router::api);
        let shared = Arc::new(Shared {
            descriptions: Descriptions::of(&described.document),
            is_tls: tls.is_some(),
            watches: Watches::new(options.watch.clone()),
            streams: Streams::new(options.streams.clone()),
            options,
            live: Live::new(parts.store.clone()),
            buckets: Buckets::default(),
            store: parts.store,
            announcer: Announcer::new(parts.bus.clone()),
            bus: parts.bus.clone(),
            clock: parts.clock,
            waiters: waiters.clone(),
            default_project: OnceCell::new(),
            shutdown: shutdown.clone(),
        });
        let router = router::router(described.router, shared).merge(parts.pages);
        let is_tls = tls.is_some();
        let serving = Serving::prepare(parts.listener, tls, limits, router, shutdown.clone())?;
        tracing::info!(listen = ?address, tls = is_tls, "API server started");
        tokio::join!(
            serving.run(shutdown.clone()),
            waiters.listen(parts.bus, shutdown)
        );
        tracing::info!("API server stopped");
        Ok(())
    }
}
