//! Reading resources, and writing those that no process is at work on.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use drover_domain::resource::Version;
use drover_domain::write::Passed;
use drover_domain::{Resource, ResourceId, ResourceType, Role, State, Timestamp};
use sea_orm::{
    ColumnTrait, DatabaseConnection, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::changes::Passing;
use crate::credentials::Grant;
use crate::dialect::Together;
use crate::entities::{Direct, credential, resource};
use crate::{
    Attached, CredentialKind, Issued, Mutated, Store, StoreError, changes, credentials, dialect,
    hosts, intents,
};

/// Which resources to list, oldest first.
#[derive(Clone, Debug)]
pub struct ResourceFilter {
    /// Only this type.
    pub resource_type: ResourceType,
    /// Only of this project.
    pub project: Option<ResourceId>,
    /// Only of this name.
    pub name: Option<String>,
    /// Only in one of these states, if any are given.
    pub states: Vec<State>,
    /// Only on this host.
    pub host: Option<ResourceId>,
    /// Also what was removed.
    pub with_removed: bool,
    /// Only what comes after this one.
    pub after: Option<ResourceId>,
    /// At most so many.
    pub limit: u64,
}

impl ResourceFilter {
    /// All of a type that is not removed.
    pub fn all(resource_type: ResourceType, limit: u64) -> Self {
        Self {
            resource_type,
            project: None,
            name: None,
            states: Vec::new(),
            host: None,
            with_removed: false,
            after: None,
            limit,
        }
    }
}

/// A resource that several may have read together, or why its row cannot be read.
pub(crate) type Read = Result<Arc<Resource>, StoreError>;

/// Reads the resources of some ids, those that there are, in one statement.
pub(crate) async fn look_up(
    database: &DatabaseConnection,
    ids: &[ResourceId],
) -> Result<Vec<Option<Read>>, StoreError> {
    let found = rows_of(database, ids.iter().copied()).await?;
    let found: HashMap<ResourceId, Read> = found
        .into_iter()
        .map(|(id, row)| (id, row.map(Arc::new)))
        .collect();
    Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
}

/// Reads the resources of some ids, those that there are, with what cannot be read of them.
pub(crate) async fn rows_of(
    database: &DatabaseConnection,
    ids: impl Iterator<Item = ResourceId>,
) -> Result<Vec<(ResourceId, Result<Resource, StoreError>)>, StoreError> {
    let distinct: BTreeSet<_> = ids.map(ResourceId::uuid).collect();
    let backend = database.get_database_backend();
    let rows = resource::Entity::find()
        .filter(dialect::is_one_of(backend, resource::Column::Id, distinct))
        .into_model::<Direct>()
        .all(database)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.read)).collect())
}

