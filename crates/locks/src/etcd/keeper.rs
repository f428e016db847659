//! Keeps a session: opens it, renews it, gives it up, opens the next.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::EtcdOptions;
use super::session::{OpenError, Session};
use super::wire::{Failure, Wire};
use crate::meter::Meter;
use crate::{EpochSource, LockError};

/// The pause after the first failure to open a session; it doubles from there on.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause between attempts to open a session.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How often a lease that was given up is revoked before it is left to end by itself.
const REVOCATIONS: u32 = 3;

/// Whether there is a session.
#[derive(Clone, Default)]
pub(super) struct Standing {
    session: Option<Arc<Session>>,
    /// What the source of epochs said, when it was at fault.
    no_epoch: Option<String>,
}

impl Standing {
    /// The session that is open.
    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        self.session.as_ref().filter(|session| session.is_alive())
    }

    pub(super) fn is_open(&self) -> bool {
        self.session().is_some()
    }

    /// Says why there is no session.
    pub(super) fn ensure_open(&self) -> Result<(), LockError> {
        match (self.session(), &self.no_epoch) {
            (Some(_), _) => Ok(()),
            (None, Some(reason)) => Err(LockError::NoEpoch {
                source: reason.as_str().into(),
            }),
            (None, None) => Err(LockError::Unreachable { source: None }),
        }
    }
}

/// Why a session ended.
enum End {
    NotRenewed,
    Gone,
    Stopped,
}

impl fmt::Display for End {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotRenewed => "it could not be renewed in time",
            Self::Gone => "etcd does not know it any more",
            Self::Stopped => "the server stops",
        })
    }
}

/// The keeper of the session.
pub(super) struct Keeper {
    options: EtcdOptions,
    wire: Arc<Wire>,
    epochs: Arc<dyn EpochSource>,
    tasks: TaskTracker,
    meter: Meter,
    standing: watch::Sender<Standing>,
}

impl Keeper {
    pub(super) fn new(
        options: EtcdOptions,
        wire: Arc<Wire>,
        epochs: Arc<dyn EpochSource>,
        tasks: TaskTracker,
        meter: Meter,
    ) -> (Self, watch::Receiver<Standing>) {
        let (standing, receiver) = watch::channel(Standing::default());
        let keeper = Self {
            options,
            wire,
            epochs,
            tasks,
            meter,
            standing,
        };
        (keeper, receiver)
    }

    /// Keeps sessions until it is told to stop.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut failures = 0;
        loop {
            let opening = Session::open(&self.wire, &self.options, &*self.epochs);
            let opened = tokio::select! {
                opened = opening => opened,
                () = stop.cancelled() => return,
            };
            match opened {
                Ok(session) => {
                    failures = 0;
                    if self.hold(session, &stop).await {
                        return;
                    }
                }
                Err(error) => {
                    self.report(error, failures);
                    failures += 1;
                }
            }
            tokio::select! {
                () = sleep(pause(failures)) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    /// Holds a session for as long as it lives; true when it was ended by the order to stop.
    async fn hold(&self, session: Arc<Session>, stop: &CancellationToken) -> bool {
        let lease = format!("{:x}", session.lease);
        tracing::info!(lease, epoch = session.epoch, "opened a lock session");
        self.standing.send_replace(Standing {
            session: Some(Arc::clone(&session)),
            no_epoch: None,
        });
        let end = self.renew(&session, stop).await;
        session.lost.cancel();
        self.standing.send_replace(Standing::default());
        if matches!(end, End::Stopped) {
            tracing::info!(lease, reason = %end, "gave the lock session up");
            if let Err(error) = session.revoke(&self.wire).await {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(lease, error, "the lease ends by itself");
            }
            return true;
        }
        self.meter.session_lost();
        tracing::warn!(lease, reason = %end, "lost the lock session, and every lock with it");
        let (wire, lifetime) = (Arc::clone(&self.wire), self.options.lease);
        self.tasks
            .spawn(revoke(session, wire, lifetime, stop.clone()));
        false
    }

    /// Renews the session until it ends.
    async fn renew(&self, session: &Session, stop: &CancellationToken) -> End {
        let interval = self.options.lease / 3;
        let mut next = Instant::now() + jittered(interval);
        loop {
            let sent = tokio::select! {
                // A session that is over is given up before anything else is looked at.
                biased;
                () = sleep_until(session.ends()) => return End::NotRenewed,
                () = session.lost.cancelled() => return End::Gone,
                () = stop.cancelled() => return End::Stopped,
                () = sleep_until(next) => Instant::now(),
            };
            let lease = session.lease;
            let renewing = self
                .wire
                .ask(|client| async move { client.lease_client().keep_alive(lease).await });
            let renewed = tokio::select! {
                biased;
                () = sleep_until(session.ends()) => return End::NotRenewed,
                () = session.lost.cancelled() => return End::Gone,
                () = stop.cancelled() => return End::Stopped,
                renewed = renewing => renewed,
            };
            next = match renewed {
                Ok(_) => {
                    session.renewed(sent);
                    sent + jittered(interval)
                }
                Err(Failure::NoLease) => return End::Gone,
                Err(Failure::Unsure(_)) => Instant::now() + jittered(interval / 10),
            };
        }
    }

    /// Logs the first of the failures in a row as a warning, the others for those who look closely.
    fn report(&self, error: OpenError, failures: u32) {
        let cause: &dyn std::error::Error = &error;
        if failures == 0 {
            tracing::warn!(error = cause, "no lock session could be opened");
        } else {
            tracing::debug!(error = cause, failures, "no lock session could be opened");
        }
        let no_epoch = match error {
            OpenError::NoEpoch(source) => Some(source.to_string()),
            _ => None,
        };
        self.standing.send_replace(Standing {
            session: None,
            no_epoch,
        });
    }
}

/// Frees the locks of a session that is over sooner than etcd would by itself.
async fn revoke(
    session: Arc<Session>,
    wire: Arc<Wire>,
    lifetime: Duration,
    stop: CancellationToken,
) {
    for _ in 0..REVOCATIONS {
        if !matches!(session.revoke(&wire).await, Err(Failure::Unsure(_))) {
            return;
        }
        tokio::select! {
            () = sleep(jittered(lifetime / REVOCATIONS)) => {}
            () = stop.cancelled() => return,
        }
    }
}

fn pause(failures: u32) -> Duration {
    jittered((FIRST_PAUSE * 2_u32.pow(failures.min(10))).min(LONGEST_PAUSE))
}

/// Between half of the duration and all of it.
pub(super) fn jittered(longest: Duration) -> Duration {
    longest.mul_f64(rand::rng().random_range(0.5..=1.0))
}
