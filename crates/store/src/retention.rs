//! Forgetting: finished processes, change records, audit rows and kept answers are kept for a while
//! and then deleted, oldest first and a few at a time, so that no other transaction waits for it.
//!
//! How far the change log has been forgotten is written down with each deletion: a reader that
//! comes back with an older position has missed something and must be told so.

use drover_domain::Timestamp;
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

use crate::entities::{audit, change, counter, kept_answer, process};
use crate::fresh::first_audit_id;
use crate::{Position, Store, StoreError, dialect};

const FORGOTTEN_TRANSACTION: &str = "forgottenTransaction";
const FORGOTTEN_POSITION: &str = "forgottenPosition";

impl Store {
    /// Deletes rows that are found beside whoever writes, by their ids, and tells how many there were.
    pub(crate) async fn forget<E: EntityTrait>(
        &self,
        old: Select<E>,
        id: E::Column,
    ) -> Result<u64, StoreError> {
        let ids = old.select_only().column(id).into_tuple();
        let ids: Vec<Uuid> = ids.all(&self.reader).await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let backend = self.writer.get_database_backend();
        let old = E::delete_many().filter(dialect::is_one_of(backend, id, ids));
        Ok(old.exec(&self.writer).await?.rows_affected)
    }

    /// Deletes processes that ended before a moment, oldest first, at most `limit`, and tells how
    /// many there were.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forget_processes(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let old = process::Entity::find()
            .filter(process::Column::FinishedAt.is_not_null())
            .filter(process::Column::FinishedAt.lt(before.millis()))
            .order_by_asc(process::Column::FinishedAt)
            .limit(limit);
        self.forget(old, process::Column::Id).await
    }

    /// Deletes change records from before a moment, oldest first, at most `limit`, and tells how
    /// many there were.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forget_changes(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let transaction = dialect::begin(&self.writer).await?;
        let backend = transaction.get_database_backend();
        let oldest: Vec<(i64, i64, i64)> = dialect::changes_after(backend, Position::default())
            .select_only()
            .columns([
                change::Column::Transaction,
                change::Column::Position,
                change::Column::At,
            ])
            .limit(limit)
            .into_tuple()
            .all(&transaction)
            .await?;
        let last = oldest
            .into_iter()
            .take_while(|(_, _, at)| *at < before.millis())
            .map(|(transaction, position, _)| Position {
                transaction,
                position,
            })
            .last();
        let Some(last) = last else {
            transaction.rollback().await?;
            return Ok(0);
        };
        let deleted = dialect::forget_changes(backend, last)
            .exec(&transaction)
            .await?;
        let known = forgotten(&transaction).await?;
        if last > known {
            write_counter(&transaction, FORGOTTEN_TRANSACTION, last.transaction).await?;
            write_counter(&transaction, FORGOTTEN_POSITION, last.position).await?;
        }
        transaction.commit().await?;
        Ok(deleted.rows_affected)
    }

    /// Deletes audit rows from before a moment, oldest first, at most `limit`, and tells how many
    /// there were.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forget_audit(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let old = audit::Entity::find()
            .filter(audit::Column::Id.lt(first_audit_id(before)))
            .order_by_asc(audit::Column::Id)
            .limit(limit);
        self.forget(old, audit::Column::Id).await
    }

    /// Deletes answers that were kept before a moment, oldest first, at most `limit`, and tells how
    /// many there were. Their keys are free again.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forget_answers(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        use kept_answer::Column;
        let is_old = Column::CreatedAt.lt(before.millis());
        let keys: Vec<(Uuid, String)> = kept_answer::Entity::find()
            .select_only()
            .columns([Column::Caller, Column::Key])
            .filter(is_old.clone())
            .order_by_asc(Column::CreatedAt)
            .limit(limit)
            .into_tuple()
            .all(&self.reader)
            .await?;
        if keys.is_empty() {
            return Ok(0);
        }
        let key = Expr::tuple([Expr::col(Column::Caller), Expr::col(Column::Key)]);
        let deleted = kept_answer::Entity::delete_many()
            .filter(key.in_tuples(keys))
            // Deleted by somebody else, and kept anew under the same key since.
            .filter(is_old);
        Ok(deleted.exec(&self.writer).await?.rows_affected)
    }

    /// The last position that was forgotten. Whoever has read less has missed something.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forgotten_changes(&self) -> Result<Position, StoreError> {
        forgotten(&self.reader).await
    }
}

async fn forgotten(database: &impl ConnectionTrait) -> Result<Position, StoreError> {
    let rows = counter::Entity::find()
        .filter(counter::Column::Name.is_in([FORGOTTEN_TRANSACTION, FORGOTTEN_POSITION]))
        .all(database)
        .await?;
    let value = |name: &str| {
        rows.iter()
            .find(|row| row.name == name)
            .map_or(0, |row| row.value)
    };
    Ok(Position {
        transaction: value(FORGOTTEN_TRANSACTION),
        position: value(FORGOTTEN_POSITION),
    })
}

async fn write_counter(
    database: &impl ConnectionTrait,
    name: &str,
    value: i64,
) -> Result<(), StoreError> {
    let row = counter::Model {
        name: name.to_owned(),
        value,
    };
    counter::Entity::insert(row.into_active_model())
        .on_conflict(
            OnConflict::column(counter::Column::Name)
                .update_column(counter::Column::Value)
                .to_owned(),
        )
        .exec_without_returning(database)
        .await?;
    Ok(())
}
