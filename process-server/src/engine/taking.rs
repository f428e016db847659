//! Taking processes: the locks of their resources in one call, then their claims in one call.

use std::sync::Arc;
use std::time::Duration;

use drover_domain::ServerId;
use drover_locks::{Acquisition, Guard, LockError, LockManager};
use drover_store::clock::Clock;
use drover_store::{Claim, Claimed, Store, StoreError};

use super::offers::Offer;
use crate::vitals;

/// Locks and claims for one server.
pub(crate) struct Taker {
    pub(crate) store: Store,
    pub(crate) locks: Arc<dyn LockManager>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) server: ServerId,
    /// How long other servers leave a claim alone.
    pub(crate) lease: Duration,
}

/// What became of one process.
pub(crate) enum Taken {
    /// It is ours, as long as the guard is.
    Ours(Box<Claimed>, Guard),
    /// Somebody else has the lock.
    Held,
    /// It is finished, not due, or was claimed under a higher fence.
    NotToBeHad,
}

/// Why none could be taken. Locks that were had are given back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    #[error("no locks")]
    Locks(#[from] LockError),
    #[error("no claims")]
    Store(#[from] StoreError),
}

impl Taker {
    /// Takes processes of different resources. The answers are in the order of the questions.
    pub(crate) async fn take(&self, offered: &[Offer]) -> Result<Vec<Taken>, TakeError> {
        let resources: Vec<_> = offered.iter().map(|offer| offer.ready.resource).collect();
        let acquired = self.locks.acquire(&resources).await?;
        let claims: Vec<Claim> = offered
            .iter()
            .zip(&acquired)
            .filter_map(|(offer, acquisition)| match acquisition {
                Acquisition::Acquired(guard) => Some(Claim {
                    process: offer.ready.process,
                    resource: offer.ready.resource,
                    fence: guard.fence(),
                    is_called: offer.is_called,
                }),
                Acquisition::Held => None,
            })
            .collect();
        let mut claimed = if claims.is_empty() {
            Vec::new()
        } else {
            let now = self.clock.now();
            let claimed = self
                .store
                .take(&claims, self.server, now, self.lease)
                .await?;
            vitals::claimed(&claimed, now);
            claimed
        }
        .into_iter();
        let taken = acquired.into_iter().map(|acquisition| match acquisition {
            Acquisition::Acquired(guard) => match claimed.next().flatten() {
                Some(claimed) => Taken::Ours(Box::new(claimed), guard),
                None => Taken::NotToBeHad,
            },
            Acquisition::Held => Taken::Held,
        });
        Ok(taken.collect())
    }
}
