//! Committing intents: the resource, its process, its change record and what is attached, in one
//! transaction.
//!
//! ```text
//!   keep answers                one statement, if there are any: who was first under each key
//!   lock resources              one statement, if any exist already or have a quota
//!   check each intent           in memory: version, quota
//!   write what passed           one statement
//! ```
//!
//! Whether a project has a quota, or is there at all, is asked in the last statement, so that projects
//! without one cost no journey. If one turns out to have a quota that was not known of, or to be gone,
//! everything is taken back and done again with the project locked (`quotas`).

use std::collections::{BTreeSet, HashMap};

use drover_domain::quota::QuotaRefusal;
use drover_domain::resource::Version;
use drover_domain::write::Intent;
use drover_domain::{Process, ProcessId, ResourceId};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::attached::{self, Submitted};
use crate::changes::{Labels, Passing};
use crate::dialect::Together;
use crate::entities::{process, resource};
use crate::quotas::{KnownQuotas, Quotas};
use crate::{StoreError, changes, dialect, quotas};

/// What became of an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It was committed. A process that was at work on the resource was ended in its favour.
    Committed {
        /// That process.
        superseded: Option<ProcessId>,
    },
    /// The resource was written since it was read, or is gone: read it again and decide anew.
    VersionMoved,
    /// An answer was kept under its key already. It changed nothing.
    Repeated,
    /// The project may not have the container. It changed nothing.
    OverQuota(QuotaRefusal),
    /// The project that the container shall belong to is gone. It changed nothing.
    NoProject,
}

/// Commits intents for different resources in one transaction, each with its own outcome.
pub(crate) async fn accept(
    database: &DatabaseConnection,
    submitted: &[Submitted],
    known: &KnownQuotas,
) -> Result<Vec<Accepted>, StoreError> {
    // Each round but the last learns of projects that stand against something, and the last one locks
    // whatever may.
    let mut locked = known.of(quotas::projects(submitted));
    loop {
        let transaction = dialect::begin(database).await?;
        let (outcomes, unknown) = accept_within(&transaction, submitted, &locked).await?;
        if unknown.is_empty() {
            transaction.commit().await?;
            return Ok(outcomes);
        }
        transaction.rollback().await?;
        known.learn(&unknown);
        locked.extend(unknown);
    }
}

/// The same inside a transaction that has more to do. The projects that are given are locked; also
/// tells which others have a quota or are gone, for which the transaction is to be taken back.
pub(crate) async fn accept_within(
    transaction: &DatabaseTransaction,
    submitted: &[Submitted],
    with_quota: &BTreeSet<Uuid>,
) -> Result<(Vec<Accepted>, Vec<Uuid>), StoreError> {
    let answers: Vec<_> = submitted
        .iter()
        .filter_map(|one| one.attached.answer.as_ref())
        .collect();
    let mut first = attached::first(transaction, &answers).await?;
    let mut existing = existing(submitted);
    existing.extend(with_quota);
    let locked = changes::lock_with_labels(transaction, existing).await?;
    let mut quotas = Quotas::read(transaction, with_quota).await?;

    let mut accepted = Vec::new();
    let mut outcomes = Vec::with_capacity(submitted.len());
    for one in submitted {
        let Submitted { intent, attached } = one;
        let known = locked.get(&intent.resource.id).map(|(version, _)| *version);
        let is_first = attached
            .answer
            .as_ref()
            .is_none_or(|answer| first.remove(&(answer.caller, answer.key.clone())));
        let outcome = if !is_first {
            Accepted::Repeated
        } else if intent.expected.is_some() && known != intent.expected {
            Accepted::VersionMoved
        } else {
            quotas.admit(intent)
        };
        match (&outcome, &attached.answer) {
            (Accepted::Committed { .. }, _) => accepted.push(one),
            (Accepted::Repeated, _) | (_, None) => {}
            (_, Some(answer)) => attached::take_back(transaction, answer).await?,
        }
        outcomes.push(outcome);
    }
    let intents: Vec<&Intent> = accepted.iter().map(|one| &one.intent).collect();
    let superseded = supersede(transaction, &intents).await?;
    let mut together = write(transaction, &intents, &locked).await?;
    let entries = accepted
        .iter()
        .filter_map(|one| one.attached.audit.as_ref());
    attached::record(&mut together, entries).await?;
    let unknown = quotas.run_and_find(together, &intents).await?;
    for (one, outcome) in submitted.iter().zip(&mut outcomes) {
        if let Accepted::Committed { superseded: ended } = outcome {
            *ended = superseded.get(&one.intent.process.id).copied();
        }
    }
    Ok((outcomes, unknown))
}

