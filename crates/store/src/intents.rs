//! Committing intents: the resource, its process and its change record in one transaction.

use std::collections::{BTreeSet, HashMap};

use drover_domain::resource::Version;
use drover_domain::write::Intent;
use drover_domain::{Process, ProcessId, ResourceId};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::changes::{Labels, Passing};
use crate::dialect::Together;
use crate::entities::{process, resource};
use crate::{StoreError, changes, dialect};

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
}

/// Commits intents for different resources in one transaction, each with its own outcome.
pub(crate) async fn accept(
    database: &DatabaseConnection,
    intents: &[Intent],
) -> Result<Vec<Accepted>, StoreError> {
    let transaction = dialect::begin(database).await?;
    let outcomes = accept_within(&transaction, intents).await?;
    transaction.commit().await?;
    Ok(outcomes)
}

/// The same inside a transaction that has more to do.
pub(crate) async fn accept_within(
    transaction: &DatabaseTransaction,
    intents: &[Intent],
) -> Result<Vec<Accepted>, StoreError> {
    let locked = lock_existing(transaction, intents).await?;
    let mut accepted = Vec::new();
    let mut outcomes = Vec::with_capacity(intents.len());
    for intent in intents {
        let known = locked.get(&intent.resource.id).map(|(version, _)| *version);
        let is_current = intent.expected.is_none() || known == intent.expected;
        if is_current {
            accepted.push(intent);
        }
        outcomes.push(match is_current {
            true => Accepted::Committed { superseded: None },
            false => Accepted::VersionMoved,
        });
    }
    let superseded = supersede(transaction, &accepted).await?;
    insert(transaction, &accepted, &locked).await?;
    for (intent, outcome) in intents.iter().zip(&mut outcomes) {
        if let Accepted::Committed { superseded: ended } = outcome {
            *ended = superseded.get(&intent.process.id).copied();
        }
    }
    Ok(outcomes)
}

/// Locks the resources that exist and are to change.
async fn lock_existing(
    transaction: &DatabaseTransaction,
    intents: &[Intent],
) -> Result<HashMap<ResourceId, (Version, Labels)>, StoreError> {
    let existing: BTreeSet<Uuid> = intents
        .iter()
        .filter(|intent| intent.expected.is_some())
        .map(|intent| intent.resource.id.uuid())
        .collect();
    changes::lock_with_labels(transaction, existing).await
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
    if intents.is_empty() {
        return Ok(());
    }
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
    Ok(together.run().await?)
}
