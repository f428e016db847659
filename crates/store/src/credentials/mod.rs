//! Credentials: made here, shown once, kept as hashes.
//!
//! A credential reads `<prefix>_<id>_<secret>`: the id finds the row, the secret is 256 random bits
//! of which the SHA-256 is compared. The text never appears in a log or an error: the types that
//! hold it print nothing of it.
//!
//! Whoever shows one is looked up each time, together with others who show theirs at that moment:
//! nothing is remembered, so what is revoked is refused at once by every server.

mod rotation;
mod uses;

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drover_domain::{ResourceId, Role, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter,
};
use sha2::{Digest, Sha256};

use crate::entities::credential;
use crate::{Store, StoreError, dialect};

pub(crate) use uses::Uses;

/// What a credential is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// A key of the public API.
    ApiKey,
    /// Lets agents register.
    RegistrationToken,
    /// Lets one agent connect.
    Agent,
}

impl CredentialKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ApiKey => "apiKey",
            Self::RegistrationToken => "registrationToken",
            Self::Agent => "agent",
        }
    }

    const fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "drv",
            Self::RegistrationToken => "drt",
            Self::Agent => "dra",
        }
    }
}

/// A credential that was just made. Its text can be read once.
pub struct Issued {
    id: Uuid,
    text: String,
}

impl Issued {
    /// The id under which it is known.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The text to hand to whoever will hold it. Nobody can be told it again.
    pub fn into_text(self) -> String {
        self.text
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Issued({})", self.id)
    }
}

/// A credential as somebody shows it: of the right form, not yet checked. Two are equal if the same
/// was shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Presented {
    id: Uuid,
    hash: [u8; 32],
}

impl fmt::Debug for Presented {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Presented({})", self.id)
    }
}

impl Presented {
    /// Takes apart a text; none if it is not of the form that the kind has.
    pub fn parse(kind: CredentialKind, text: &str) -> Option<Self> {
        let rest = text.strip_prefix(kind.prefix())?.strip_prefix('_')?;
        let (id, secret) = rest.split_once('_')?;
        let id = Uuid::try_parse(id).ok()?;
        Some(Self {
            id,
            hash: Sha256::digest(secret.as_bytes()).into(),
        })
    }

    /// Its id, which may be made up.
    pub fn id(&self) -> Uuid {
        self.id
    }
}

/// A credential that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its id.
    pub id: Uuid,
    /// The resource that it speaks for, or that is seen of it.
    pub owner: Option<ResourceId>,
    /// The account that it acts for; none for agents, and for keys from before there were accounts.
    pub account: Option<ResourceId>,
    /// The project that it is good for; none for everything.
    pub project: Option<ResourceId>,
    /// What its holder may do.
    pub role: Role,
    /// When it ends; never if absent.
    pub expires: Option<Timestamp>,
}

/// What a new credential is good for.
pub(crate) struct Grant {
    pub(crate) id: Uuid,
    pub(crate) kind: CredentialKind,
    pub(crate) owner: Option<ResourceId>,
    pub(crate) account: Option<ResourceId>,
    pub(crate) project: Option<ResourceId>,
    pub(crate) role: Role,
    pub(crate) expires: Option<Timestamp>,
}

impl Grant {
    /// Speaks for a resource, for ever and without an account.
    pub(crate) fn of(kind: CredentialKind, owner: Option<ResourceId>, role: Role) -> Self {
        Self {
            id: Uuid::now_v7(),
            kind,
            owner,
            account: None,
            project: None,
            role,
            expires: None,
        }
    }
}

/// A new secret, and what is kept of it.
pub(crate) fn secret() -> (String, [u8; 32]) {
    let bytes: [u8; 32] = rand::random();
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let hash = Sha256::digest(secret.as_bytes()).into();
    (secret, hash)
}

/// A new credential and its row.
pub(crate) fn issue(grant: Grant, now: Timestamp) -> (Issued, credential::Model) {
    let (id, kind) = (grant.id, grant.kind);
    let (secret, hash) = secret();
    let row = credential::Model {
        id,
        kind: kind.as_str().to_owned(),
        owner_id: grant.owner.map(ResourceId::uuid),
        role: grant.role.as_str().to_owned(),
        hash: hash.to_vec(),
        created_at: now.millis(),
        account_id: grant.account.map(ResourceId::uuid),
        project_id: grant.project.map(ResourceId::uuid),
        expires_at: grant.expires.map(Timestamp::millis),
        last_used_at: None,
    };
    let text = format!("{}_{}_{secret}", kind.prefix(), id.simple());
    (Issued { id, text }, row)
}

