//! The epochs of the lock service.

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::entities::counter;
use crate::{Store, StoreError, dialect};

const LOCK_EPOCH: &str = "lockEpoch";

impl Store {
    /// Hands out the next epoch of the lock service: higher than every one before.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn next_lock_epoch(&self) -> Result<u32, StoreError> {
        let transaction = dialect::begin(&self.writer).await?;
        let first = counter::Model {
            name: LOCK_EPOCH.to_owned(),
            value: 1,
        };
        counter::Entity::insert(first.into_active_model())
            .on_conflict(
                OnConflict::column(counter::Column::Name)
                    .value(
                        counter::Column::Value,
                        Expr::col((counter::Entity, counter::Column::Value)).add(1),
                    )
                    .to_owned(),
            )
            .exec_without_returning(&transaction)
            .await?;
        let row = counter::Entity::find()
            .filter(counter::Column::Name.eq(LOCK_EPOCH))
            .one(&transaction)
            .await?;
        transaction.commit().await?;
        let value = row.map(|row| row.value).unwrap_or_default();
        u32::try_from(value).map_err(|error| StoreError::unreadable("counter", error))
    }
}
