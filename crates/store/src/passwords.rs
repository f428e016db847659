//! Passwords: kept as slow, salted hashes, and checked away from the threads that serve others.
//!
//! A hash costs 19 MiB and some ten milliseconds on purpose. So only as many are made at the same
//! time as there are permits, and whoever waits too long for one is told to come back. A check
//! without a hash to compare with costs as much as one with it: how long an answer takes does not
//! tell whether there is such an account.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use drover_domain::{ResourceId, ResourceType, Timestamp};
use sea_orm::sea_query::OnConflict;
use sea_orm::{DatabaseTransaction, EntityTrait, IntoActiveModel, QuerySelect};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use uuid::Uuid;

use crate::entities::password;
use crate::{Attached, Mutated, Store, StoreError, removals, sessions};

/// Hashes that are made at the same time.
const AT_ONCE: usize = 2;
/// How long to wait for a permit.
const PATIENCE: Duration = Duration::from_secs(5);

/// Argon2id with 19 MiB, two passes and one lane: the first of the settings that OWASP's "Password
/// Storage Cheat Sheet" recommends, and the defaults of the crate.
const PARAMETERS: Params = Params::DEFAULT;

/// What is compared with where there is no hash.
static NOBODYS: LazyLock<Option<String>> = LazyLock::new(|| hash("nobody knows this one").ok());

/// Makes and checks hashes, a few at a time. Clones share their permits.
#[derive(Clone)]
pub(crate) struct Hashing {
    permits: Arc<Semaphore>,
}

impl Default for Hashing {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Hashing {
    /// The hash of a password.
    pub(crate) async fn hash(&self, password: String) -> Result<String, StoreError> {
        self.compute(move || hash(&password)).await?
    }

    /// Whether a password is the one that was hashed. Without a hash it is not, after as much work.
    pub(crate) async fn check(
        &self,
        password: String,
        known: Option<String>,
    ) -> Result<bool, StoreError> {
        self.compute(move || is_right(&password, known.as_deref()))
            .await
    }

    async fn compute<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, StoreError> {
        let permit = timeout(PATIENCE, self.permits.clone().acquire_owned())
            .await
            .map_err(|_| StoreError::TimedOut(PATIENCE))?
            .map_err(|_| StoreError::Closed)?;
        let computing = tokio::task::spawn_blocking(move || {
            let computed = work();
            // Held until the work is done, whether anybody still waits for it or not.
            drop(permit);
            computed
        });
        computing.await.map_err(|_| StoreError::Closed)
    }
}

fn hash(password: &str) -> Result<String, StoreError> {
    let salt: [u8; 16] = rand::random();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, PARAMETERS);
    let hashed = argon2
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|error| StoreError::unreadable("password", error))?;
    Ok(hashed.to_string())
}

fn is_right(password: &str, known: Option<&str>) -> bool {
    let against = known.or(NOBODYS.as_deref()).unwrap_or_default();
    let is_equal = Argon2::default()
        .verify_password(password.as_bytes(), against)
        .is_ok();
    is_equal && known.is_some()
}

/// What a new password must find as it was.
#[derive(Clone, Copy, Debug)]
pub struct NewPassword {
    /// Whose it is.
    pub account: ResourceId,
    /// The session that goes on; all others of the account end.
    pub stays: Option<Uuid>,
    /// The present moment.
    pub now: Timestamp,
}

impl Store {
    /// Sets the password of an account and ends its sessions; moved if there is no such account.
    ///
    /// # Errors
    /// When the database cannot be reached, or too many passwords wait to be hashed.
    pub async fn set_password(
        &self,
        new: NewPassword,
        password: String,
        attached: Attached,
    ) -> Result<Mutated, StoreError> {
        let hash = self.hashing.hash(password).await?;
        let Some(transaction) = attached.begin(&self.writer).await? else {
            return Ok(Mutated::Repeated);
        };
        let account = removals::lock(&transaction, ResourceType::Account, new.account).await?;
        if account.is_none() {
            transaction.rollback().await?;
            return Ok(Mutated::Moved);
        }
        write(&transaction, new.account, hash, new.now).await?;
        sessions::end_all(&transaction, new.account, new.stays).await?;
        transaction.commit().await?;
        Ok(Mutated::Done)
    }
}

/// Writes the hash of a new password.
pub(crate) async fn write(
    transaction: &DatabaseTransaction,
    account: ResourceId,
    hash: String,
    now: Timestamp,
) -> Result<(), StoreError> {
    let row = password::Model {
        account_id: account.uuid(),
        hash,
        changed_at: now.millis(),
        last_login_at: None,
    };
    let replace = OnConflict::column(password::Column::AccountId)
        .update_columns([password::Column::Hash, password::Column::ChangedAt])
        .to_owned();
    password::Entity::insert(row.into_active_model())
        .on_conflict(replace)
        .exec_without_returning(transaction)
        .await?;
    Ok(())
}

/// Locks the password of an account, if it has one, and gives its hash.
pub(crate) async fn lock(
    transaction: &DatabaseTransaction,
    account: ResourceId,
) -> Result<Option<String>, StoreError> {
    let row = password::Entity::find_by_id(account.uuid())
        .lock_exclusive()
        .one(transaction)
        .await?;
    Ok(row.map(|row| row.hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other_is() {
        let hashed = hash("correct horse").unwrap();
        assert!(
            hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hashed}"
        );
        assert!(is_right("correct horse", Some(&hashed)));
        assert!(!is_right("correct Horse", Some(&hashed)));
        assert!(!is_right("nobody knows this one", None));
        assert_ne!(hash("correct horse").unwrap(), hashed, "each has its salt");
    }
}
