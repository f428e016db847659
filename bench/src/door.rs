//! A client that is not put off: it asks again, of whichever server answers, until it has its container.
//!
//! What it asks for has a key (`Idempotency-Key`), so that what was accepted although the answer was lost is
//! not made twice. Asking again is what any client has to do; what it tells of is how often and how long.

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::{sleep, timeout};

use crate::connection::{Connection, Refusal};

/// An answer is not waited for longer: the server may be gone, and its connection not.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);
/// A client gives up after this time.
const GIVES_UP_AFTER: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);

/// One client, with a connection that it makes when it needs one.
pub(crate) struct Door {
    servers: Vec<String>,
    key: String,
    connection: Option<Connection>,
    turn: usize,
}

/// How one container was asked for.
pub(crate) struct Asked {
    /// Its id, or why there is none.
    pub(crate) accepted: Result<String, String>,
    /// How often it was asked for again.
    pub(crate) repeated: usize,
    /// How long that took.
    pub(crate) took: Duration,
}

impl Door {
    /// A client of these servers that shows this API key.
    pub(crate) fn new(servers: Vec<String>, key: String) -> Self {
        Self {
            servers,
            key,
            connection: None,
            turn: 0,
        }
    }

    /// Asks for a container under a key until it is accepted, or can never be.
    pub(crate) async fn ask(&mut self, key: &str, spec: &str) -> Asked {
        let (began, mut repeated) = (Instant::now(), 0);
        let accepted = loop {
            let why = match timeout(ANSWERED_WITHIN, self.try_once(key, spec)).await {
                Ok(Ok(Ok(id))) => break Ok(id),
                Ok(Ok(Err(refusal))) if !may_be_repeated(&refusal) => {
                    break Err(refusal.to_string());
                }
                Ok(Ok(Err(refusal))) => refusal.to_string(),
                Ok(Err(error)) => format!("{error:#}"),
                Err(_) => format!("no answer within {ANSWERED_WITHIN:?}"),
            };
            if began.elapsed() > GIVES_UP_AFTER {
                break Err(why);
            }
            // Another server may do better.
            self.connection = None;
            self.turn += 1;
            repeated += 1;
            sleep(PAUSE).await;
        };
        Asked {
            accepted,
            repeated,
            took: began.elapsed(),
        }
    }

    async fn try_once(&mut self, key: &str, spec: &str) -> Result<Result<String, Refusal>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let server = &self.servers[self.turn % self.servers.len()];
                none.insert(Connection::open(server, &self.key).await?)
            }
        };
        connection.post_under(key, "/v1/containers", spec).await
    }
}

/// Whether a refusal has its reason in the moment and not in what was asked (`docs/errors.md`).
fn may_be_repeated(refusal: &Refusal) -> bool {
    matches!(refusal.status, 409 | 429 | 500..)
}
