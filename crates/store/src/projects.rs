//! Projects: which there are, and removing them.

use std::collections::BTreeSet;

use drover_domain::{Resource, ResourceId, ResourceType, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};

use crate::entities::resource;
use crate::removals::Target;
use crate::{Attached, Store, StoreError, accounts, dialect, removals};

/// What became of a project that was to be removed.
#[derive(Clone, Debug)]
pub enum ProjectRemoval {
    /// It is gone, and so are the keys that were good for it alone.
    Removed(Box<Resource>),
    /// It still has something that would be without a project.
    InUse,
    /// There is no such project.
    Missing,
}

impl Store {
    /// Those of some ids that are of projects which are not removed.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn projects_among(
        &self,
        ids: &[ResourceId],
    ) -> Result<BTreeSet<ResourceId>, StoreError> {
        if ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let backend = self.reader.get_database_backend();
        let wanted = ids.iter().copied().map(ResourceId::uuid);
        let known: Vec<Uuid> = resource::Entity::find()
            .select_only()
            .column(resource::Column::Id)
            .filter(dialect::is_one_of(backend, resource::Column::Id, wanted))
            .filter(resource::Column::ResourceType.eq(ResourceType::Project.as_str()))
            .filter(resource::Column::RemovedAt.is_null())
            .into_tuple()
            .all(&self.reader)
            .await?;
        Ok(known.into_iter().map(ResourceId::new).collect())
    }

    /// Removes a project that has nothing any more, and revokes its keys.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn remove_project(
        &self,
        target: impl Into<Target>,
        now: Timestamp,
        attached: Attached,
    ) -> Result<ProjectRemoval, StoreError> {
        let (target, kind) = (target.into(), ResourceType::Project);
        let id = target.id;
        let transaction = dialect::begin(&self.writer).await?;
        attached.write(&transaction).await?;
        let Some(project) = removals::lock_target(&transaction, kind, target).await? else {
            transaction.rollback().await?;
            return Ok(ProjectRemoval::Missing);
        };
        let kept = [
            ResourceType::Container,
            ResourceType::Volume,
            ResourceType::Network,
            ResourceType::RegistryCredential,
            ResourceType::Image,
        ];
        let left = resource::Entity::find()
            .filter(resource::Column::ProjectId.eq(id.uuid()))
            .filter(resource::Column::ResourceType.is_in(kept.map(ResourceType::as_str)))
            .filter(resource::Column::RemovedAt.is_null())
            .one(&transaction)
            .await?;
        if left.is_some() {
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
