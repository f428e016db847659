//! Removing what needs no work to be gone: a row that says so, in the transaction that takes away
//! what it stood for.

use drover_domain::resource::Version;
use drover_domain::write::Passed;
use drover_domain::{Resource, ResourceId, ResourceType, State, Timestamp};
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::changes::{Labels, Passing};
use crate::dialect::{self, Together};
use crate::entities::resource;
use crate::{StoreError, changes};

/// Locks a resource that is not removed, and reads it.
pub(crate) async fn lock(
    transaction: &DatabaseTransaction,
    resource_type: ResourceType,
    id: ResourceId,
) -> Result<Option<Resource>, StoreError> {
    Ok(lock_all(transaction, resource_type, [id]).await?.pop())
}

/// What is to be removed: whatever there is under an id, or one version of it only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: ResourceId,
    /// The version that it must still have.
    pub version: Option<Version>,
}

impl From<ResourceId> for Target {
    fn from(id: ResourceId) -> Self {
        Self { id, version: None }
    }
}

/// Locks what is to be removed, and reads it; none if it is not there, or has another version by now.
pub(crate) async fn lock_target(
    transaction: &DatabaseTransaction,
    resource_type: ResourceType,
    target: Target,
) -> Result<Option<Resource>, StoreError> {
    let found = lock(transaction, resource_type, target.id).await?;
    Ok(found.filter(|found| {
        target
            .version
            .is_none_or(|version| version == found.version)
    }))
}

/// Locks those resources of a type that are not removed, in the order of their ids, and reads them.
pub(crate) async fn lock_all(
    transaction: &DatabaseTransaction,
    resource_type: ResourceType,
    ids: impl IntoIterator<Item = ResourceId>,
) -> Result<Vec<Resource>, StoreError> {
    use sea_orm::ConnectionTrait;
    let backend = transaction.get_database_backend();
    let ids = ids.into_iter().map(ResourceId::uuid);
    let rows = resource::Entity::find()
        .filter(dialect::is_one_of(backend, resource::Column::Id, ids))
        .filter(resource::Column::ResourceType.eq(resource_type.as_str()))
        .filter(resource::Column::RemovedAt.is_null())
        .order_by_asc(resource::Column::Id)
        .lock_exclusive()
        .all(transaction)
        .await?;
    rows.into_iter().map(Resource::try_from).collect()
}

/// Marks resources as removed, which the caller has locked, and gives them as they are then.
pub(crate) async fn remove(
    transaction: &DatabaseTransaction,
    mut resources: Vec<Resource>,
    now: Timestamp,
) -> Result<Vec<Resource>, StoreError> {
    for resource in &mut resources {
        resource.state = State::Removed;
        resource.removed = Some(now);
        resource.updated = now;
        resource.version += 1;
    }
    rewrite(transaction, &resources, None).await?;
    Ok(resources)
}

/// Writes resources that the caller has locked, with a change record for each. Where the labels may
/// have changed, those from before are given.
pub(crate) async fn rewrite(
    transaction: &DatabaseTransaction,
    resources: &[Resource],
    labels_before: Option<&Labels>,
) -> Result<(), StoreError> {
    if resources.is_empty() {
        return Ok(());
    }
    let rows: Result<Vec<_>, _> = resources.iter().map(resource::Model::active).collect();
    let mut together = Together::begin(transaction);
    together
        .rewrite::<resource::Entity>(rows?, resource::CHANGING)
        .await?;
    tell(&mut together, resources, labels_before).await?;
    Ok(together.run().await?)
}

/// Writes a resource that is new, with its change record.
pub(crate) async fn insert(
    transaction: &DatabaseTransaction,
    new: &Resource,
) -> Result<(), StoreError> {
    resource::Entity::insert(resource::Model::active(new)?)
        .exec_without_returning(transaction)
        .await?;
    let mut together = Together::begin(transaction);
    tell(&mut together, std::slice::from_ref(new), None).await?;
    Ok(together.run().await?)
}

async fn tell(
    together: &mut Together<'_>,
    resources: &[Resource],
    labels_before: Option<&Labels>,
) -> Result<(), StoreError> {
    let state = |resource: &Resource| {
        [Passed {
            state: resource.state,
            version: resource.version,
        }]
    };
    let passed: Vec<[Passed; 1]> = resources.iter().map(state).collect();
    let passing = resources
        .iter()
        .zip(&passed)
        .map(|(resource, passed)| Passing {
            labels_before,
            ..Passing::of(resource, passed)
        });
    changes::append(together, passing).await
}
