//! Credentials for registries: resources of which the password is kept apart, and sealed.
//!
//! The row of the secret is written and deleted in the transactions of its resource. The database holds that
//! a project has one credential for a registry ([`RegistryCredentialError::RegistryTaken`]). The name to log
//! in with stands in both rows: with the password, so that nobody reads the one without the other while both
//! are changed.
//!
//! A password is opened only for a command that needs it ([`Store::registry_login`]): one query by an index.

use std::fmt;

use drover_domain::resource::{Details, RegistryCredentialSpec, Version};
use drover_domain::{Resource, ResourceId, ResourceType, Timestamp};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use crate::entities::registry_secret;
use crate::removals::Target;
use crate::sealing::SealError;
use crate::{Attached, Mutated, Store, StoreError, dialect, removals};

/// Who logs in at a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct RegistryLogin {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for RegistryLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RegistryLogin")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// Why a credential for a registry was not written, or its password not read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RegistryCredentialError {
    /// The project has one for the registry.
    #[error("the project has a credential for the registry")]
    RegistryTaken,
    /// The password cannot be sealed, or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The database did not do it.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for RegistryCredentialError {
    fn from(error: StoreError) -> Self {
        match error.is_taken() {
            true => Self::RegistryTaken,
            false => Self::Store(error),
        }
    }
}

impl From<DbErr> for RegistryCredentialError {
    fn from(error: DbErr) -> Self {
        StoreError::from(error).into()
    }
}

impl Store {
    /// Inserts a credential with its password, and writes down what is attached.
    ///
    /// # Errors
    /// [`RegistryCredentialError`], if that is in its way.
    pub async fn make_registry_credential(
        &self,
        new: &Resource,
        password: &str,
        attached: Attached,
    ) -> Result<Mutated, RegistryCredentialError> {
        let spec = spec_of(new)?;
        let row = registry_secret::Model {
            resource_id: new.id.uuid(),
            project_id: new.project.unwrap_or(new.id).uuid(),
            registry: spec.registry.clone(),
            username: spec.username.clone(),
            sealed: self.keyring.seal(new.id, password)?,
        };
        let Some(transaction) = attached.begin(&self.writer).await? else {
            return Ok(Mutated::Repeated);
        };
        removals::insert(&transaction, new).await?;
        registry_secret::Entity::insert(row.into_active_model())
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(Mutated::Done)
    }

    /// Rewrites a credential that still has the version that was read, with another password, and writes down
    /// what is attached.
    ///
    /// # Errors
    /// [`RegistryCredentialError`], if that is in its way.
    pub async fn set_registry_login(
        &self,
        changed: &Resource,
        expected: Version,
        password: &str,
        attached: Attached,
    ) -> Result<Mutated, RegistryCredentialError> {
        use registry_secret::Column;
        let username = spec_of(changed)?.username.clone();
        let sealed = self.keyring.seal(changed.id, password)?;
        let kind = ResourceType::RegistryCredential;
        let Some(transaction) = attached.begin(&self.writer).await? else {
            return Ok(Mutated::Repeated);
        };
        let target = Target {
            id: changed.id,
            version: Some(expected),
        };
        if removals::lock_target(&transaction, kind, target)
            .await?
            .is_none()
        {
            transaction.rollback().await?;
            return Ok(Mutated::Moved);
        }
        removals::rewrite(&transaction, std::slice::from_ref(changed), None).await?;
        registry_secret::Entity::update_many()
            .filter(Column::ResourceId.eq(changed.id.uuid()))
            .col_expr(Column::Username, Expr::value(username))
            .col_expr(Column::Sealed, Expr::value(sealed))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(Mutated::Done)
    }

    /// Removes a credential with its password, and gives it as it is then; none if there is none, or not of
    /// the version.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn remove_registry_credential(
        &self,
        target: impl Into<Target>,
        now: Timestamp,
        attached: Attached,
    ) -> Result<Option<Resource>, StoreError> {
        let (target, kind) = (target.into(), ResourceType::RegistryCredential);
        let transaction = dialect::begin(&self.writer).await?;
        attached.write(&transaction).await?;
        let Some(credential) = removals::lock_target(&transaction, kind, target).await? else {
            transaction.rollback().await?;
            return Ok(None);
        };
        registry_secret::Entity::delete_by_id(target.id.uuid())
            .exec(&transaction)
            .await?;
        let mut removed = removals::remove(&transaction, vec![credential], now).await?;
        transaction.commit().await?;
        Ok(removed.pop())
    }

    /// Who logs in at a registry for a project; none if nobody does.
    ///
    /// # Errors
    /// [`RegistryCredentialError::Seal`] when the password cannot be opened here, and when the database
    /// cannot be reached.
    pub async fn registry_login(
        &self,
        project: ResourceId,
        registry: &str,
    ) -> Result<Option<RegistryLogin>, RegistryCredentialError> {
        use registry_secret::Column;
        let row = registry_secret::Entity::find()
            .filter(Column::ProjectId.eq(project.uuid()))
            .filter(Column::Registry.eq(registry))
            .one(&self.lookups)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let owner = ResourceId::new(row.resource_id);
        Ok(Some(RegistryLogin {
            password: self.keyring.open(owner, &row.sealed)?,
            username: row.username,
        }))
    }

    /// Seals anew what is not sealed with the key that seals now, and tells how much that was. What cannot be
    /// opened is left as it is, and so is what is changed meanwhile.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn reseal(&self) -> Result<u64, StoreError> {
        use registry_secret::Column;
        let rows = registry_secret::Entity::find()
            .order_by_asc(Column::ResourceId)
            .all(&self.reader)
            .await?;
        let mut count = 0;
        for row in rows {
            if self.keyring.is_current(&row.sealed) {
                continue;
            }
            let owner = ResourceId::new(row.resource_id);
            let opened = self.keyring.open(owner, &row.sealed);
            let anew = opened.and_then(|secret| self.keyring.seal(owner, &secret));
            let anew = match anew {
                Ok(anew) => anew,
                Err(error) => {
                    tracing::warn!(%error, credential = %owner, "a password stays as it was sealed");
                    continue;
                }
            };
            let written = registry_secret::Entity::update_many()
                .filter(Column::ResourceId.eq(row.resource_id))
                .filter(Column::Sealed.eq(row.sealed))
                .col_expr(Column::Sealed, Expr::value(anew))
                .exec(&self.writer)
                .await?;
            count += written.rows_affected;
        }
        Ok(count)
    }
}

fn spec_of(credential: &Resource) -> Result<&RegistryCredentialSpec, StoreError> {
    match &credential.details {
        Details::RegistryCredential { spec } => Ok(spec),
        _ => Err(StoreError::unreadable("resource", "it is no credential")),
    }
}
