//! One transaction that takes and gives back many locks, each with an outcome of its own.

use std::sync::Arc;

use drover_domain::{Fence, ResourceRef};
use etcd_client::{Compare, CompareOp, PutOptions, Txn, TxnOp, TxnOpResponse, TxnResponse};

use super::queue::{Load, Release, Turn};
use super::session::{Session, transact};
use super::wire::{Failure, Wire};
use crate::lock_name;

/// A flight that has landed.
pub(super) struct Landing {
    pub(super) session: Arc<Session>,
    pub(super) load: Load,
    /// What was written as the value of each lock that was taken.
    pub(super) value: String,
    pub(super) outcome: Outcome,
}

/// What became of a flight.
pub(super) enum Outcome {
    /// It was carried out. For each take, in order: whether the lock was free.
    Settled { revision: u64, taken: Vec<bool> },
    /// It came too late and did nothing, as the session's key was written anew meanwhile.
    Superseded,
    /// It did nothing, as the session is gone from etcd.
    Gone,
    /// It may have been carried out, may still be, or never.
    Unsure,
}

/// Sends a load to etcd. `number` is not to be used twice within a session.
pub(super) async fn fly(
    wire: Arc<Wire>,
    session: Arc<Session>,
    load: Load,
    number: u64,
) -> Landing {
    let value = format!("{}/{:x}/{number}", session.server, session.lease);
    let transaction = transaction(&session, &load, &value);
    let outcome = match transact(&wire, transaction).await {
        Ok(response) => outcome(&session, &load, &response),
        Err(Failure::NoLease) => Outcome::Gone,
        Err(Failure::Unsure(_)) => Outcome::Unsure,
    };
    Landing {
        session,
        load,
        value,
        outcome,
    }
}

fn transaction(session: &Session, load: &Load, value: &str) -> Txn {
    let (epoch_key, own_key) = (session.epoch_key.as_str(), session.key.as_str());
    let releases = load
        .releases
        .iter()
        .map(|release| give_back(session, release));
    let takes = load.takes.iter().map(|take| {
        let key = key(session, take.resource);
        let free = Compare::create_revision(key.as_str(), CompareOp::Equal, 0);
        let on_lease = PutOptions::new().with_lease(session.lease);
        let put = TxnOp::put(key, value, Some(on_lease));
        TxnOp::txn(Txn::new().when([free]).and_then([put]))
    });
    Txn::new()
        .when([
            Compare::value(epoch_key, CompareOp::Equal, session.epoch.to_string()),
            Compare::mod_revision(own_key, CompareOp::Equal, session.revision()),
        ])
        .and_then(releases.chain(takes).collect::<Vec<_>>())
        .or_else([TxnOp::get(epoch_key, None), TxnOp::get(own_key, None)])
}

fn give_back(session: &Session, release: &Release) -> TxnOp {
    let key = key(session, release.resource);
    let is_that_turn = match &release.which {
        Turn::Of(fence) => {
            let revision = revision_of(*fence, session.epoch);
            Compare::mod_revision(key.as_str(), CompareOp::Equal, revision)
        }
        Turn::Doubtful(value) => Compare::value(key.as_str(), CompareOp::Equal, value.as_str()),
    };
    let delete = TxnOp::delete(key, None);
    TxnOp::txn(Txn::new().when([is_that_turn]).and_then([delete]))
}

fn key(session: &Session, resource: ResourceRef) -> String {
    format!("{}{}", session.lock_prefix, lock_name(resource))
}

/// The revision that a fence was composed from, if it was in this epoch; else one that no key has.
fn revision_of(fence: Fence, epoch: u32) -> i64 {
    let revision = fence.raw() - Fence::compose(epoch, 0).raw();
    match u64::try_from(revision) {
        Ok(positive) if positive > 0 && Fence::compose(epoch, positive) == fence => revision,
        _ => i64::MAX,
    }
}

fn outcome(session: &Session, load: &Load, response: &TxnResponse) -> Outcome {
    let responses = response.op_responses();
    if !response.succeeded() {
        return if still_there(session, &responses) {
            Outcome::Superseded
        } else {
            Outcome::Gone
        };
    }
    let revision = response
        .header()
        .and_then(|header| u64::try_from(header.revision()).ok());
    let taken: Vec<bool> = responses
        .iter()
        .skip(load.releases.len())
        .map(|response| matches!(response, TxnOpResponse::Txn(inner) if inner.succeeded()))
        .collect();
    match revision {
        Some(revision) if taken.len() == load.takes.len() => Outcome::Settled { revision, taken },
        // No etcd answers so; what it did is then anybody's guess.
        _ => Outcome::Unsure,
    }
}

/// Whether the epoch and the session's key, as read by a flight that did nothing, are the session's.
fn still_there(session: &Session, responses: &[TxnOpResponse]) -> bool {
    match responses {
        [TxnOpResponse::Get(epoch), TxnOpResponse::Get(own)] => {
            let same_epoch = epoch
                .kvs()
                .first()
                .is_some_and(|pair| pair.value() == session.epoch.to_string().as_bytes());
            same_epoch && !own.kvs().is_empty()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_of_a_fence_is_found_again_in_its_own_epoch_only() {
        let fence = Fence::compose(7, 1234);
        assert_eq!(revision_of(fence, 7), 1234);
        for other in [0, 6, 8] {
            assert_eq!(revision_of(fence, other), i64::MAX);
        }
    }
}
