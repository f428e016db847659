//! API keys: a resource that can be seen, and a credential that counts, in one transaction.
//!
//! The key is known by one id as a resource and as a credential, so its text names what can be
//! revoked. What a key may is written into its credential, and is never more than its account may:
//! it is made under the lock of the account, and whatever takes something from the account revokes it
//! (see `accounts`).

use std::collections::HashMap;

use drover_domain::resource::{ApiKeySpec, Details};
use drover_domain::{Resource, ResourceId, ResourceType, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect,
};

use crate::credentials::{self, CredentialKind, Grant, Issued};
use crate::entities::{credential, password};
use crate::removals::Target;
use crate::{AccountError, Attached, Store, StoreError, accounts, dialect, removals};

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
    /// An answer was kept under the key of the request already: nothing was changed.
    #[error("the request was answered before")]
    Repeated,
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
    pub async fn make_key(&self, key: NewKey, attached: Attached) -> Result<Resource, KeyError> {
        let Some(transaction) = attached.begin(&self.writer).await? else {
            return Err(KeyError::Repeated);
        };
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
            Err(_) => return Ok(false),
        }
        insert(&transaction, &key).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Revokes a key, at once and everywhere, and gives it as it is then; none if there is no such
    /// key, or not of the version.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn remove_key(
        &self,
        target: impl Into<Target>,
        now: Timestamp,
        attached: Attached,
    ) -> Result<Option<Resource>, StoreError> {
        self.remove_with_secrets(ResourceType::ApiKey, target.into(), now, attached)
            .await
    }

    /// Revokes a registration token in the same way. Agents that used it stay.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn remove_token(
        &self,
        target: impl Into<Target>,
        now: Timestamp,
        attached: Attached,
    ) -> Result<Option<Resource>, StoreError> {
        let kind = ResourceType::RegistrationToken;
        self.remove_with_secrets(kind, target.into(), now, attached)
            .await
    }

    async fn remove_with_secrets(
        &self,
        resource_type: ResourceType,
        target: Target,
        now: Timestamp,
        attached: Attached,
    ) -> Result<Option<Resource>, StoreError> {
        let transaction = dialect::begin(&self.writer).await?;
        attached.write(&transaction).await?;
        let Some(key) = removals::lock_target(&transaction, resource_type, target).await? else {
            transaction.rollback().await?;
            return Ok(None);
        };
        credential::Entity::delete_many()
            .filter(credential::Column::OwnerId.eq(target.id.uuid()))
            .exec(&transaction)
            .await?;
        let mut removed = removals::remove(&transaction, vec![key], now).await?;
        transaction.commit().await?;
        Ok(removed.pop())
    }

    /// When keys were last used, of those that ever were.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn last_uses(
        &self,
        keys: &[ResourceId],
    ) -> Result<HashMap<ResourceId, Timestamp>, StoreError> {
        use credential::Column;
        let rows: Vec<(Uuid, Option<i64>)> = credential::Entity::find()
            .select_only()
            .columns([Column::Id, Column::LastUsedAt])
            .filter(self.is_one_of(Column::Id, keys))
            .into_tuple()
            .all(&self.reader)
            .await?;
        Ok(moments(rows))
    }

    /// When accounts last logged in, of those that ever did.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn last_logins(
        &self,
        accounts: &[ResourceId],
    ) -> Result<HashMap<ResourceId, Timestamp>, StoreError> {
        use password::Column;
        let rows: Vec<(Uuid, Option<i64>)> = password::Entity::find()
            .select_only()
            .columns([Column::AccountId, Column::LastLoginAt])
            .filter(self.is_one_of(Column::AccountId, accounts))
            .into_tuple()
            .all(&self.reader)
            .await?;
        Ok(moments(rows))
    }

    fn is_one_of(&self, column: impl ColumnTrait, ids: &[ResourceId]) -> Expr {
        let backend = self.reader.get_database_backend();
        dialect::is_one_of(backend, column, ids.iter().copied().map(ResourceId::uuid))
    }
}

fn moments(rows: Vec<(Uuid, Option<i64>)>) -> HashMap<ResourceId, Timestamp> {
    let known = rows.into_iter().filter_map(|(id, at)| Some((id, at?)));
    known
        .map(|(id, at)| (ResourceId::new(id), Timestamp::from_millis(at)))
        .collect()
}

async fn insert(transaction: &DatabaseTransaction, key: &NewKey) -> Result<(), StoreError> {
    removals::insert(transaction, &key.resource).await?;
    credential::Entity::insert(key.row.clone().into_active_model())
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}
