//! Credentials: made here, shown once, kept as hashes.
//!
//! A credential reads `<prefix>_<id>_<secret>`: the id finds the row, the secret is 256 random bits
//! of which the SHA-256 is compared. The text never appears in a log or an error: the types that
//! hold it print nothing of it.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drover_domain::{ResourceId, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter,
};
use sha2::{Digest, Sha256};

use crate::entities::credential;
use crate::{Store, StoreError, dialect};

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
    const fn as_str(self) -> &'static str {
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

/// What the holder of a credential may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    Operator,
    /// What agents may do.
    Agent,
}

impl Role {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Agent => "agent",
        }
    }

    fn parse(text: &str) -> Result<Self, StoreError> {
        match text {
            "operator" => Ok(Self::Operator),
            "agent" => Ok(Self::Agent),
            _ => Err(StoreError::unreadable("credential", "the role is unknown")),
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

/// A credential that does not count yet.
pub struct Draft(credential::ActiveModel);

/// A credential as somebody shows it: of the right form, not yet checked.
pub struct Presented {
    id: Uuid,
    hash: [u8; 32],
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
}

/// A credential that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its id.
    pub id: Uuid,
    /// The resource that it speaks for, if any.
    pub owner: Option<ResourceId>,
    /// What its holder may do.
    pub role: Role,
}

/// A new credential and its row.
pub(crate) fn issue(
    kind: CredentialKind,
    owner: Option<ResourceId>,
    role: Role,
    now: Timestamp,
) -> (Issued, credential::ActiveModel) {
    let id = Uuid::now_v7();
    let bytes: [u8; 32] = rand::random();
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let row = credential::Model {
        id,
        kind: kind.as_str().to_owned(),
        owner_id: owner.map(ResourceId::uuid),
        role: role.as_str().to_owned(),
        hash: Sha256::digest(secret.as_bytes()).to_vec(),
        created_at: now.millis(),
    };
    let text = format!("{}_{}_{secret}", kind.prefix(), id.simple());
    (Issued { id, text }, row.into_active_model())
}

/// Checks a credential inside a transaction or outside of one.
pub(crate) async fn verify(
    database: &impl ConnectionTrait,
    kind: CredentialKind,
    presented: &Presented,
) -> Result<Option<Verified>, StoreError> {
    let row = credential::Entity::find_by_id(presented.id)
        .one(database)
        .await?;
    check(row, kind, presented)
}

/// Reads the credentials of some ids, those that there are, in one statement.
pub(crate) async fn look_up(
    database: &DatabaseConnection,
    ids: Vec<Uuid>,
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

fn check(
    row: Option<credential::Model>,
    kind: CredentialKind,
    presented: &Presented,
) -> Result<Option<Verified>, StoreError> {
    let row = row.filter(|row| row.kind == kind.as_str());
    // Comparing hashes leaks, at most, how much of a hash was guessed.
    let row = row.filter(|row| row.hash == presented.hash);
    row.map(|row| {
        Ok(Verified {
            id: row.id,
            owner: row.owner_id.map(ResourceId::new),
            role: Role::parse(&row.role)?,
        })
    })
    .transpose()
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
        let (issued, row) = issue(kind, owner, role, now);
        credential::Entity::insert(row)
            .exec_without_returning(&self.writer)
            .await?;
        Ok(issued)
    }

    /// Makes a credential that does not count yet, so that its text can be kept somewhere first.
    pub fn draft(
        &self,
        kind: CredentialKind,
        owner: Option<ResourceId>,
        role: Role,
        now: Timestamp,
    ) -> (Issued, Draft) {
        let (issued, row) = issue(kind, owner, role, now);
        (issued, Draft(row))
    }

    /// Lets a credential count from now on.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn admit(&self, draft: Draft) -> Result<(), StoreError> {
        credential::Entity::insert(draft.0)
            .exec_without_returning(&self.writer)
            .await?;
        Ok(())
    }

    /// Checks a credential; none if there is no such credential. Credentials that are shown at the
    /// same time are looked up together, each after it was shown: one that was revoked before is
    /// never taken for good.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn verify(
        &self,
        kind: CredentialKind,
        presented: &Presented,
    ) -> Result<Option<Verified>, StoreError> {
        let row = self.credentials.submit(presented.id).await?;
        check(row, kind, presented)
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
        let (issued, row) = issue(CredentialKind::ApiKey, None, Role::Operator, now);
        let printed = format!("{issued:?}");
        let text = issued.into_text();
        let secret = text.rsplit('_').next().unwrap();
        assert!(!printed.contains(secret));
        let presented = Presented::parse(CredentialKind::ApiKey, &text).unwrap();
        assert_eq!(row.hash.unwrap(), presented.hash.to_vec());
        assert!(Presented::parse(CredentialKind::Agent, &text).is_none());
    }

    #[test]
    fn a_secret_may_contain_the_separator() {
        let text = format!("drv_{}_ab_cd", Uuid::nil().simple());
        let presented = Presented::parse(CredentialKind::ApiKey, &text).unwrap();
        assert_eq!(presented.hash, <[u8; 32]>::from(Sha256::digest(b"ab_cd")));
    }
}
