//! Claiming processes, and finding those that nobody works on.
//!
//! ```text
//!   read            two statements, nothing locked
//!   what decides first, and waits    ours in mind: its first write claims it, under the fence that was read
//!   all others                       claimed, in one transaction, before anybody hears of them
//! ```
//!
//! What is ours in mind is nobody's yet: whoever writes first has it, and the other's write is refused.
//!
//! A claim does not wait until it has reached the disk of PostgreSQL: what its owner writes next
//! does, and takes the claim along. If the database loses its power in between, the process is as
//! it was before, waiting for somebody, and its owner is refused. That holds as long as nobody
//! could write to the row as it was before; a claim that takes a running process away from another
//! server is made durable at once, or that server could be believed again.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use drover_domain::engine::decides_first;
use drover_domain::process::{Priority, WaitsFor};
use drover_domain::{
    Fence, Phase, Process, ProcessId, Resource, ResourceId, ResourceRef, ServerId, Timestamp,
};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::entities::{if_read, process, readable, resource};
use crate::resources::rows_of;
use crate::{Store, StoreError, dialect};

/// A process that some server should try to claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ready {
    /// The process.
    pub process: ProcessId,
    /// What it works on, and what is to be locked first.
    pub resource: ResourceRef,
    /// How urgent it is.
    pub priority: Priority,
}

/// A claim, made under the lock of the resource.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The process.
    pub process: ProcessId,
    /// The resource that was locked.
    pub resource: ResourceRef,
    /// The fence that came with the lock.
    pub fence: Fence,
    /// Whether it is known that what the process waits for has come, so that it is claimed before its moment.
    pub is_called: bool,
}

/// A process that is ours now, with its resource.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The process, with our fence.
    pub process: Process,
    /// The resource as it stands.
    pub resource: Resource,
    /// The fence of the row as it stands, if the first write is yet to claim it.
    pub claims: Option<Fence>,
}

/// The most processes that are woken in one transaction.
pub const WOKEN_AT_ONCE: usize = 1_000;

impl Ready {
    /// A process that could be claimed when it is due.
    pub fn of(process: &Process) -> Self {
        Self {
            process: process.id,
            resource: process.resource,
            priority: process.priority,
        }
    }
}

type ReadyRow = (Uuid, String, Uuid, i16);

/// What a [`Ready`] is made of.
pub(crate) fn ready_rows() -> Select<process::Entity> {
    process::Entity::find().select_only().columns([
        process::Column::Id,
        process::Column::ResourceType,
        process::Column::ResourceId,
        process::Column::Priority,
    ])
}

