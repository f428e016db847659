//! Ending processes on request.

use drover_domain::engine::Cancellation;
use drover_domain::{Phase, ProcessId, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::dialect::Together;
use crate::entities::{process, resource};
use crate::{Attached, Mutated, Store, StoreError, changes, intents};

impl Store {
    /// Ends a process and leaves its resource as the cancellation says, and writes down what is
    /// attached. Moved if the process has finished or the resource was written since they were read.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn cancel(
        &self,
        cancellation: &Cancellation,
        attached: Attached,
    ) -> Result<Mutated, StoreError> {
        let Cancellation {
            process,
            resource,
            expected,
            passed,
        } = cancellation;
        let Some(transaction) = attached.begin(&self.writer).await? else {
            return Ok(Mutated::Repeated);
        };
        let versions = intents::lock_resources(&transaction, [resource.id.uuid()].into()).await?;
        let unfinished = process::Entity::find_by_id(process.id.uuid())
            .filter(process::is_unfinished())
            .lock_exclusive()
            .one(&transaction)
            .await?;
        // One that runs has moved on since it was read if its fence has.
        let is_current = unfinished.is_some_and(|row| row.fence == process.fence.raw())
            && versions.get(&resource.id) == Some(expected);
        if !is_current {
            transaction.rollback().await?;
            return Ok(Mutated::Moved);
        }
        let rows = vec![resource::Model::active(resource)?];
        let mut together = Together::begin(&transaction);
        together
            .rewrite::<resource::Entity>(rows, resource::MOVING)
            .await?;
        let rows = vec![process::Model::active(process)?];
        together
            .rewrite::<process::Entity>(rows, process::CHANGING)
            .await?;
        let passing = changes::Passing::of(resource, std::slice::from_ref(passed));
        changes::append(&mut together, [passing].into_iter()).await?;
        together.run().await?;
        transaction.commit().await?;
        Ok(Mutated::Done)
    }

    /// Makes a waiting process due, and writes down what is attached. Moved if it does not wait.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn hurry(
        &self,
        id: ProcessId,
        now: Timestamp,
        attached: Attached,
    ) -> Result<Mutated, StoreError> {
        let Some(transaction) = attached.begin(&self.writer).await? else {
            return Ok(Mutated::Repeated);
        };
        let updated = process::Entity::update_many()
            .col_expr(process::Column::RunAfter, Expr::value(now.millis()))
            .filter(process::Column::Id.eq(id.uuid()))
            .filter(process::Column::Phase.eq(Phase::Waiting.as_str()))
            .exec(&transaction)
            .await?;
        if updated.rows_affected == 0 {
            transaction.rollback().await?;
            return Ok(Mutated::Moved);
        }
        transaction.commit().await?;
        Ok(Mutated::Done)
    }
}
