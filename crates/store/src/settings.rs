//! Settings that can be changed while servers run. What they mean is not known here.

use drover_domain::Timestamp;
use sea_orm::sea_query::OnConflict;
use sea_orm::{EntityTrait, IntoActiveModel, QuerySelect};
use serde_json::Value;

use crate::entities::setting;
use crate::{Attached, Store, StoreError, dialect};

/// A setting as it was last written.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSetting {
    /// Its name.
    pub name: String,
    /// Its value; null if it was put back to its default.
    pub value: Value,
    /// How often it was written.
    pub version: i64,
    /// When it was written last.
    pub updated: Timestamp,
}

impl From<setting::Model> for StoredSetting {
    fn from(row: setting::Model) -> Self {
        Self {
            name: row.name,
            value: row.value,
            version: row.version,
            updated: Timestamp::from_millis(row.updated_at),
        }
    }
}

impl Store {
    /// Every setting that was ever written.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn settings(&self) -> Result<Vec<StoredSetting>, StoreError> {
        let rows = setting::Entity::find().all(&self.reader).await?;
        Ok(rows.into_iter().map(StoredSetting::from).collect())
    }

    /// Writes a setting and what is attached, if it still has the version that was read, where one
    /// is given; one that was never written has version 0. None if it was written meanwhile.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn write_setting(
        &self,
        name: &str,
        value: Value,
        expected: Option<i64>,
        now: Timestamp,
        attached: Attached,
    ) -> Result<Option<StoredSetting>, StoreError> {
        let transaction = dialect::begin(&self.writer).await?;
        let is_first = attached.write(&transaction).await?;
        // A row to lock there is in any case.
        let first = setting::Model {
            name: name.to_owned(),
            value: Value::Null,
            version: 0,
            updated_at: now.millis(),
        };
        let unless_there = OnConflict::new().do_nothing().to_owned();
        setting::Entity::insert(first.into_active_model())
            .on_conflict(unless_there)
            .exec_without_returning(&transaction)
            .await?;
        let row = setting::Entity::find_by_id(name.to_owned())
            .lock_exclusive()
            .one(&transaction)
            .await?
            .ok_or_else(|| StoreError::unreadable("setting", "a row has vanished"))?;
        if !is_first || expected.is_some_and(|expected| expected != row.version) {
            transaction.rollback().await?;
            return Ok(None);
        }
        let written = setting::Model {
            value,
            version: row.version + 1,
            updated_at: now.millis(),
            ..row
        };
        let columns = [
            setting::Column::Value,
            setting::Column::Version,
            setting::Column::UpdatedAt,
        ];
        let rows = vec![written.clone().into_active_model()];
        dialect::rewrite::<setting::Entity>(&transaction, rows, &columns).await?;
        transaction.commit().await?;
        Ok(Some(written.into()))
    }
}
