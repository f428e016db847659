//! Removing projects.

use drover_domain::{Resource, ResourceId, ResourceType, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::entities::resource;
use crate::{Store, StoreError, accounts, dialect, removals};

/// What became of a project that was to be removed.
#[derive(Clone, Debug)]
pub enum ProjectRemoval {
    /// It is gone, and so are the keys that were good for it alone.
    Removed(Box<Resource>),
    /// It still has containers.
    InUse,
    /// There is no such project.
    Missing,
}

impl Store {
    /// Removes a project that has no containers, and revokes its keys.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn remove_project(
        &self,
        id: ResourceId,
        now: Timestamp,
    ) -> Result<ProjectRemoval, StoreError> {
        let transaction = dialect::begin(&self.writer).await?;
        let Some(project) = removals::lock(&transaction, ResourceType::Project, id).await? else {
            transaction.rollback().await?;
            return Ok(ProjectRemoval::Missing);
        };
        let container = resource::Entity::find()
            .filter(resource::Column::ProjectId.eq(id.uuid()))
            .filter(resource::Column::ResourceType.eq(ResourceType::Container.as_str()))
            .filter(resource::Column::RemovedAt.is_null())
            .one(&transaction)
            .await?;
        if container.is_some() {
            transaction.rollback().await?;
            return Ok(ProjectRemoval::InUse);
        }
        accounts::revoke_keys_of_project(&transaction, id, now).await?;
        let mut removed = removals::remove(&transaction, vec![project], now).await?;
        transaction.commit().await?;
        Ok(removed.pop().map_or(ProjectRemoval::Missing, |removed| {
            ProjectRemoval::Removed(Box::new(removed))
        }))
    }
}
