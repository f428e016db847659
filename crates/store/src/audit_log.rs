//! Reading the audit log, and writing down what was refused.
//!
//! What was committed is written by the transaction that it tells of (`attached`). A request that was
//! refused has none: its row is written afterwards, with others, and does not wait for the disk.

use drover_domain::{ResourceId, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::attached::{self, AuditEntry};
use crate::dialect::{self, Together};
use crate::entities::audit;
use crate::fresh::first_audit_id;
use crate::{Store, StoreError};

/// Which rows of the audit log to read, newest first. Rows that no index is for, as those of one
/// operation, cost as much as there are rows between the page and what it finds.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Only of this account.
    pub account: Option<ResourceId>,
    /// Only about this resource.
    pub resource: Option<Uuid>,
    /// Only about this type of resource.
    pub resource_type: Option<String>,
    /// Only of this project.
    pub project: Option<ResourceId>,
    /// Only this operation.
    pub operation: Option<String>,
    /// Only with this status.
    pub status: Option<u16>,
    /// Only later than this.
    pub after: Option<Timestamp>,
    /// Only earlier than this.
    pub before: Option<Timestamp>,
    /// Only what comes after this row, which is older.
    pub below: Option<Uuid>,
    /// At most so many.
    pub limit: u64,
}

impl Store {
    /// Writes down a request that was refused, together with others. What is written may be lost if
    /// the database loses its power at the same moment.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn record(&self, entry: AuditEntry) -> Result<(), StoreError> {
        self.refusals.submit(entry).await
    }

    /// The rows of the audit log that pass a filter, newest first.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn audit_log(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        use audit::Column;
        let mut query = audit::Entity::find()
            .order_by_desc(Column::Id)
            .limit(filter.limit);
        if let Some(account) = filter.account {
            query = query.filter(Column::AccountId.eq(account.uuid()));
        }
        if let Some(resource) = filter.resource {
            query = query.filter(Column::ResourceId.eq(resource));
        }
        if let Some(resource_type) = &filter.resource_type {
            query = query.filter(Column::ResourceType.eq(resource_type));
        }
        if let Some(project) = filter.project {
            query = query.filter(Column::ProjectId.eq(project.uuid()));
        }
        if let Some(operation) = &filter.operation {
            query = query.filter(Column::Operation.eq(operation));
        }
        if let Some(status) = filter.status {
            query = query.filter(Column::Status.eq(status));
        }
        if let Some(after) = filter.after {
            let next = Timestamp::from_millis(after.millis().saturating_add(1));
            query = query.filter(Column::Id.gte(first_audit_id(next)));
        }
        if let Some(before) = filter.before {
            query = query.filter(Column::Id.lt(first_audit_id(before)));
        }
        if let Some(below) = filter.below {
            query = query.filter(Column::Id.lt(below));
        }
        let rows = query.all(&self.reader).await?;
        rows.into_iter().map(AuditEntry::try_from).collect()
    }

    /// One row of the audit log, if it is there.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn audit_entry(&self, id: Uuid) -> Result<Option<AuditEntry>, StoreError> {
        let row = audit::Entity::find_by_id(id).one(&self.reader).await?;
        row.map(AuditEntry::try_from).transpose()
    }
}

/// Writes rows of what was refused.
pub(crate) async fn record(
    database: &DatabaseConnection,
    entries: &[AuditEntry],
) -> Result<Vec<()>, StoreError> {
    let transaction = dialect::begin(database).await?;
    let mut together = Together::begin(&transaction);
    attached::record(&mut together, entries.iter()).await?;
    together.run().await?;
    transaction.commit().await?;
    Ok(vec![(); entries.len()])
}

impl TryFrom<audit::Model> for AuditEntry {
    type Error = StoreError;

    fn try_from(row: audit::Model) -> Result<Self, StoreError> {
        let unreadable = |error: &dyn std::fmt::Display| StoreError::unreadable("audit", error);
        let from = row.from_address.as_deref().map(str::parse).transpose();
        Ok(Self {
            id: row.id,
            at: Timestamp::from_millis(row.at),
            account: row.account_id.map(ResourceId::new),
            credential: row.credential_id,
            from: from.map_err(|error| unreadable(&error))?,
            method: row.method,
            path: row.path,
            operation: row.operation,
            resource_type: row.resource_type,
            resource: row.resource_id,
            project: row.project_id.map(ResourceId::new),
            status: u16::try_from(row.status).map_err(|error| unreadable(&error))?,
            code: row.code,
            request_id: row.request_id,
        })
    }
}
