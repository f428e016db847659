//! Calls to etcd: each with a timeout, to one endpoint until that fails.
//!
//! A client is made anew after each failure, for the next endpoint in turn (which is the same one
//! where there is only one): a connection that stands still without having been closed would
//! otherwise serve every later call just as badly. Whether etcd is within reach is what the last
//! call found; it is logged when it changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions};

use super::EtcdOptions;
use crate::LockError;

/// The code by which gRPC says that something is not there: a lease, as for locks.
const NOT_FOUND: i32 = 5;

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The lease is gone. The call changed nothing.
    #[error("etcd does not know the lease any more")]
    NoLease,
    /// No answer, or none that settles the matter: the call may have been carried out, and may still be.
    #[error("etcd gave no answer")]
    Unsure(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The way to etcd.
pub(super) struct Wire {
    endpoints: Vec<String>,
    timeout: Duration,
    current: Mutex<Current>,
    reachable: AtomicBool,
}

struct Current {
    client: Client,
    /// Counts the clients that were made.
    generation: usize,
}

impl Wire {
    /// A wire that nothing was sent on yet. It does not wait for etcd.
    pub(super) async fn connect(options: &EtcdOptions) -> Result<Self, LockError> {
        for endpoint in &options.endpoints {
            connect(endpoint, options.timeout)
                .await
                .map_err(|error| LockError::Configuration(format!("`{endpoint}`: {error}")))?;
        }
        let client = connect(&options.endpoints[0], options.timeout)
            .await
            .map_err(|error| LockError::Configuration(error.to_string()))?;
        Ok(Self {
            endpoints: options.endpoints.clone(),
            timeout: options.timeout,
            current: Mutex::new(Current {
                client,
                generation: 0,
            }),
            reachable: AtomicBool::new(true),
        })
    }

    /// How long one call may take.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether the last call was answered.
    pub(super) fn is_reachable(&self) -> bool {
        self.reachable.load(Ordering::Relaxed)
    }

    /// Makes one call.
    pub(super) async fn ask<T, Asking>(
        &self,
        call: impl FnOnce(Client) -> Asking,
    ) -> Result<T, Failure>
    where
        Asking: Future<Output = Result<T, etcd_client::Error>>,
    {
        let (client, generation) = {
            let current = self.current();
            (current.client.clone(), current.generation)
        };
        let source: Box<dyn std::error::Error + Send + Sync> =
            match tokio::time::timeout(self.timeout, call(client)).await {
                Ok(Ok(answer)) => {
                    self.reached();
                    return Ok(answer);
                }
                Ok(Err(error)) if says_no_lease(&error) => {
                    self.reached();
                    return Err(Failure::NoLease);
                }
                Ok(Err(error)) => Box::new(error),
                Err(elapsed) => Box::new(elapsed),
            };
        if self.reachable.swap(false, Ordering::Relaxed) {
            let endpoint = &self.endpoints[generation % self.endpoints.len()];
            tracing::warn!(error = %source, endpoint, "etcd is out of reach; no locks until it is back");
        }
        self.turn_to_next(generation).await;
        Err(Failure::Unsure(source))
    }

    fn reached(&self) {
        if !self.reachable.swap(true, Ordering::Relaxed) {
            tracing::info!("etcd is within reach again");
        }
    }

    async fn turn_to_next(&self, failed: usize) {
        if self.current().generation != failed {
            return;
        }
        let next = failed + 1;
        let endpoint = &self.endpoints[next % self.endpoints.len()];
        // All endpoints were tried for their form at the start.
        if let Ok(client) = connect(endpoint, self.timeout).await {
            let mut current = self.current();
            if current.generation == failed {
                *current = Current {
                    client,
                    generation: next,
                };
            }
        }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        // The value is replaced as a whole or not at all.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn connect(endpoint: &str, timeout: Duration) -> Result<Client, etcd_client::Error> {
    let options = ConnectOptions::new()
        .with_connect_timeout(timeout)
        // A member that is cut off from its leader is to say so instead of letting calls wait.
        .with_require_leader(true);
    Client::connect([endpoint], Some(options)).await
}

fn says_no_lease(error: &etcd_client::Error) -> bool {
    match error {
        // What the client makes of a renewal that is answered with no time left.
        etcd_client::Error::LeaseKeepAliveError(_) => true,
        etcd_client::Error::GRpcStatus(status) => {
            i32::from(status.code()) == NOT_FOUND && status.message().contains("lease")
        }
        _ => false,
    }
}
