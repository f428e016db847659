//! API keys: a resource that can be seen, and a credential that counts, in one transaction.
//!
//! The key is known by one id as a resource and as a credential, so its text names what can be
//! revoked. What a key may is written into its credential, and is never more than its account may:
//! it is made under the lock of the account, and whatever takes something from the account revokes it
//! (see `accounts`).

use std::collections::{BTreeSet, HashMap};

use drover_domain::resource::{ApiKeySpec, Details};
use drover_domain::{Resource, ResourceId, ResourceType, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait,
};

use crate::credentials::{self, CredentialKind, Grant, Issued};
use crate::entities::{credential, password, resource};
use crate::{AccountError, Store, StoreError, accounts, dialect, removals};

/// A key that does not count yet, so that its text can be kept somewhere first.
pub struct NewKey {
    resource: Resource,
    spec: ApiKeySpec,
    row: credential::Model,
}

/// Why a key was not made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such account, or no such project.
    #[error("the {0} of the key is not there")]
    Missing(ResourceType),
    /// The account may less than the key should.
    #[error("the account may not as much as the key")]
    NotCovered,
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sea_orm::DbErr> for KeyError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl NewKey {
    /// A key of what its resource says, and the text to hand out; none if it is no key.
    pub fn draft(resource: Resource) -> Option<(Issued, Self)> {
        let Details::ApiKey { spec, .. } = &resource.details else {
            return None;
        };
        let spec = spec.clone();
        let grant = Grant {
            id: resource.id.uuid(),
            kind: CredentialKind::ApiKey,
            owner: Some(resource.id),
            account: Some(spec.account_id),
            project: resource.project,
            role: spec.role,
            expires: spec.expires,
        };
        let (issued, row) = credentials::issue(grant, resource.created);
        let key = Self {
            resource,
            spec,
            row,
        };
        Some((issued, key))
    }
}

impl Store {
    /// Lets a key count from now on, if its account covers it.
    ///
    /// # Errors
    /// [`KeyError`], if that is in its way.
    pub async fn make_key(&self, key: NewKey) -> Result<Resource, KeyError> {
        let transaction = dialect::begin(&self.writer).await?;
        let id = key.spec.account_id;
        let account = removals::lock(&transaction, ResourceType::Account, id).await?;
        let account = account.ok_or(KeyError::Missing(ResourceType::Account))?;
        if let Some(id) = key.resource.project {
            let project = removals::lock(&transaction, ResourceType::Project, id).await?;
            project.ok_or(KeyError::Missing(ResourceType::Project))?;
        }
        if !accounts::spec_of(&account)?.covers(key.spec.role, key.resource.project) {
            return Err(KeyError::NotCovered);
        }
        insert(&transaction, &key).await?;
        transaction.commit().await?;
        Ok(key.resource)
    }

    /// Makes an account together with its first key. False if another account has the name.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn make_first_key(
        &self,
        account: &Resource,
        key: NewKey,
    ) -> Result<bool, StoreError> {
        let transaction = dialect::begin(&self.writer).await?;
        match accounts::insert(&transaction, account).await {
            Ok(()) => {}
            Err(AccountError::Store(error)) => return Err(error),
            Err(AccountError::NameTaken | AccountError::VersionMoved) => return Ok(false),
        }
        insert(&transaction, &key).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Revokes a key, at once and everywhere, and gives it as it is then; none if there is no such
    /// key.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn remove_key(
        &self,
        id: ResourceId,
        now: Timestamp,
    ) -> Result<Option<Resource>, StoreError> {
        let transaction = dialect::begin(&self.writer).await?;
        let Some(key) = removals::lock(&transaction, ResourceType::ApiKey, id).await? else {
            transaction.rollback().await?;
            return Ok(None);
        };
        credential::Entity::delete_many()
            .filter(credential::Column::OwnerId.eq(id.uuid()))
            .exec(&transaction)
            .await?;
        let mut removed = removals::remove(&transaction, vec![key], now).await?;
        transaction.commit().await?;
        Ok(removed.pop())
    }

    /// The keys of an account that are not removed, oldest first, after one of them.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn keys_of(
        &self,
        account: ResourceId,
        after: Option<ResourceId>,
        limit: u64,
    ) -> Result<Vec<Resource>, StoreError> {
        let own = credential::Entity::find()
            .select_only()
            .column(credential::Column::OwnerId)
            .filter(credential::Column::AccountId.eq(account.uuid()))
            .into_query();
        let mut query = resource::Entity::find()
            .filter(resource::Column::Id.in_subquery(own))
            .filter(resource::Column::ResourceType.eq(ResourceType::ApiKey.as_str()))
            .filter(resource::Column::RemovedAt.is_null())
            .order_by_asc(resource::Column::Id)
            .limit(limit);
        if let Some(after) = after {
            query = query.filter(resource::Column::Id.gt(after.uuid()));
        }
        let rows = query.all(&self.reader).await?;
        rows.into_iter().map(Resource::try_from).collect()
    }

    /// When keys were last used and accounts last logged in, of those that ever were: one read by
    /// the keys of a table for each of the two types.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn last_uses(
        &self,
        resources: &[Resource],
    ) -> Result<HashMap<ResourceId, Timestamp>, StoreError> {
        let ids_of = |wanted: ResourceType| -> BTreeSet<Uuid> {
            let resources = resources.iter();
            let wanted = resources.filter(|resource| resource.resource_type() == wanted);
            wanted.map(|resource| resource.id.uuid()).collect()
        };
        let backend = self.reader.get_database_backend();
        let mut moments: Vec<(Uuid, Option<i64>)> = Vec::new();
        let keys = ids_of(ResourceType::ApiKey);
        if !keys.is_empty() {
            let rows = credential::Entity::find()
                .select_only()
                .columns([credential::Column::Id, credential::Column::LastUsedAt])
                .filter(dialect::is_one_of(backend, credential::Column::Id, keys))
                .into_tuple::<(Uuid, Option<i64>)>()
                .all(&self.reader);
            moments.extend(rows.await?);
        }
        let accounts = ids_of(ResourceType::Account);
        if !accounts.is_empty() {
            use password::Column;
            let rows = password::Entity::find()
                .select_only()
                .columns([Column::AccountId, Column::LastLoginAt])
                .filter(dialect::is_one_of(backend, Column::AccountId, accounts))
                .into_tuple::<(Uuid, Option<i64>)>()
                .all(&self.reader);
            moments.extend(rows.await?);
        }
        let known = moments.into_iter().filter_map(|(id, at)| Some((id, at?)));
        Ok(known
            .map(|(id, at)| (ResourceId::new(id), Timestamp::from_millis(at)))
            .collect())
    }
}

async fn insert(transaction: &DatabaseTransaction, key: &NewKey) -> Result<(), StoreError> {
    removals::insert(transaction, &key.resource).await?;
    credential::Entity::insert(key.row.clone().into_active_model())
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}
