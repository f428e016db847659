//! A session: one lease of etcd, and the epoch in which it was given.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp, TxnOpResponse, TxnResponse};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::EtcdOptions;
use super::wire::{Failure, Wire};
use crate::EpochSource;

/// How often an epoch may be lost to another server, or vanish, before opening a session is given up.
const EPOCH_ATTEMPTS: usize = 5;

/// The part of the lease that is kept as a margin for clocks that run apart and for late wake-ups.
const MARGIN: u32 = 5;

/// Why no session could be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Call(#[from] Failure),
    #[error("the source of epochs gave none")]
    NoEpoch(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the key `{0}` in etcd holds no epoch: remove it if it is not Drover's")]
    Malformed(String),
    #[error("the epoch changed {EPOCH_ATTEMPTS} times while the session was opened")]
    Unsettled,
}

/// What locks are held by.
pub(super) struct Session {
    /// etcd's number of the lease.
    pub(super) lease: i64,
    /// The epoch that every fence of the session begins with.
    pub(super) epoch: u32,
    /// The key of the epoch.
    pub(super) epoch_key: String,
    /// The key of the session itself.
    pub(super) key: String,
    /// What all locks begin with.
    pub(super) lock_prefix: String,
    /// The name of the server.
    pub(super) server: String,
    /// Cancelled once the session is given up.
    pub(super) lost: CancellationToken,
    /// How long the session lives from a renewal on, by our own clock.
    lifetime: Duration,
    ends: Mutex<Instant>,
    revision: AtomicI64,
}

impl Session {
    /// Opens a session: a lease first, then the epoch, as the head of the folder explains.
    pub(super) async fn open(
        wire: &Wire,
        options: &EtcdOptions,
        epochs: &dyn EpochSource,
    ) -> Result<Arc<Self>, OpenError> {
        let asked = Instant::now();
        let seconds = i64::try_from(options.lease.as_secs()).unwrap_or(i64::MAX);
        let granted = wire
            .ask(|client| async move { client.lease_client().grant(seconds, None).await })
            .await?;
        let prefix = &options.prefix;
        let lifetime = options.lease - options.lease / MARGIN;
        let mut session = Self {
            lease: granted.id(),
            epoch: 0,
            epoch_key: format!("{prefix}epoch"),
            key: format!("{prefix}session/{:016x}", granted.id()),
            lock_prefix: format!("{prefix}lock/"),
            server: options.server.clone(),
            lost: CancellationToken::new(),
            lifetime,
            ends: Mutex::new(asked + lifetime),
            revision: AtomicI64::new(0),
        };
        match session.settle(wire, epochs).await {
            Ok(()) => Ok(Arc::new(session)),
            Err(error) => {
                // It would end by itself; this only spares etcd a lease for a while.
                drop(session.revoke(wire).await);
                Err(error)
            }
        }
    }

    /// Finds or makes the epoch, and writes the session's own key in the same transaction.
    async fn settle(&mut self, wire: &Wire, epochs: &dyn EpochSource) -> Result<(), OpenError> {
        for _ in 0..EPOCH_ATTEMPTS {
            let found = Compare::create_revision(self.epoch_key.as_str(), CompareOp::Greater, 0);
            let read = TxnOp::get(self.epoch_key.as_str(), None);
            let join = Txn::new()
                .when([found])
                .and_then([read, self.put_own_key()]);
            let joined = transact(wire, join).await?;
            if joined.succeeded() {
                self.epoch = self.epoch_in(&joined)?;
                self.note_revision(&joined);
                return Ok(());
            }
            let epoch = tokio::time::timeout(self.lifetime, epochs.next_epoch())
                .await
                .map_err(|elapsed| OpenError::NoEpoch(elapsed.into()))?
                .map_err(OpenError::NoEpoch)?;
            let missing = Compare::create_revision(self.epoch_key.as_str(), CompareOp::Equal, 0);
            let write = TxnOp::put(self.epoch_key.as_str(), epoch.to_string(), None);
            let found_it = Txn::new()
                .when([missing])
                .and_then([write, self.put_own_key()]);
            let founded = transact(wire, found_it).await?;
            if founded.succeeded() {
                tracing::info!(epoch, "etcd was found empty and was given an epoch");
                self.epoch = epoch;
                self.note_revision(&founded);
                return Ok(());
            }
        }
        Err(OpenError::Unsettled)
    }

    /// Writes the session's key anew: from then on, nothing that was sent before can take effect.
    pub(super) async fn supersede_what_was_sent(&self, wire: &Wire) -> Result<(), Failure> {
        let alive = Compare::create_revision(self.key.as_str(), CompareOp::Greater, 0);
        let renew = Txn::new().when([alive]).and_then([self.put_own_key()]);
        let renewed = transact(wire, renew).await?;
        if !renewed.succeeded() {
            return Err(Failure::NoLease);
        }
        self.note_revision(&renewed);
        Ok(())
    }

    /// Takes note of a renewal that was confirmed; `sent` is when it was asked for.
    pub(super) fn renewed(&self, sent: Instant) {
        *self.ends_mut() = sent + self.lifetime;
    }

    /// When the session is to be given up unless it is renewed before.
    pub(super) fn ends(&self) -> Instant {
        *self.ends_mut()
    }

    /// Whether locks of this session are still nobody else's.
    pub(super) fn is_alive(&self) -> bool {
        !self.lost.is_cancelled() && Instant::now() < self.ends()
    }

    /// The revision at which the session's key was last written.
    pub(super) fn revision(&self) -> i64 {
        self.revision.load(Ordering::Acquire)
    }

    /// Ends the lease, and with it all locks of the session.
    pub(super) async fn revoke(&self, wire: &Wire) -> Result<(), Failure> {
        let lease = self.lease;
        wire.ask(|client| async move { client.lease_client().revoke(lease).await })
            .await
            .map(drop)
    }

    fn put_own_key(&self) -> TxnOp {
        let on_lease = PutOptions::new().with_lease(self.lease);
        TxnOp::put(self.key.as_str(), self.server.as_str(), Some(on_lease))
    }

    fn note_revision(&self, written: &TxnResponse) {
        let revision = written.header().map_or(0, |header| header.revision());
        self.revision.store(revision, Ordering::Release);
    }

    fn epoch_in(&self, joined: &TxnResponse) -> Result<u32, OpenError> {
        let responses = joined.op_responses();
        let epoch = match responses.first() {
            Some(TxnOpResponse::Get(read)) => read
                .kvs()
                .first()
                .and_then(|pair| pair.value_str().ok())
                .and_then(|text| text.parse().ok()),
            _ => None,
        };
        epoch.ok_or_else(|| OpenError::Malformed(self.epoch_key.clone()))
    }

    fn ends_mut(&self) -> MutexGuard<'_, Instant> {
        // The value is replaced as a whole.
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries out a transaction.
pub(super) async fn transact(wire: &Wire, transaction: Txn) -> Result<TxnResponse, Failure> {
    wire.ask(|client| async move { client.kv_client().txn(transaction).await })
        .await
}
