//! Finds an agent server and stays with it, for ever.
//!
//! The servers are tried in turn, from a random one on so that a fleet spreads over them. After a
//! connection that lasted, the next try comes soon and at the same server; after one that did
//! not, at the next one and after a growing, jittered wait. A server that does not accept the
//! credential is shown the former one, if the new one was never accepted, and is answered by registering
//! again otherwise, if there is a token for it: the same key gives the same agent.

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::credentials::Credentials;
use crate::dial::Dial;
use crate::options::ServerAddress;
use crate::registrar::Chain;
use crate::session::{Session, SessionError};

const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// A connection that lived this long was a good one.
const LASTED: Duration = Duration::from_secs(5);
/// No message is longer, in bytes; nor is any taken that is.
const MESSAGE_LIMIT: usize = 4 << 20;

/// Why the loop over the servers came to an end.
pub(crate) enum End {
    /// The program is to end.
    Shutdown,
    /// The servers do not accept the credential.
    Unknown,
}

#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("the server does not accept this agent's credential")]
    Unknown,
    #[error("the server did not answer within {CONNECT_WITHIN:?}")]
    TimedOut,
    #[error("the handshake failed")]
    Broken(#[from] tungstenite::Error),
    #[error("the connection ended")]
    Ended(#[from] SessionError),
}

/// What it takes to connect.
pub(crate) struct Connection<'a> {
    pub(crate) servers: &'a [ServerAddress],
    pub(crate) tls: &'a Arc<ClientConfig>,
    pub(crate) session: &'a Session,
    pub(crate) credentials: &'a Arc<Credentials>,
    /// Which server to try next; kept from one call to the next.
    pub(crate) turn: usize,
    pub(crate) backoff: Backoff,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(
        servers: &'a [ServerAddress],
        tls: &'a Arc<ClientConfig>,
        session: &'a Session,
        credentials: &'a Arc<Credentials>,
    ) -> Self {
        Self {
            servers,
            tls,
            session,
            credentials,
            turn: rand::random_range(0..servers.len().max(1)),
            backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(5)),
        }
    }

    /// Connects, again and again, with the credential that the agent has at the time.
    pub(crate) async fn run(&mut self, shutdown: &CancellationToken) -> End {
        while !shutdown.is_cancelled() {
            let server = &self.servers[self.turn % self.servers.len()];
            let began = Instant::now();
            let credential = self.credentials.shown();
            match self.once(server, &credential, shutdown).await {
                Ok(()) => return End::Shutdown,
                Err(ConnectError::Unknown) => match self.credentials.refused(&credential) {
                    Ok(true) => {
                        info!(%server, "the credential is not accepted, the former is shown")
                    }
                    Ok(false) => return End::Unknown,
                    Err(error) => {
                        warn!(error = %Chain(&error), "the former credential cannot be kept")
                    }
                },
                Err(ConnectError::Ended(error)) => {
                    info!(%server, reason = %Chain(&error), "disconnected");
                }
                Err(error) => warn!(%server, error = %Chain(&error), "cannot connect"),
            }
            if began.elapsed() >= LASTED {
                self.backoff.reset();
            } else {
                self.turn += 1;
            }
            if !self.backoff.pause(shutdown).await {
                break;
            }
        }
        End::Shutdown
    }

    /// One connection; `Ok` only when the program is to end.
    async fn once(
        &self,
        server: &ServerAddress,
        credential: &str,
        shutdown: &CancellationToken,
    ) -> Result<(), ConnectError> {
        let dial = Dial::new(server, self.credentials, self.tls);
        let config = WebSocketConfig::default()
            .read_buffer_size(4 << 10)
            .write_buffer_size(4 << 10)
            .max_message_size(Some(MESSAGE_LIMIT))
            .max_frame_size(Some(MESSAGE_LIMIT));
        let url = server.events_url();
        let connecting = dial.connect(&url, config);
        let connected = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            connected = tokio::time::timeout(CONNECT_WITHIN, connecting) => {
                connected.map_err(|_| ConnectError::TimedOut)?
            }
        };
        let socket = match connected {
            Ok(socket) => socket,
            Err(tungstenite::Error::Http(answer))
                if answer.status() == StatusCode::UNAUTHORIZED =>
            {
                return Err(ConnectError::Unknown);
            }
            Err(error) => return Err(error.into()),
        };
        if let Err(error) = self.credentials.accepted(credential) {
            warn!(error = %Chain(&error), "the former credential cannot be forgotten");
        }
        Ok(self.session.serve(socket, &dial, shutdown).await?)
    }
}