/// The resources that exist and are to change.
fn existing(submitted: &[Submitted]) -> BTreeSet<Uuid> {
    submitted
        .iter()
        .map(|one| &one.intent)
        .filter(|intent| intent.expected.is_some())
        .map(|intent| intent.resource.id.uuid())
        .collect()
}

/// Locks resources in the order of their ids and tells their versions.
pub(crate) async fn lock_resources(
    transaction: &DatabaseTransaction,
    ids: BTreeSet<Uuid>,
) -> Result<HashMap<ResourceId, i64>, StoreError> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<(Uuid, i64)> = resource::Entity::find()
        .select_only()
        .columns([resource::Column::Id, resource::Column::Version])
        .filter(dialect::is_one_of(
            transaction.get_database_backend(),
            resource::Column::Id,
            ids,
        ))
        .order_by_asc(resource::Column::Id)
        .lock_exclusive()
        .into_tuple()
        .all(transaction)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(id, version)| (ResourceId::new(id), version))
        .collect())
}

/// Ends the unfinished processes of resources that have a newer intent, and tells for the process
/// of each intent which one it ended.
pub(crate) async fn supersede(
    transaction: &DatabaseTransaction,
    intents: &[&Intent],
) -> Result<HashMap<ProcessId, ProcessId>, StoreError> {
    let changed: BTreeSet<Uuid> = intents
        .iter()
        .filter(|intent| intent.expected.is_some())
        .map(|intent| intent.resource.id.uuid())
        .collect();
    if changed.is_empty() {
        return Ok(HashMap::new());
    }
    let unfinished = process::Entity::find()
        .filter(dialect::is_one_of(
            transaction.get_database_backend(),
            process::Column::ResourceId,
            changed,
        ))
        .filter(process::is_unfinished())
        .order_by_asc(process::Column::Id)
        .lock_exclusive()
        .all(transaction)
        .await?;
    let mut ended_by = HashMap::new();
    let mut rows = Vec::with_capacity(unfinished.len());
    for row in unfinished {
        let mut old = Process::try_from(row)?;
        let newer = intents
            .iter()
            .find(|intent| intent.resource.id == old.resource.id);
        let Some(newer) = newer else { continue };
        let newer = &newer.process;
        old.cancel(format!("superseded by {}", newer.id), newer.created);
        ended_by.insert(newer.id, old.id);
        rows.push(process::Model::active(&old)?);
    }
    dialect::rewrite::<process::Entity>(transaction, rows, process::CHANGING).await?;
    Ok(ended_by)
}

/// Writes the resources, processes and change records of intents; with the labels that resources had
/// before, where intents may change them.
pub(crate) async fn insert(
    transaction: &DatabaseTransaction,
    intents: &[&Intent],
    before: &HashMap<ResourceId, (Version, Labels)>,
) -> Result<(), StoreError> {
    Ok(write(transaction, intents, before).await?.run().await?)
}

/// The same, to be written together with more.
async fn write<'a>(
    transaction: &'a DatabaseTransaction,
    intents: &[&Intent],
    before: &HashMap<ResourceId, (Version, Labels)>,
) -> Result<Together<'a>, StoreError> {
    let (mut new, mut changed) = (Vec::new(), Vec::new());
    for intent in intents {
        let row = resource::Model::active(&intent.resource)?;
        match intent.expected {
            None => new.push(row),
            Some(_) => changed.push(row),
        }
    }
    // What is new takes nobody's place: an id that is there already is refused by the database.
    let mut together = Together::begin(transaction);
    together.insert::<resource::Entity>(new).await?;
    together
        .rewrite::<resource::Entity>(changed, resource::CHANGING)
        .await?;
    let processes: Result<Vec<_>, _> = intents
        .iter()
        .map(|intent| process::Model::active(&intent.process))
        .collect();
    together.insert::<process::Entity>(processes?).await?;
    let passing = intents.iter().map(|intent| Passing {
        labels_before: before.get(&intent.resource.id).map(|(_, labels)| labels),
        ..Passing::of(&intent.resource, &intent.passed)
    });
    changes::append(&mut together, passing).await?;
    Ok(together)
}
