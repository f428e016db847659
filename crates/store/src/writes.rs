//! Committing what the owners of processes want written.
//!
//! ```text
//!   lock resources, processes, host rooms      three statements, each in the order of the ids
//!   check each write against what was locked   in memory: fence, version, room
//!   rewrite what passed                        one statement a table
//! ```
//!
//! A write that fails a check leaves no trace; the others of its batch are not held up by it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use drover_domain::write::{ProcessWrite, Written};
use drover_domain::{Fence, Phase, ProcessId, ResourceId, State};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::changes::Passing;
use crate::dialect::Together;
use crate::entities::{process, resource};
use crate::reservations::Rooms;
use crate::{StoreError, changes, children, dialect, intents};

/// Commits writes of different processes in one transaction, each with its own outcome.
pub(crate) async fn commit(
    database: &DatabaseConnection,
    writes: &[Arc<ProcessWrite>],
) -> Result<Vec<Written>, StoreError> {
    let transaction = dialect::begin(database).await?;
    let mut versions = lock_versions(&transaction, writes).await?;
    let owners = lock_owners(&transaction, writes).await?;
    let mut rooms = Rooms::lock(&transaction, writes).await?;

    let mut passed = Vec::with_capacity(writes.len());
    let mut outcomes = Vec::with_capacity(writes.len());
    for write in writes {
        let outcome = check(write, &mut versions, &owners, &mut rooms);
        if outcome == Written::Committed {
            if let Some((resource, _)) = &write.resource {
                versions.insert(resource.id, resource.version);
            }
            passed.push(&**write);
        }
        outcomes.push(outcome);
    }
    let mut together = Together::begin(&transaction);
    rooms.save(&mut together).await?;
    rewrite(&mut together, &passed).await?;
    together.run().await?;
    insert_successors(&transaction, &passed).await?;
    children::insert(&transaction, &passed).await?;
    transaction.commit().await?;
    Ok(outcomes)
}

/// Who an unfinished process belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// Whoever has this fence.
    Runs(Fence),
    /// Nobody, since whoever had this fence.
    Nobody(Fence),
}

fn check(
    write: &ProcessWrite,
    versions: &mut HashMap<ResourceId, i64>,
    owners: &HashMap<ProcessId, Owner>,
    rooms: &mut Rooms,
) -> Written {
    let ours = match write.claims {
        None => Owner::Runs(write.process.fence),
        Some(read) => Owner::Nobody(read),
    };
    if owners.get(&write.process.id) != Some(&ours) {
        return Written::NotOurs;
    }
    if let Some((resource, expected)) = &write.resource
        && versions.get(&resource.id) != Some(expected)
    {
        return Written::VersionMoved;
    }
    if !children::are_current(&write.children, versions) {
        return Written::VersionMoved;
    }
    let reserved = write.reservation.as_ref().is_none_or(|change| {
        let resource = write.resource.as_ref().map(|(resource, _)| resource);
        rooms.apply(write.process.resource.id, change, resource)
    });
    if reserved {
        Written::Committed
    } else {
        Written::NoRoom
    }
}

async fn lock_versions(
    transaction: &DatabaseTransaction,
    writes: &[Arc<ProcessWrite>],
) -> Result<HashMap<ResourceId, i64>, StoreError> {
    let ids: BTreeSet<Uuid> = writes
        .iter()
        .filter_map(|write| write.resource.as_ref())
        .map(|(resource, _)| resource.id.uuid())
        .chain(children::resources(writes))
        .collect();
    intents::lock_resources(transaction, ids).await
}

/// Locks the processes that are unfinished, and tells whose they are; and those that children put an end to,
/// here and not later, since all processes of a transaction are locked in one order.
async fn lock_owners(
    transaction: &DatabaseTransaction,
    writes: &[Arc<ProcessWrite>],
) -> Result<HashMap<ProcessId, Owner>, StoreError> {
    let ids: BTreeSet<Uuid> = writes.iter().map(|write| write.process.id.uuid()).collect();
    let backend = transaction.get_database_backend();
    let is_written = dialect::is_one_of(backend, process::Column::Id, ids);
    let ended = children::resources(writes);
    let which = match ended.is_empty() {
        true => is_written,
        false => is_written.or(dialect::is_one_of(
            backend,
            process::Column::ResourceId,
            ended,
        )),
    };
    let rows: Vec<(Uuid, i64, String)> = process::Entity::find()
        .select_only()
        .columns([
            process::Column::Id,
            process::Column::Fence,
            process::Column::Phase,
        ])
        .filter(which)
        .filter(process::is_unfinished())
        .order_by_asc(process::Column::Id)
        .lock_exclusive()
        .into_tuple()
        .all(transaction)
        .await?;
    let owners = rows.into_iter().map(|(id, fence, phase)| {
        let fence = Fence::from_raw(fence);
        let owner = match phase == Phase::Running.as_str() {
            true => Owner::Runs(fence),
            false => Owner::Nobody(fence),
        };
        (ProcessId::new(id), owner)
    });
    Ok(owners.collect())
}

async fn rewrite(together: &mut Together<'_>, writes: &[&ProcessWrite]) -> Result<(), StoreError> {
    if writes.is_empty() {
        return Ok(());
    }
    let mut kept = Vec::new();
    let mut purged = Vec::new();
    for (resource, _) in writes.iter().filter_map(|write| write.resource.as_ref()) {
        if resource.state == State::Purged {
            purged.push(resource.id.uuid());
        } else {
            kept.push(resource::Model::active(resource)?);
        }
    }
    together
        .rewrite::<resource::Entity>(kept, resource::MOVING)
        .await?;
    if !purged.is_empty() {
        let transaction = together.transaction();
        let backend = transaction.get_database_backend();
        resource::Entity::delete_many()
            .filter(dialect::is_one_of(backend, resource::Column::Id, purged))
            .exec(transaction)
            .await?;
    }
    let processes: Result<Vec<_>, _> = writes
        .iter()
        .map(|write| process::Model::active(&write.process))
        .collect();
    together
        .rewrite::<process::Entity>(processes?, process::CHANGING)
        .await?;
    let passed = writes
        .iter()
        .filter_map(|write| {
            write
                .resource
                .as_ref()
                .map(|(resource, _)| (resource, write))
        })
        .map(|(resource, write)| Passing::of(resource, &write.passed));
    changes::append(together, passed).await
}

/// Inserts the processes that follow from others. Apart, since a resource has one unfinished process at
/// most, and PostgreSQL promises no order to the parts of one statement.
async fn insert_successors(
    transaction: &DatabaseTransaction,
    writes: &[&ProcessWrite],
) -> Result<(), StoreError> {
    let successors: Result<Vec<_>, _> = writes
        .iter()
        .filter_map(|write| write.successor.as_ref())
        .map(process::Model::active)
        .collect();
    Ok(dialect::insert::<process::Entity>(transaction, successors?).await?)
}