/// Checks a credential inside a transaction or outside of one.
pub(crate) async fn verify(
    database: &impl ConnectionTrait,
    kind: CredentialKind,
    presented: &Presented,
    now: Timestamp,
) -> Result<Option<Verified>, StoreError> {
    let row = credential::Entity::find_by_id(presented.id)
        .one(database)
        .await?;
    let known = recognise(row, kind, presented, now);
    known.as_ref().map(verified).transpose()
}

/// Reads the credentials of some ids, those that there are, in one statement.
pub(crate) async fn look_up(
    database: &DatabaseConnection,
    ids: &[Uuid],
) -> Result<Vec<Option<credential::Model>>, StoreError> {
    let distinct: BTreeSet<Uuid> = ids.iter().copied().collect();
    let backend = database.get_database_backend();
    let rows = credential::Entity::find()
        .filter(dialect::is_one_of(
            backend,
            credential::Column::Id,
            distinct,
        ))
        .all(database)
        .await?;
    let rows: HashMap<Uuid, credential::Model> =
        rows.into_iter().map(|row| (row.id, row)).collect();
    Ok(ids.iter().map(|id| rows.get(id).cloned()).collect())
}

/// The row, if it is of the credential that was shown and its time is not over.
fn recognise(
    row: Option<credential::Model>,
    kind: CredentialKind,
    presented: &Presented,
    now: Timestamp,
) -> Option<credential::Model> {
    row.filter(|row| row.kind == kind.as_str())
        // Comparing hashes leaks, at most, how much of a hash was guessed.
        .filter(|row| row.hash == presented.hash)
        .filter(|row| row.expires_at.is_none_or(|expires| expires > now.millis()))
}

fn verified(row: &credential::Model) -> Result<Verified, StoreError> {
    Ok(Verified {
        id: row.id,
        owner: row.owner_id.map(ResourceId::new),
        account: row.account_id.map(ResourceId::new),
        project: row.project_id.map(ResourceId::new),
        role: row
            .role
            .parse()
            .map_err(|error| StoreError::unreadable("credential", error))?,
        expires: row.expires_at.map(Timestamp::from_millis),
    })
}

impl Store {
    /// Makes a credential.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn issue(
        &self,
        kind: CredentialKind,
        owner: Option<ResourceId>,
        role: Role,
        now: Timestamp,
    ) -> Result<Issued, StoreError> {
        let (issued, row) = issue(Grant::of(kind, owner, role), now);
        credential::Entity::insert(row.into_active_model())
            .exec_without_returning(&self.writer)
            .await?;
        Ok(issued)
    }

    /// Checks a credential; none if there is no such credential or its time is over. Credentials
    /// that are shown at the same time are looked up together, each after it was shown: one that
    /// was revoked before is never taken for good.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn verify(
        &self,
        kind: CredentialKind,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<Option<Verified>, StoreError> {
        let row = self.credentials.submit(presented.id).await?;
        let Some(row) = recognise(row, kind, presented, now) else {
            return Ok(None);
        };
        if kind == CredentialKind::ApiKey {
            self.uses.note(&row, now);
        }
        verified(&row).map(Some)
    }

    /// Whether there is any credential of a kind.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn has_credential(&self, kind: CredentialKind) -> Result<bool, StoreError> {
        let count = credential::Entity::find()
            .filter(credential::Column::Kind.eq(kind.as_str()))
            .count(&self.reader)
            .await?;
        Ok(count > 0)
    }

    /// Revokes every credential of a resource, at once.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn revoke(&self, owner: ResourceId) -> Result<(), StoreError> {
        credential::Entity::delete_many()
            .filter(credential::Column::OwnerId.eq(owner.uuid()))
            .exec(&self.writer)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_issued_can_be_presented_and_is_not_printed() {
        let now = Timestamp::from_millis(0);
        let grant = Grant::of(CredentialKind::ApiKey, None, Role::Operator);
        let (issued, row) = issue(grant, now);
        let printed = format!("{issued:?}");
        let text = issued.into_text();
        let secret = text.splitn(3, '_').nth(2).unwrap();
        assert!(!printed.contains(secret));
        let presented = Presented::parse(CredentialKind::ApiKey, &text).unwrap();
        assert_eq!(row.hash, presented.hash.to_vec());
        assert!(Presented::parse(CredentialKind::Agent, &text).is_none());
    }

    #[test]
    fn a_secret_may_contain_the_separator() {
        let text = format!("drv_{}_ab_cd", Uuid::nil().simple());
        let presented = Presented::parse(CredentialKind::ApiKey, &text).unwrap();
        assert_eq!(presented.hash, <[u8; 32]>::from(Sha256::digest(b"ab_cd")));
    }
}
