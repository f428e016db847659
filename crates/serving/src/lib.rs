//! Serving: from a listener to requests, with a bound on everything that a client can make a server
//! hold.
//!
//! ```text
//!   listener --> a place among the connections --> TLS, if there is a certificate
//!                                                         |
//!   router <------------------------------ HTTP/1.1 or HTTP/2, whichever the client speaks
//! ```
//!
//! | what a client can take its time with | bound |
//! | --- | --- |
//! | being there at all | so many connections; the next ones wait in the listener's backlog |
//! | the handshake of TLS | [`Limits::handshake_within`] |
//! | the headers of a request, from their first byte | [`Limits::headers_within`] |
//! | the body of a request | by whoever reads it |
//! | not asking anything | [`Limits::idle`], if no answer is under way |
//! | not reading an answer | [`Limits::stalled`] without a byte taken |
//! | being dead without a word | the probes of TCP, and the pings of HTTP/2 |
//!
//! A connection keeps its place until its socket is closed, also when it has become a WebSocket. On
//! shutdown connections are told to end after the answers that are under way; after
//! [`Limits::grace`] those that are left are cut.
//!
//! Each connection is one task; a request costs it two atomic counters beyond what HTTP costs.

mod activity;
mod connection;
mod socket;
mod tls;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use connection::Protocol;
use tls::Certificates;

pub use tls::TlsError;

/// How long to wait before accepting again after the system had nothing to give, such as no more
/// file descriptors.
const AFTER_FAILURE: Duration = Duration::from_millis(500);
/// When TCP begins to ask whether a silent peer is there, how often, and how many times.
const PROBE_AFTER: Duration = Duration::from_secs(45);
const PROBE_EVERY: Duration = Duration::from_secs(15);
const PROBES: u32 = 3;

/// What clients may make a server hold.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most connections at the same time.
    pub connections: usize,
    /// How long the handshake of TLS may take.
    pub handshake_within: Duration,
    /// How long the headers of a request may take to arrive, once they have begun to.
    pub headers_within: Duration,
    /// How long a connection may stay without a request.
    pub idle: Duration,
    /// How long a client may take no byte of an answer.
    pub stalled: Duration,
    /// How long answers that are under way have when the server is told to end.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            handshake_within: Duration::from_secs(10),
            headers_within: Duration::from_secs(30),
            idle: Duration::from_secs(180),
            stalled: Duration::from_secs(60),
            grace: Duration::from_secs(10),
        }
    }
}

/// A certificate and its key, each a file in PEM. They are read again when they change.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificate, with those that lead to a root after it.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Whoever is at the other end of the connection of a request. It stands in the request's
/// extensions. Behind a proxy it is the proxy: what a header says about others can be made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

/// Connections, and what they are served with.
pub struct Serving {
    listener: TcpListener,
    certificates: Option<Arc<Certificates>>,
    protocol: Arc<Protocol>,
    limits: Limits,
    places: Arc<Semaphore>,
    connections: TaskTracker,
}

impl Serving {
    /// Reads the certificate, if there is one.
    ///
    /// # Errors
    /// When the certificate cannot be used.
    pub fn prepare(
        listener: TcpListener,
        tls: Option<Tls>,
        limits: Limits,
        router: Router,
        shutdown: CancellationToken,
    ) -> Result<Self, TlsError> {
        Ok(Self {
            listener,
            certificates: tls.map(Certificates::read).transpose()?.map(Arc::new),
            protocol: Arc::new(Protocol::new(router, limits.clone(), shutdown)),
            places: Arc::new(Semaphore::new(limits.connections)),
            connections: TaskTracker::new(),
            limits,
        })
    }

    /// Serves until `shutdown`, then gives the answers that are under way their time.
    pub async fn run(self, shutdown: CancellationToken) {
        let renewing = self.certificates.clone().map(|certificates| {
            let shutdown = shutdown.clone();
            tokio::spawn(async move { certificates.renew(shutdown).await })
        });
        tokio::select! {
            () = self.accept_all() => {}
            () = shutdown.cancelled() => {}
        }
        drop(self.listener);
        self.connections.close();
        // All places are free once all sockets are closed, those of WebSockets among them.
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let ended = timeout(self.limits.grace, self.places.acquire_many(all)).await;
        if ended.is_err() {
            tracing::warn!(
                connections = self.connections.len(),
                "connections are cut: their answers took too long"
            );
        }
        self.protocol.cut();
        self.connections.wait().await;
        if let Some(renewing) = renewing {
            renewing.abort();
        }
    }

    async fn accept_all(&self) {
        while let Some(place) = self.place().await {
            let (stream, peer) = self.accept().await;
            let peer = PeerAddress(peer);
            let protocol = Arc::clone(&self.protocol);
            match &self.certificates {
                None => self
                    .connections
                    .spawn(async move { protocol.serve(stream, peer, place).await }),
                Some(certificates) => {
                    let acceptor = certificates.acceptor();
                    let within = self.limits.handshake_within;
                    self.connections.spawn(async move {
                        match timeout(within, tls::handshake(acceptor, stream)).await {
                            Ok(Ok(stream)) => protocol.serve(stream, peer, place).await,
                            Ok(Err(error)) => tracing::debug!(peer = %peer.0, %error, "no TLS"),
                            Err(_) => tracing::debug!(peer = %peer.0, "TLS took too long"),
                        }
                    })
                }
            };
        }
    }

    /// A place for one more connection, as soon as there is one.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        tracing::warn!(
            connections = self.limits.connections,
            "there are as many connections as the server takes; new ones wait"
        );
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    async fn accept(&self) -> (TcpStream, IpAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    prepare(&stream);
                    return (stream, peer.ip().to_canonical());
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be accepted");
                    let pause = AFTER_FAILURE.mul_f64(0.5 + rand::random::<f64>());
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

/// Small answers leave at once, and a peer that has gone without a word is noticed.
fn prepare(stream: &TcpStream) {
    let probes = TcpKeepalive::new()
        .with_time(PROBE_AFTER)
        .with_interval(PROBE_EVERY)
        .with_retries(PROBES);
    let prepared = stream
        .set_nodelay(true)
        .and_then(|()| SockRef::from(stream).set_tcp_keepalive(&probes));
    if let Err(error) = prepared {
        tracing::debug!(%error, "a connection could not be prepared");
    }
}

/// Whether the connection that was to be accepted is the matter, and not the listener.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}
