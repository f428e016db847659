//! Parents and children: processes that were made by the step of another one, which waits for them.
//!
//! Children are born in the transaction in which their parent begins to wait, so there is never a
//! parent that waits for children which do not exist. The end of a child does not touch its parent
//! in the same transaction: two children that end at the same moment would each see the other one
//! unfinished, and nobody would wake the parent. Whoever ended one looks afterwards, in
//! [`Store::wake_parent`]: the last of them sees that all are finished.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use drover_domain::process::WaitsFor;
use drover_domain::write::{Intent, ProcessWrite};
use drover_domain::{Phase, ProcessId, ResourceId, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter};

use crate::claims::{Ready, ready, ready_rows};
use crate::entities::process;
use crate::{Store, StoreError, intents};

impl Store {
    /// How many children of a process are not finished.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn unfinished_children(&self, parent: ProcessId) -> Result<u64, StoreError> {
        let unfinished = process::Entity::find()
            .filter(process::Column::ParentId.eq(parent.uuid()))
            .filter(process::is_unfinished());
        Ok(unfinished.count(&self.reader).await?)
    }

    /// Makes a parent due that waits for its children, if all of them are finished.
    ///
    /// # Errors
    /// When the database cannot be reached; the parent looks after them by itself then.
    pub async fn wake_parent(
        &self,
        parent: ProcessId,
        now: Timestamp,
    ) -> Result<Option<Ready>, StoreError> {
        if self.unfinished_children(parent).await? > 0 {
            return Ok(None);
        }
        let woken = process::Entity::update_many()
            .col_expr(process::Column::RunAfter, Expr::value(now.millis()))
            .filter(process::Column::Id.eq(parent.uuid()))
            .filter(process::Column::Phase.eq(Phase::Waiting.as_str()))
            .filter(process::Column::WaitsFor.eq(WaitsFor::Children.to_string()))
            .exec(&self.writer)
            .await?;
        if woken.rows_affected == 0 {
            return Ok(None);
        }
        let row = ready_rows()
            .filter(process::Column::Id.eq(parent.uuid()))
            .into_tuple()
            .one(&self.reader)
            .await?;
        Ok(row.and_then(ready))
    }
}

/// The resources whose processes become children by some writes.
pub(crate) fn resources(writes: &[Arc<ProcessWrite>]) -> BTreeSet<Uuid> {
    writes
        .iter()
        .flat_map(|write| &write.children)
        .map(|child| child.resource.id.uuid())
        .collect()
}

/// Whether each of the resources is as it was when the child was decided on. If so, they count as
/// written from now on.
pub(crate) fn are_current(children: &[Intent], versions: &mut HashMap<ResourceId, i64>) -> bool {
    let are_current = children.iter().all(|child| {
        let known = versions.get(&child.resource.id).copied();
        child.expected.is_some() && known == child.expected
    });
    if are_current {
        for child in children {
            versions.insert(child.resource.id, child.resource.version);
        }
    }
    are_current
}

/// Writes the children of some writes, and ends whatever was at work on their resources. Comes
/// after the writes themselves, since one of these may be the work that is ended.
pub(crate) async fn insert(
    transaction: &DatabaseTransaction,
    writes: &[&ProcessWrite],
) -> Result<(), StoreError> {
    let children: Vec<&Intent> = writes.iter().flat_map(|write| &write.children).collect();
    if children.is_empty() {
        return Ok(());
    }
    intents::supersede(transaction, &children).await?;
    // A child does something to a resource; the labels are not for it to change.
    intents::insert(transaction, &children, &HashMap::new()).await
}
