//! Facts about how the API is served: TLS, HTTP/2, what a client cannot make a server hold, and
//! watches.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking, and its helpers stand outside of test functions"
)]

mod bounds;
mod secrets;
mod tls;
mod watching;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use drover_api_server::{Options, Parts, Server, TlsError, bootstrap};
use drover_bus::MemoryBus;
use drover_store::clock::SystemClock;
use drover_store::{Store, StoreOptions};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Long enough for anything that these tests wait for.
const SOON: Duration = Duration::from_secs(20);

/// An API server on SQLite that ends with the test.
struct Api {
    address: SocketAddr,
    key: String,
    store: Store,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
    _folder: TempDir,
}

impl Api {
    async fn start(options: Options) -> Self {
        Self::with_pages(options, Router::new()).await
    }

    async fn with_pages(options: Options, pages: Router) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (parts, key) = parts(folder.path(), pages).await;
        let address = parts.listener.local_addr().unwrap();
        let store = parts.store.clone();
        let shutdown = CancellationToken::new();
        let server = Server::new(options, parts).run(shutdown.clone());
        Self {
            address,
            key,
            store,
            running: tokio::spawn(async move { server.await.unwrap() }),
            shutdown,
            _folder: folder,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Tells it to end, and waits until it has.
    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(SOON, self.running)
            .await
            .unwrap()
            .unwrap();
    }
}

/// What a server works with, in a folder; and the operator's key.
async fn parts(folder: &Path, pages: Router) -> (Parts, String) {
    let database = folder.join("drover.db");
    let url = format!("sqlite://{}", database.display());
    let store = Store::connect(&StoreOptions::new(url)).await.unwrap();
    store.migrate().await.unwrap();
    let key_file = folder.join("operator.key");
    bootstrap::prepare(&store, &SystemClock, &key_file)
        .await
        .unwrap();
    let key = std::fs::read_to_string(&key_file).unwrap();
    let parts = Parts {
        store,
        bus: Arc::new(MemoryBus::new()),
        clock: Arc::new(SystemClock),
        listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        pages,
    };
    (parts, key.trim().to_owned())
}

/// Runs a server that is to refuse to begin.
async fn run(options: Options) -> Result<(), TlsError> {
    let folder = tempfile::tempdir().unwrap();
    let (parts, _) = parts(folder.path(), Router::new()).await;
    let running = Server::new(options, parts).run(CancellationToken::new());
    tokio::time::timeout(SOON, running).await.unwrap()
}

/// A client that trusts these certificates in PEM and no others.
fn client(trusted: &[&str]) -> reqwest::Client {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let certificates = trusted
        .iter()
        .map(|pem| reqwest::Certificate::from_pem(pem.as_bytes()).unwrap());
    reqwest::Client::builder()
        .tls_certs_only(certificates)
        .timeout(SOON)
        .no_proxy()
        .build()
        .unwrap()
}