impl Store {
    /// Takes processes for a server: those that only decide at first in mind, and all others with
    /// [`claim`](Self::claim).
    ///
    /// # Errors
    /// As for a claim.
    pub async fn take(
        &self,
        claims: &[Claim],
        server: ServerId,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Option<Claimed>>, StoreError> {
        let mut taken = self.take_in_mind(claims, server, now, lease).await?;
        let in_mind: HashSet<ProcessId> = taken.keys().copied().collect();
        let is_left = |claim: &&Claim| !in_mind.contains(&claim.process);
        let left: Vec<Claim> = claims.iter().filter(is_left).copied().collect();
        let mut claimed = match left.is_empty() {
            true => Vec::new(),
            false => self.claim(&left, server, now, lease).await?,
        }
        .into_iter();
        let taken = claims
            .iter()
            .map(|claim| match in_mind.contains(&claim.process) {
                true => taken.remove(&claim.process),
                false => claimed.next().flatten(),
            });
        Ok(taken.collect())
    }

    /// Those that only decide at first, and that could be claimed as they stand.
    async fn take_in_mind(
        &self,
        claims: &[Claim],
        server: ServerId,
        now: Timestamp,
        lease: Duration,
    ) -> Result<HashMap<ProcessId, Claimed>, StoreError> {
        let backend = self.lookups.get_database_backend();
        let ids: BTreeSet<Uuid> = claims.iter().map(|claim| claim.process.uuid()).collect();
        let rows = process::Entity::find()
            .filter(dialect::is_one_of(backend, process::Column::Id, ids))
            .filter(process::is_unfinished())
            .all(&self.lookups)
            .await?;
        let waiting = rows.into_iter().filter_map(readable::<_, Process>);
        let waiting: HashMap<ProcessId, Process> =
            waiting.map(|process| (process.id, process)).collect();
        let worked_on = waiting.values().map(|process| process.resource.id);
        let rows = rows_of(&self.lookups, worked_on).await?;
        let read = rows.into_iter();
        let read = read.filter_map(|(id, read)| Some((id, if_read(read)?)));
        let mut resources: HashMap<ResourceId, Resource> = read.collect();
        let mut taken = HashMap::with_capacity(waiting.len());
        for claim in claims {
            let Some(process) = waiting.get(&claim.process) else {
                continue;
            };
            let resource = resources.get(&process.resource.id);
            if !resource.is_some_and(|resource| decides_first(process, resource)) {
                continue;
            }
            let before = process.fence;
            if let Some(process) = take(process.clone(), *claim, server, now, lease)
                && let Some(resource) = resources.remove(&process.resource.id)
            {
                let claimed = Claimed {
                    process,
                    resource,
                    claims: Some(before),
                };
                taken.insert(claim.process, claimed);
            }
        }
        Ok(taken)
    }

    /// Claims processes for a server. A claim fails, and its answer is `None`, when the process is
    /// finished, not yet due, or was claimed under a higher fence.
    ///
    /// # Errors
    /// When the database cannot be reached; no process was claimed then, or the claim is taken up
    /// by the sweep.
    pub async fn claim(
        &self,
        claims: &[Claim],
        server: ServerId,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<Option<Claimed>>, StoreError> {
        let transaction = dialect::begin(&self.relaxed).await?;
        let backend = transaction.get_database_backend();
        let ids: BTreeSet<Uuid> = claims.iter().map(|claim| claim.process.uuid()).collect();
        let rows = process::Entity::find()
            .filter(dialect::is_one_of(backend, process::Column::Id, ids))
            .filter(process::is_unfinished())
            .order_by_asc(process::Column::Id)
            .lock_exclusive()
            .all(&transaction)
            .await?;
        if rows.iter().any(|row| row.phase == Phase::Running.as_str()) {
            dialect::commit_durably(&transaction).await?;
        }
        let mut found = HashMap::with_capacity(rows.len());
        for process in rows.into_iter().filter_map(readable::<_, Process>) {
            found.insert(process.id, process);
        }
        let mut ours: Vec<Option<Process>> = Vec::with_capacity(claims.len());
        for claim in claims {
            let process = found.remove(&claim.process);
            ours.push(process.and_then(|process| take(process, *claim, server, now, lease)));
        }
        let rewritten: Result<Vec<_>, _> =
            ours.iter().flatten().map(process::Model::active).collect();
        let rewritten = rewritten?;
        let resources: BTreeSet<Uuid> = ours
            .iter()
            .flatten()
            .map(|process| process.resource.id.uuid())
            .collect();
        if rewritten.is_empty() {
            transaction.rollback().await?;
            return Ok(claims.iter().map(|_| None).collect());
        }
        dialect::rewrite::<process::Entity>(&transaction, rewritten, process::CLAIMED).await?;
        let rows = resource::Entity::find()
            .filter(dialect::is_one_of(backend, resource::Column::Id, resources))
            .all(&transaction)
            .await?;
        transaction.commit().await?;

        let mut resources = HashMap::with_capacity(rows.len());
        for resource in rows.into_iter().filter_map(readable::<_, Resource>) {
            resources.insert(resource.id, resource);
        }
        let claimed = ours.into_iter().map(|process| {
            let process = process?;
            let resource = resources.remove(&process.resource.id)?;
            Some(Claimed {
                process,
                resource,
                claims: None,
            })
        });
        Ok(claimed.collect())
    }

    /// Processes that are due and that nobody is known to work on: queued, waiting past their
    /// moment, or running under a claim that is older than a lease; the most urgent first. Each
    /// class of urgency has a share of `limit` of its own, and so have those that run: what takes
    /// longer than a lease, and is looked at each time until it is over, crowds out nobody.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn due(&self, now: Timestamp, limit: u64) -> Result<Vec<Ready>, StoreError> {
        let due = ready_rows()
            .filter(process::is_unfinished())
            .filter(process::Column::RunAfter.lte(now.millis()))
            .order_by_asc(process::Column::RunAfter)
            .limit(limit);
        let is_running = process::Column::Phase.eq(Phase::Running.as_str());
        let mut rows: Vec<ReadyRow> = Vec::new();
        for priority in Priority::ALL {
            let of_class = due
                .clone()
                .filter(process::Column::Priority.eq(priority.rank()))
                .filter(is_running.clone().not());
            rows.extend(of_class.into_tuple().all(&self.reader).await?);
        }
        let ranks = Priority::ALL.iter().map(|priority| priority.rank());
        let left_running = due
            .filter(process::Column::Priority.is_in(ranks))
            .filter(is_running);
        rows.extend(left_running.into_tuple().all(&self.reader).await?);
        Ok(rows.into_iter().filter_map(ready).collect())
    }

    /// Makes every process due that was left running. Only for a server that knows that it is the only
    /// one, and that has claimed nothing yet.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn take_up_all(&self, now: Timestamp) -> Result<u64, StoreError> {
        let updated = process::Entity::update_many()
            .col_expr(process::Column::RunAfter, Expr::value(now.millis()))
            .filter(process::Column::Phase.eq(Phase::Running.as_str()))
            .exec(&self.writer)
            .await?;
        Ok(updated.rows_affected)
    }

