//! What containers refer to by its name: volumes and networks of their project.
//!
//! The database holds that a name means one thing in a project ([`NamedError::NameTaken`]). Who refers to
//! something stands in the containers themselves, so it is asked of them: the cost is that of looking at the
//! containers of the project that are not removed. It is asked when something is removed, and when the last
//! container that mounts a volume goes; never on the way of a container without volumes.

use drover_domain::resource::Version;
use drover_domain::{Resource, ResourceId, ResourceType, Timestamp};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::entities::resource;
use crate::removals::Target;
use crate::{Attached, Mutated, Store, StoreError, dialect, removals};

/// Why something with a name of its own was not written.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NamedError {
    /// Another one in the project has the name.
    #[error("the name is taken")]
    NameTaken,
    /// The database did not do it.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for NamedError {
    fn from(error: StoreError) -> Self {
        match error.is_taken() {
            true => Self::NameTaken,
            false => Self::Store(error),
        }
    }
}

/// What became of a network that was to be removed.
#[derive(Clone, Debug)]
pub enum NetworkRemoval {
    /// It is gone.
    Removed(Box<Resource>),
    /// These containers refer to it, or the first of them.
    InUse(Vec<String>),
    /// There is no such network, or not of the version.
    Missing,
}

impl Store {
    /// Inserts something whose name is its own in its project, and writes down what is attached.
    ///
    /// # Errors
    /// [`NamedError`], if that is in its way.
    pub async fn insert_named(
        &self,
        new: &Resource,
        attached: Attached,
    ) -> Result<Mutated, NamedError> {
        Ok(self.insert(new, attached).await?)
    }

    /// Rewrites something whose name is its own in its project, as [`Store::rewrite`] does.
    ///
    /// # Errors
    /// [`NamedError`], if that is in its way.
    pub async fn rewrite_named(
        &self,
        changed: &Resource,
        expected: Version,
        attached: Attached,
    ) -> Result<Mutated, NamedError> {
        Ok(self.rewrite(changed, expected, attached).await?)
    }

    /// Those of a type in a project that have one of some names and are not removed.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn named(
        &self,
        project: Option<ResourceId>,
        resource_type: ResourceType,
        names: &[&str],
    ) -> Result<Vec<Resource>, StoreError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let rows = in_project(project)
            .filter(resource::Column::ResourceType.eq(resource_type.as_str()))
            .filter(resource::Column::Name.is_in(names.iter().copied()))
            .order_by_asc(resource::Column::Id)
            .all(&self.lookups)
            .await?;
        rows.into_iter().map(Resource::try_from).collect()
    }

    /// The containers that refer to a volume or a network and are not removed, oldest first, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn users(
        &self,
        referred: &Resource,
        limit: u64,
    ) -> Result<Vec<Resource>, StoreError> {
        users(&self.lookups, referred, limit).await
    }

    /// Removes a network that no container refers to.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn remove_network(
        &self,
        target: impl Into<Target>,
        now: Timestamp,
        attached: Attached,
    ) -> Result<NetworkRemoval, StoreError> {
        let (target, kind) = (target.into(), ResourceType::Network);
        let transaction = dialect::begin(&self.writer).await?;
        attached.write(&transaction).await?;
        let Some(network) = removals::lock_target(&transaction, kind, target).await? else {
            transaction.rollback().await?;
            return Ok(NetworkRemoval::Missing);
        };
        let users = users(&transaction, &network, NAMED).await?;
        if !users.is_empty() {
            transaction.rollback().await?;
            return Ok(NetworkRemoval::InUse(names(users)));
        }
        let mut removed = removals::remove(&transaction, vec![network], now).await?;
        transaction.commit().await?;
        Ok(removed.pop().map_or(NetworkRemoval::Missing, |removed| {
            NetworkRemoval::Removed(Box::new(removed))
        }))
    }
}

/// The most containers that are named where something is in use.
const NAMED: u64 = 5;

/// What people know containers by.
fn names(containers: Vec<Resource>) -> Vec<String> {
    let name = |container: Resource| match container.name.is_empty() {
        true => container.id.to_string(),
        false => container.name,
    };
    containers.into_iter().map(name).collect()
}

fn in_project(project: Option<ResourceId>) -> Select<resource::Entity> {
    let project = match project {
        Some(project) => resource::Column::ProjectId.eq(project.uuid()),
        None => resource::Column::ProjectId.is_null(),
    };
    resource::Entity::find()
        .filter(project)
        .filter(resource::Column::RemovedAt.is_null())
}

async fn users(
    database: &impl ConnectionTrait,
    referred: &Resource,
    limit: u64,
) -> Result<Vec<Resource>, StoreError> {
    let within = match referred.resource_type() {
        ResourceType::Volume => ("volumes", "volume"),
        ResourceType::Network => ("networks", "network"),
        _ => return Ok(Vec::new()),
    };
    let refers = dialect::is_among(
        database.get_database_backend(),
        &resource::Column::Spec,
        within,
        &referred.name,
    );
    let rows = in_project(referred.project)
        .filter(resource::Column::ResourceType.eq(ResourceType::Container.as_str()))
        .filter(refers)
        .order_by_asc(resource::Column::Id)
        .limit(limit)
        .all(database)
        .await?;
    rows.into_iter().map(Resource::try_from).collect()
}
