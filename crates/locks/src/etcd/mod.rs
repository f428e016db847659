//! The lock manager over etcd.
//!
//! ```text
//!   acquire --asks--> flusher --flights: one transaction each--> etcd
//!   Guard dropped --> flusher            |  outcome of each key
//!                        ^ session       v
//!                      keeper            Guard: fence = epoch and revision
//!                        | lease, epoch, renewals
//!                        v
//!                       etcd
//! ```
//!
//! | key below the prefix | value | written by |
//! | --- | --- | --- |
//! | `epoch` | number of the incarnation of etcd, from the database | who finds none, once |
//! | `session/<lease>` | name of the server | the keeper, on its lease |
//! | `lock/resource/<type>/<id>` | server, lease and attempt | the flusher, on the lease |
//!
//! **Session.** The keeper holds one lease for the whole server and renews it each third of its time.
//! What counts is when the last confirmed renewal was *sent*: etcd cannot have counted from earlier.
//! A fifth of the lease before it could end, the session is given up by our own clock.
//!
//! **Epoch.** It is read when a session is opened, and written by a transaction that also puts the
//! session's own key on its lease: if etcd was wiped between our asking for an epoch and our writing
//! it, the lease is gone and the write fails. Thus a later incarnation never has a lower epoch.
//!
//! **Flights.** Each transaction compares the epoch and the revision of the session's key, and holds a
//! nested transaction for each lock, so each has an outcome of its own in one commit. A few flights are
//! under way at a time; what comes meanwhile gathers for the next. No two touch the same lock.
//!
//! **Doubt.** A flight without an answer may have been carried out, or may still be, later than anything
//! we send now. So the flusher stops, writes the session's key anew, which makes every older flight
//! fail its compare for ever, and then takes back the locks that the doubtful flight may have taken.

mod flight;
mod flusher;
mod keeper;
mod queue;
mod session;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use drover_domain::ResourceRef;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::flusher::Flusher;
use self::keeper::{Keeper, Standing};
use self::queue::Take;
use self::wire::Wire;
use crate::meter::Meter;
use crate::{Acquisition, EpochSource, LockError, LockManager};

/// Calls of `acquire` that may wait for the flusher to take note of them.
const ASKS: usize = 1024;

/// How to reach etcd, and how to hold locks there.
#[derive(Clone, Debug)]
pub struct EtcdOptions {
    /// Addresses as `http://host:2379`; one at least. One is used at a time, the next when it fails.
    pub endpoints: Vec<String>,
    /// How long locks outlive a server that went away; at least two seconds, whole seconds.
    pub lease: Duration,
    /// What this server is called in etcd, for those who look there; its id serves well.
    pub server: String,
    /// What all keys begin with.
    pub prefix: String,
    /// How long one call to etcd may take.
    pub timeout: Duration,
}

impl Default for EtcdOptions {
    fn default() -> Self {
        Self {
            endpoints: vec!["http://127.0.0.1:2379".to_owned()],
            lease: Duration::from_secs(10),
            server: String::new(),
            prefix: "/drover/v1/".to_owned(),
            timeout: Duration::from_secs(2),
        }
    }
}

impl EtcdOptions {
    fn check(&self) -> Result<(), LockError> {
        if self.endpoints.is_empty() {
            return Err(LockError::Configuration("no address of etcd".to_owned()));
        }
        if self.lease < Duration::from_secs(2) {
            return Err(LockError::Configuration(format!(
                "a lease of {:?} is shorter than two seconds",
                self.lease
            )));
        }
        if self.timeout.is_zero() || self.timeout > self.lease / 2 {
            return Err(LockError::Configuration(format!(
                "a timeout of {:?} leaves no time for a second renewal within the lease",
                self.timeout
            )));
        }
        Ok(())
    }
}

/// The lock manager over etcd. Dropping it gives its session up in the background; guards that are
/// still there are lost.
pub struct EtcdLocks {
    wire: Arc<Wire>,
    standing: watch::Receiver<Standing>,
    asks: mpsc::Sender<Vec<Take>>,
    tasks: TaskTracker,
    stop: CancellationToken,
    meter: Meter,
    _stop_on_drop: DropGuard,
}

impl EtcdLocks {
    /// Starts to hold a session. When etcd does not answer within the timeout, the manager is handed
    /// out nevertheless, and goes on trying in the background for as long as it exists.
    ///
    /// # Errors
    /// [`LockError::Configuration`].
    pub async fn connect(
        options: EtcdOptions,
        epochs: Arc<dyn EpochSource>,
    ) -> Result<Self, LockError> {
        options.check()?;
        let wire = Arc::new(Wire::connect(&options).await?);
        let (asks, asked) = mpsc::channel(ASKS);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let patience = options.timeout;
        let meter = Meter::new();
        let (keeper, mut standing) = Keeper::new(
            options,
            Arc::clone(&wire),
            epochs,
            tasks.clone(),
            meter.clone(),
        );
        let flusher = Flusher::new(Arc::clone(&wire), standing.clone(), asked);
        tasks.spawn(keeper.run(stop.clone()));
        tasks.spawn(flusher.run(stop.clone()));
        // A manager that is not ready yet says so when it is asked for locks.
        drop(tokio::time::timeout(patience, standing.wait_for(Standing::is_open)).await);
        Ok(Self {
            wire,
            standing,
            asks,
            tasks,
            meter,
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        })
    }

    /// Gives the session up and all locks back, and returns when that is done, or could not be done
    /// within the timeout. Every guard is lost; no lock is handed out any more.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    async fn take(&self, resources: &[ResourceRef]) -> Result<Vec<Acquisition>, LockError> {
        self.standing.borrow().ensure_open()?;
        if !self.wire.is_reachable() {
            return Err(LockError::Unreachable { source: None });
        }
        let (takes, answers): (Vec<_>, Vec<_>) = resources
            .iter()
            .map(|resource| {
                let (reply, answer) = oneshot::channel();
                (Take::new(*resource, reply), answer)
            })
            .unzip();
        let asking = async {
            if self.asks.send(takes).await.is_err() {
                return Err(LockError::Unreachable { source: None });
            }
            let mut acquired = Vec::with_capacity(answers.len());
            for answer in answers {
                match answer.await {
                    Ok(answer) => acquired.push(answer?),
                    Err(gone) => return Err(unreachable(gone)),
                }
            }
            Ok(acquired)
        };
        // One flight may be under way before ours.
        match tokio::time::timeout(self.wire.timeout() * 2, asking).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(unreachable(elapsed)),
        }
    }
}

#[async_trait]
impl LockManager for EtcdLocks {
    async fn acquire(&self, resources: &[ResourceRef]) -> Result<Vec<Acquisition>, LockError> {
        let taking = self.take(resources);
        self.meter.measure(resources.len(), taking).await
    }

    fn is_connected(&self) -> bool {
        self.wire.is_reachable() && self.standing.borrow().is_open()
    }
}

fn unreachable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> LockError {
    LockError::Unreachable {
        source: Some(source.into()),
    }
}
