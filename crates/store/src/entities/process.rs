//! `process`.

use drover_domain::process::{Cause, Priority};
use drover_domain::{Fence, Process, ProcessId, ResourceId, ResourceRef, ServerId, Timestamp};
use sea_orm::IntoActiveModel;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Expr;

use crate::StoreError;

const TABLE: &str = "process";

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "process")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub request: String,
    pub resource_type: String,
    pub resource_id: Uuid,
    pub project_id: Option<Uuid>,
    pub phase: String,
    pub origin: String,
    pub force: bool,
    pub journal: Json,
    pub run_after: i64,
    pub deadline: i64,
    pub priority: i16,
    pub fence: i64,
    pub server_id: Option<Uuid>,
    pub cause: Json,
    pub parent_id: Option<Uuid>,
    pub successor_id: Option<Uuid>,
    pub failure: Option<String>,
    pub message: Option<String>,
    pub waits_for: Option<String>,
    pub created_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Whether a process is not finished. Said in the words of the partial indexes and without
/// parameters: SQLite does not see that an index serves a list of parameters, and PostgreSQL not
/// once it plans a statement for whatever parameters may come.
pub(crate) fn is_unfinished() -> Expr {
    Expr::cust("phase IN ('queued', 'running', 'waiting')")
}

impl Model {
    /// The row of a process.
    pub(crate) fn of(process: &Process) -> Result<Self, StoreError> {
        let unreadable = |error: serde_json::Error| StoreError::unreadable(TABLE, error);
        Ok(Self {
            id: process.id.uuid(),
            request: process.request.as_str().to_owned(),
            resource_type: process.resource.resource_type.as_str().to_owned(),
            resource_id: process.resource.id.uuid(),
            project_id: process.project.map(ResourceId::uuid),
            phase: process.phase.as_str().to_owned(),
            origin: process.origin.as_str().to_owned(),
            force: process.force,
            journal: serde_json::to_value(&process.journal).map_err(unreadable)?,
            run_after: process.run_after.millis(),
            deadline: process.deadline.millis(),
            priority: process.priority.rank(),
            fence: process.fence.raw(),
            server_id: process.server.map(ServerId::uuid),
            cause: serde_json::to_value(&process.cause).map_err(unreadable)?,
            parent_id: process.parent.map(ProcessId::uuid),
            successor_id: process.successor.map(ProcessId::uuid),
            failure: process.failure.clone(),
            message: process.message.clone(),
            waits_for: process.waits_for.map(|waits_for| waits_for.to_string()),
            created_at: process.created.millis(),
            started_at: process.started.map(Timestamp::millis),
            finished_at: process.finished.map(Timestamp::millis),
        })
    }

    /// The same, to be inserted.
    pub(crate) fn active(process: &Process) -> Result<ActiveModel, StoreError> {
        Ok(Self::of(process)?.into_active_model())
    }
}

impl TryFrom<Model> for Process {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let unreadable = |error: &dyn std::fmt::Display| StoreError::unreadable(TABLE, error);
        let cause: Cause = serde_json::from_value(row.cause).map_err(|error| unreadable(&error))?;
        let waits_for = row.waits_for.as_deref().map(str::parse).transpose();
        Ok(Self {
            id: ProcessId::new(row.id),
            request: row.request.parse().map_err(|error| unreadable(&error))?,
            resource: ResourceRef {
                resource_type: row
                    .resource_type
                    .parse()
                    .map_err(|error| unreadable(&error))?,
                id: ResourceId::new(row.resource_id),
            },
            project: row.project_id.map(ResourceId::new),
            phase: row.phase.parse().map_err(|error| unreadable(&error))?,
            origin: row.origin.parse().map_err(|error| unreadable(&error))?,
            force: row.force,
            journal: serde_json::from_value(row.journal).map_err(|error| unreadable(&error))?,
            run_after: Timestamp::from_millis(row.run_after),
            deadline: Timestamp::from_millis(row.deadline),
            priority: Priority::of_rank(row.priority),
            fence: Fence::from_raw(row.fence),
            server: row.server_id.map(ServerId::new),
            cause,
            parent: row.parent_id.map(ProcessId::new),
            successor: row.successor_id.map(ProcessId::new),
            failure: row.failure,
            message: row.message,
            waits_for: waits_for.map_err(|error| unreadable(&error))?,
            created: Timestamp::from_millis(row.created_at),
            started: row.started_at.map(Timestamp::from_millis),
            finished: row.finished_at.map(Timestamp::from_millis),
        })
    }
}

/// The columns that change after a process was accepted.
pub(crate) const CHANGING: &[Column] = &[
    Column::Phase,
    Column::Journal,
    Column::RunAfter,
    Column::Fence,
    Column::ServerId,
    Column::SuccessorId,
    Column::Failure,
    Column::Message,
    Column::WaitsFor,
    Column::StartedAt,
    Column::FinishedAt,
];

/// The columns that a claim changes.
pub(crate) const CLAIMED: &[Column] = &[
    Column::Phase,
    Column::RunAfter,
    Column::Fence,
    Column::ServerId,
    Column::WaitsFor,
    Column::StartedAt,
];
