//! Accounts: made, changed and removed together with what they carry.
//!
//! What an account may never outlives in a key or a session that the account does not: whatever takes
//! something from an account ends its sessions and revokes the keys that it does not cover any more,
//! in the same transaction. A new key is made under the lock of its account, so that none slips in
//! between. A change costs a read of the keys of the account, of which there are few.

use drover_domain::resource::{AccountSpec, Details, Version};
use drover_domain::{Resource, ResourceId, ResourceType, Role, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseTransaction, DbErr, EntityTrait, QueryFilter, SqlErr,
};

use crate::entities::{credential, password, resource};
use crate::removals::Target;
use crate::{Attached, CredentialKind, Store, StoreError, dialect, passwords, removals, sessions};

/// Why an account was not made or changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AccountError {
    /// Another account has the name.
    #[error("there is another account of this name")]
    NameTaken,
    /// An answer was kept under its key already: nothing was changed.
    #[error("the request was answered before")]
    Repeated,
    /// It was written since it was read, or is gone.
    #[error("the account has changed meanwhile")]
    VersionMoved,
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DbErr> for AccountError {
    fn from(error: DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Makes an account, with a password if one is given.
    ///
    /// # Errors
    /// [`AccountError::NameTaken`] if another one that is not removed has the name.
    pub async fn make_account(
        &self,
        account: &Resource,
        password: Option<String>,
        attached: Attached,
    ) -> Result<(), AccountError> {
        let hash = match password {
            Some(password) => Some(self.hashing.hash(password).await?),
            None => None,
        };
        let Some(transaction) = attached.begin(&self.writer).await? else {
            return Err(AccountError::Repeated);
        };
        insert(&transaction, account).await?;
        if let Some(hash) = hash {
            passwords::write(&transaction, account.id, hash, account.created).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Rewrites an account that still has the version that was read. If it may less than before, its
    /// sessions end and the keys that it does not cover any more are revoked.
    ///
    /// # Errors
    /// [`AccountError`], if that is in its way.
    pub async fn change_account(
        &self,
        changed: &Resource,
        expected: Version,
        attached: Attached,
    ) -> Result<(), AccountError> {
        let Some(transaction) = attached.begin(&self.writer).await? else {
            return Err(AccountError::Repeated);
        };
        let before = removals::lock(&transaction, ResourceType::Account, changed.id).await?;
        let before = before
            .filter(|before| before.version == expected)
            .ok_or(AccountError::VersionMoved)?;
        let rows = std::slice::from_ref(changed);
        let rewritten = removals::rewrite(&transaction, rows, Some(&before.labels)).await;
        rewritten.map_err(name_taken)?;
        let (old, new) = (spec_of(&before)?, spec_of(changed)?);
        if may_less(old, new) {
            sessions::end_all(&transaction, changed.id, None).await?;
            let covered = |key: &Key| new.covers(key.role, key.project);
            revoke(&transaction, changed.id, covered, changed.updated).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Removes an account with its password, its sessions and its keys, and gives it as it is then;
    /// none if there is no such account, or not of the version.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn remove_account(
        &self,
        target: impl Into<Target>,
        now: Timestamp,
        attached: Attached,
    ) -> Result<Option<Resource>, StoreError> {
        let (target, kind) = (target.into(), ResourceType::Account);
        let id = target.id;
        let transaction = dialect::begin(&self.writer).await?;
        attached.write(&transaction).await?;
        let Some(account) = removals::lock_target(&transaction, kind, target).await? else {
            transaction.rollback().await?;
            return Ok(None);
        };
        sessions::end_all(&transaction, id, None).await?;
        password::Entity::delete_by_id(id.uuid())
            .exec(&transaction)
            .await?;
        revoke(&transaction, id, |_| false, now).await?;
        let mut removed = removals::remove(&transaction, vec![account], now).await?;
        transaction.commit().await?;
        Ok(removed.pop())
    }

    /// The account of a name, if there is one that is not removed.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn account_named(&self, name: &str) -> Result<Option<Resource>, StoreError> {
        let row = resource::Entity::find()
            .filter(resource::Column::ResourceType.eq(ResourceType::Account.as_str()))
            .filter(resource::Column::RemovedAt.is_null())
            .filter(resource::Column::Name.eq(name))
            .one(&self.reader)
            .await?;
        row.map(Resource::try_from).transpose()
    }

    /// Whether an account has a password, and can log in with it.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn has_password(&self, account: ResourceId) -> Result<bool, StoreError> {
        let row = password::Entity::find_by_id(account.uuid())
            .one(&self.reader)
            .await?;
        Ok(row.is_some())
    }
}

/// Inserts an account.
pub(crate) async fn insert(
    transaction: &DatabaseTransaction,
    account: &Resource,
) -> Result<(), AccountError> {
    spec_of(account)?;
    let inserted = removals::insert(transaction, account).await;
    inserted.map_err(name_taken)
}

/// What an account may.
pub(crate) fn spec_of(account: &Resource) -> Result<&AccountSpec, StoreError> {
    match &account.details {
        Details::Account { spec, .. } => Ok(spec),
        _ => Err(StoreError::unreadable("resource", "it is no account")),
    }
}

/// The only thing about accounts that the database holds to be unique is their name.
fn name_taken(error: StoreError) -> AccountError {
    let violated = match &error {
        StoreError::Refused { source } => source.sql_err(),
        _ => None,
    };
    match violated {
        Some(SqlErr::UniqueConstraintViolation(_)) => AccountError::NameTaken,
        _ => error.into(),
    }
}

fn may_less(old: &AccountSpec, new: &AccountSpec) -> bool {
    let is_demoted = old.operator && !new.operator;
    is_demoted
        || old.memberships.iter().any(|membership| {
            let role = Role::from(membership.role);
            !new.covers(role, Some(membership.project_id))
        })
}

/// What is known of a key by its credential.
struct Key {
    role: Role,
    project: Option<ResourceId>,
}

/// Revokes the keys of an account but for those that are covered.
async fn revoke(
    transaction: &DatabaseTransaction,
    account: ResourceId,
    is_covered: impl Fn(&Key) -> bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows = credential::Entity::find()
        .filter(credential::Column::AccountId.eq(account.uuid()))
        .filter(credential::Column::Kind.eq(CredentialKind::ApiKey.as_str()))
        .all(transaction)
        .await?;
    let uncovered = rows.into_iter().filter(|row| match row.role.parse() {
        Ok(role) => !is_covered(&Key {
            role,
            project: row.project_id.map(ResourceId::new),
        }),
        // A role that this release does not know is covered by nothing.
        Err(_) => true,
    });
    revoke_rows(transaction, uncovered.collect(), now).await
}

/// Revokes the keys of a project.
pub(crate) async fn revoke_keys_of_project(
    transaction: &DatabaseTransaction,
    project: ResourceId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let rows = credential::Entity::find()
        .filter(credential::Column::ProjectId.eq(project.uuid()))
        .filter(credential::Column::Kind.eq(CredentialKind::ApiKey.as_str()))
        .all(transaction)
        .await?;
    revoke_rows(transaction, rows, now).await
}

/// Deletes credentials, and marks as removed what is seen of them.
async fn revoke_rows(
    transaction: &DatabaseTransaction,
    rows: Vec<credential::Model>,
    now: Timestamp,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let owners = rows.iter().filter_map(|row| row.owner_id);
    let owners: Vec<ResourceId> = owners.map(ResourceId::new).collect();
    let keys = removals::lock_all(transaction, ResourceType::ApiKey, owners).await?;
    credential::Entity::delete_many()
        .filter(dialect::is_one_of(
            transaction.get_database_backend(),
            credential::Column::Id,
            ids,
        ))
        .exec(transaction)
        .await?;
    removals::remove(transaction, keys, now).await?;
    Ok(())
}
