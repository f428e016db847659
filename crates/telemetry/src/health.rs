//! Health: whether a program lives (`/healthz`) and whether it can do its work (`/readyz`).

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

type Checking = Pin<Box<dyn Future<Output = bool> + Send>>;
type Check = Arc<dyn Fn() -> Checking + Send + Sync>;

/// The parts that a program needs, each with a way to see whether it is within reach.
#[derive(Clone, Default)]
pub struct Health {
    parts: Vec<(&'static str, Check)>,
}

impl Health {
    /// Adds a part. The check should take no longer than a few seconds.
    #[must_use]
    pub fn with<F, Reached>(mut self, part: &'static str, check: F) -> Self
    where
        F: Fn() -> Reached + Send + Sync + 'static,
        Reached: Future<Output = bool> + Send + 'static,
    {
        self.parts.push((part, Arc::new(move || Box::pin(check()))));
        self
    }

    /// `/healthz` and `/readyz`. Neither needs a key, and neither tells more than which part is out
    /// of reach.
    pub fn router(self) -> Router {
        Router::new()
            .route(
                "/healthz",
                get(|| async { Json(json!({ "status": "ok" })) }),
            )
            .route("/readyz", get(ready))
            .with_state(Arc::new(self))
    }
}

/// Where health is served if nobody says otherwise.
const USUAL: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);

/// Serves health and metrics on an address of their own until `shutdown`. Where none was asked for,
/// that is port 9090 of this machine, unless somebody else has it.
///
/// # Errors
/// When the address that was asked for cannot be listened on.
pub async fn serve(
    health: Health,
    metrics: Metrics,
    asked: Option<SocketAddr>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let router = health.router().merge(metrics.clone().router());
    tokio::select! {
        served = serve_router(router, asked, shutdown) => served,
        never = metrics.keep_up() => match never {},
    }
}

async fn serve_router(
    router: Router,
    asked: Option<SocketAddr>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let listener = match TcpListener::bind(asked.unwrap_or(USUAL)).await {
        Ok(listener) => listener,
        Err(error) if asked.is_none() => {
            tracing::warn!(%error, listen = %USUAL, "health is not served, ask for another address");
            shutdown.cancelled().await;
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    axum::serve(listener, router)
        .with_graceful_shutdown(shutdown.cancelled_owned())
        .await
}

async fn ready(State(health): State<Arc<Health>>) -> (StatusCode, Json<Value>) {
    let mut parts = Map::new();
    let mut is_ready = true;
    for (part, check) in &health.parts {
        let is_reached = check().await;
        is_ready &= is_reached;
        parts.insert(
            (*part).to_owned(),
            json!(if is_reached { "ok" } else { "unreachable" }),
        );
    }
    let (code, status) = match is_ready {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    (code, Json(json!({ "status": status, "parts": parts })))
}