    /// Makes those due that wait for something which has happened, at most [`WOKEN_AT_ONCE`] of
    /// them: who is given that many asks again.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn wake(
        &self,
        waits_for: WaitsFor,
        now: Timestamp,
    ) -> Result<Vec<Ready>, StoreError> {
        let rows: Vec<ReadyRow> = ready_rows()
            .filter(process::Column::Phase.eq(Phase::Waiting.as_str()))
            .filter(process::Column::WaitsFor.eq(waits_for.to_string()))
            .filter(process::Column::RunAfter.gt(now.millis()))
            .order_by_asc(process::Column::RunAfter)
            .limit(WOKEN_AT_ONCE as u64)
            .into_tuple()
            .all(&self.reader)
            .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let transaction = dialect::begin(&self.relaxed).await?;
        let backend = transaction.get_database_backend();
        let is_one_of = |ids: Vec<Uuid>| dialect::is_one_of(backend, process::Column::Id, ids);
        // An update alone would lock the rows in the order in which they lie on the disk.
        let asleep: Vec<Uuid> = process::Entity::find()
            .select_only()
            .column(process::Column::Id)
            .filter(is_one_of(rows.iter().map(|(id, ..)| *id).collect()))
            .filter(process::Column::Phase.eq(Phase::Waiting.as_str()))
            .filter(process::Column::RunAfter.gt(now.millis()))
            .order_by_asc(process::Column::Id)
            .lock_exclusive()
            .into_tuple()
            .all(&transaction)
            .await?;
        process::Entity::update_many()
            .col_expr(process::Column::RunAfter, Expr::value(now.millis()))
            .filter(is_one_of(asleep))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(rows.into_iter().filter_map(ready).collect())
    }
}

fn take(
    mut process: Process,
    claim: Claim,
    server: ServerId,
    now: Timestamp,
    lease: Duration,
) -> Option<Process> {
    // The lock is that of the resource that a hint named; only the row knows which is the right one.
    let is_locked = process.resource == claim.resource;
    let waits = process.phase == Phase::Waiting && process.run_after > now;
    let is_asleep = waits && !claim.is_called;
    if process.fence >= claim.fence || is_asleep || !is_locked {
        return None;
    }
    process.phase = Phase::Running;
    process.fence = claim.fence;
    process.server = Some(server);
    process.run_after = now.after(lease);
    process.waits_for = None;
    process.started.get_or_insert(now);
    Some(process)
}

pub(crate) fn ready((id, resource_type, resource_id, rank): ReadyRow) -> Option<Ready> {
    let resource_type = resource_type.parse();
    let resource_type = resource_type
        .inspect_err(|error| tracing::error!(%error, process = %id, "a row cannot be read"))
        .ok()?;
    Some(Ready {
        process: ProcessId::new(id),
        resource: ResourceRef {
            resource_type,
            id: ResourceId::new(resource_id),
        },
        priority: Priority::of_rank(rank),
    })
}