impl Store {
    /// One resource, if it exists and is of the type. Those that are asked for at the same time are
    /// read together, each after it was asked for.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn shared_resource(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
    ) -> Result<Option<Arc<Resource>>, StoreError> {
        let read = self.resources.submit(id).await?.transpose()?;
        Ok(read.filter(|resource| resource.resource_type() == resource_type))
    }

    /// The resources of some ids, of whatever types, those that there are. One query.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn resources_of(
        &self,
        ids: impl IntoIterator<Item = ResourceId>,
    ) -> Result<HashMap<ResourceId, Resource>, StoreError> {
        let rows = rows_of(&self.reader, ids.into_iter()).await?;
        let read = rows.into_iter().map(|(id, row)| Ok((id, row?)));
        read.collect()
    }

    /// One resource, if it exists and is of the type, as of [`Store::shared_resource`].
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn resource(
        &self,
        resource_type: ResourceType,
        id: ResourceId,
    ) -> Result<Option<Resource>, StoreError> {
        let read = self.shared_resource(resource_type, id).await?;
        Ok(read.map(Arc::unwrap_or_clone))
    }

    /// The resources that pass a filter.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn resources(&self, filter: &ResourceFilter) -> Result<Vec<Resource>, StoreError> {
        let mut query = resource::Entity::find()
            .filter(resource::Column::ResourceType.eq(filter.resource_type.as_str()))
            .order_by_asc(resource::Column::Id)
            .limit(filter.limit);
        if let Some(project) = filter.project {
            query = query.filter(resource::Column::ProjectId.eq(project.uuid()));
        }
        if let Some(name) = &filter.name {
            query = query.filter(resource::Column::Name.eq(name));
        }
        if !filter.states.is_empty() {
            let states = filter.states.iter().map(|state| state.as_str());
            query = query.filter(resource::Column::State.is_in(states));
        }
        if let Some(host) = filter.host {
            query = query.filter(resource::Column::HostId.eq(host.uuid()));
        }
        if !filter.with_removed {
            query = query.filter(resource::Column::RemovedAt.is_null());
        }
        if let Some(after) = filter.after {
            query = query.filter(resource::Column::Id.gt(after.uuid()));
        }
        query
            .all(&self.reader)
            .await?
            .into_iter()
            .map(Resource::try_from)
            .collect()
    }

    /// Inserts a resource that needs no work to exist, and writes down what is attached.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn insert(&self, new: &Resource, attached: Attached) -> Result<Mutated, StoreError> {
        Ok(match self.insert_with(new, None, attached).await? {
            true => Mutated::Done,
            false => Mutated::Repeated,
        })
    }

    /// Inserts a registration token, with the credential that it is, and writes down what is attached.
    /// None if that was repeated.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn insert_token(
        &self,
        new: &Resource,
        now: Timestamp,
        attached: Attached,
    ) -> Result<Option<Issued>, StoreError> {
        let kind = CredentialKind::RegistrationToken;
        let (issued, row) = credentials::issue(Grant::of(kind, Some(new.id), Role::Agent), now);
        let is_done = self.insert_with(new, Some(row), attached).await?;
        Ok(is_done.then_some(issued))
    }

    async fn insert_with(
        &self,
        new: &Resource,
        credential: Option<credential::Model>,
        attached: Attached,
    ) -> Result<bool, StoreError> {
        let Some(transaction) = attached.begin(&self.writer).await? else {
            return Ok(false);
        };
        if let Some(credential) = credential {
            credential::Entity::insert(credential.into_active_model())
                .exec_without_returning(&transaction)
                .await?;
        }
        resource::Entity::insert(resource::Model::active(new)?)
            .exec_without_returning(&transaction)
            .await?;
        let passed = [Passed {
            state: new.state,
            version: new.version,
        }];
        let mut together = Together::begin(&transaction);
        changes::append(&mut together, [Passing::of(new, &passed)].into_iter()).await?;
        together.run().await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Rewrites a resource outside of any process, if it still has the version that was read, and
    /// writes down what is attached. What containers may take of a host follows with its row.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn rewrite(
        &self,
        changed: &Resource,
        expected: Version,
        attached: Attached,
    ) -> Result<Mutated, StoreError> {
        let Some(transaction) = attached.begin(&self.writer).await? else {
            return Ok(Mutated::Repeated);
        };
        let ids = [changed.id.uuid()].into();
        let mut locked = changes::lock_with_labels(&transaction, ids).await?;
        let Some((version, labels_before)) = locked.remove(&changed.id) else {
            transaction.rollback().await?;
            return Ok(Mutated::Moved);
        };
        if version != expected {
            transaction.rollback().await?;
            return Ok(Mutated::Moved);
        }
        let rows = vec![resource::Model::active(changed)?];
        let mut together = Together::begin(&transaction);
        together
            .rewrite::<resource::Entity>(rows, resource::CHANGING)
            .await?;
        let passed = [Passed {
            state: changed.state,
            version: changed.version,
        }];
        let passing = Passing {
            labels_before: Some(&labels_before),
            ..Passing::of(changed, &passed)
        };
        changes::append(&mut together, [passing].into_iter()).await?;
        together.run().await?;
        hosts::rewrite_room(&transaction, changed).await?;
        transaction.commit().await?;
        Ok(Mutated::Done)
    }

    /// Rewrites resources outside of any process, each if it still has the version that was read, in one
    /// transaction, and gives those that were written. What the resources bear in labels is not for this
    /// to change.
    ///
    /// # Errors
    /// When the database cannot be reached; nothing was written then.
    pub async fn rewrite_all(
        &self,
        changed: Vec<(Resource, Version)>,
    ) -> Result<Vec<Resource>, StoreError> {
        let transaction = dialect::begin(&self.writer).await?;
        let ids = changed.iter().map(|(resource, _)| resource.id.uuid());
        let versions = intents::lock_resources(&transaction, ids.collect()).await?;
        let written: Vec<Resource> = changed
            .into_iter()
            .filter(|(resource, expected)| versions.get(&resource.id) == Some(expected))
            .map(|(resource, _)| resource)
            .collect();
        if written.is_empty() {
            transaction.rollback().await?;
            return Ok(written);
        }
        let rows: Result<Vec<_>, _> = written.iter().map(resource::Model::active).collect();
        let passed: Vec<[Passed; 1]> = written
            .iter()
            .map(|resource| {
                [Passed {
                    state: resource.state,
                    version: resource.version,
                }]
            })
            .collect();
        let mut together = Together::begin(&transaction);
        together
            .rewrite::<resource::Entity>(rows?, resource::MOVING)
            .await?;
        let passing = written.iter().zip(&passed);
        let passing = passing.map(|(resource, passed)| Passing::of(resource, passed));
        changes::append(&mut together, passing).await?;
        together.run().await?;
        transaction.commit().await?;
        Ok(written)
    }
}
