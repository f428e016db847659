//! Sessions: what a person who has logged in shows with each request.
//!
//! A session reads `<id>_<secret>`, as a credential does; what is kept is the SHA-256 of the secret.
//! What guards against other sites that make a browser speak for the person is a token of the
//! same secret, so that nothing more has to be kept: whoever is told it can be told it again, and
//! whoever cannot read answers cannot make it up.
//!
//! What a session may do is what its account may at that moment: both are read with each request.

use std::fmt;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drover_domain::{Resource, ResourceId, ResourceType, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{
    ColumnTrait, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};
use sha2::{Digest, Sha256};

use crate::entities::session;
use crate::{Attached, Store, StoreError, credentials, dialect};

/// Keeps the token apart from anything else that is ever made of the secret.
const TOKEN_CONTEXT: &[u8] = b"drover session csrf token 1\0";

/// A session as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// The account that it acts for.
    pub account: ResourceId,
    /// When it began.
    pub created: Timestamp,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// Where it was begun from.
    pub from: Option<String>,
    /// The program that it was begun with, as that called itself.
    pub user_agent: Option<String>,
}

/// The text of a session that has just begun, or is shown.
pub struct SessionText {
    id: Uuid,
    secret: String,
}

impl SessionText {
    /// Takes apart a text; none if it is not of the form that sessions have.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.split_once('_')?;
        Some(Self {
            id: Uuid::try_parse(id).ok()?,
            secret: secret.to_owned(),
        })
    }

    /// The text to hand to whoever will hold it.
    pub fn reveal(&self) -> String {
        format!("{}_{}", self.id.simple(), self.secret)
    }

    /// What must be shown beside it by whoever wants to change something.
    pub fn token(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.token_hash())
    }

    /// Whether a token is the one of this session.
    pub fn has_token(&self, token: &str) -> bool {
        // Comparing hashes leaks, at most, how much of a hash was guessed.
        Sha256::digest(token.as_bytes()) == Sha256::digest(self.token().as_bytes())
    }

    fn token_hash(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(TOKEN_CONTEXT);
        hasher.update(self.secret.as_bytes());
        hasher.finalize().into()
    }

    fn hash(&self) -> Vec<u8> {
        Sha256::digest(self.secret.as_bytes()).to_vec()
    }
}

impl fmt::Debug for SessionText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SessionText({})", self.id)
    }
}

impl Store {
    /// The session that was shown, and its account; none if there is no such session, its time is
    /// over, or its account is gone. Two reads by their keys.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn session(
        &self,
        shown: &SessionText,
        now: Timestamp,
    ) -> Result<Option<(Session, Resource)>, StoreError> {
        let row = session::Entity::find_by_id(shown.id)
            .one(&self.reader)
            .await?;
        let row = row
            .filter(|row| row.hash == shown.hash())
            .filter(|row| row.expires_at > now.millis());
        let Some(row) = row else { return Ok(None) };
        let session = Session::from(row);
        let account = self
            .resource(ResourceType::Account, session.account)
            .await?
            .filter(|account| account.removed.is_none());
        Ok(account.map(|account| (session, account)))
    }

    /// Ends a session, at once, and writes down what is attached. False if there is none.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn end_session(&self, id: Uuid, attached: Attached) -> Result<bool, StoreError> {
        let transaction = dialect::begin(&self.writer).await?;
        attached.write(&transaction).await?;
        let ended = session::Entity::delete_by_id(id).exec(&transaction).await?;
        if ended.rows_affected == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        transaction.commit().await?;
        Ok(true)
    }

    /// Deletes sessions that ended before a moment, oldest first, at most `limit`, and tells how
    /// many there were.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forget_sessions(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let old = session::Entity::find()
            .filter(session::Column::ExpiresAt.lt(before.millis()))
            .order_by_asc(session::Column::ExpiresAt)
            .limit(limit);
        self.forget(old, session::Column::Id).await
    }
}

/// A new session and its text.
pub(crate) async fn begin(
    transaction: &DatabaseTransaction,
    account: ResourceId,
    (now, expires): (Timestamp, Timestamp),
    (from, user_agent): (Option<IpAddr>, Option<String>),
) -> Result<(Session, SessionText), StoreError> {
    let (secret, hash) = credentials::secret();
    let row = session::Model {
        id: Uuid::now_v7(),
        account_id: account.uuid(),
        hash: hash.to_vec(),
        created_at: now.millis(),
        expires_at: expires.millis(),
        from_address: from.map(|from| from.to_string()),
        user_agent,
    };
    session::Entity::insert(row.clone().into_active_model())
        .exec_without_returning(transaction)
        .await?;
    let text = SessionText { id: row.id, secret };
    Ok((row.into(), text))
}

/// Ends the sessions of an account, but for one that may go on.
pub(crate) async fn end_all(
    transaction: &DatabaseTransaction,
    account: ResourceId,
    stays: Option<Uuid>,
) -> Result<(), StoreError> {
    let mut ended =
        session::Entity::delete_many().filter(session::Column::AccountId.eq(account.uuid()));
    if let Some(stays) = stays {
        ended = ended.filter(session::Column::Id.ne(stays));
    }
    ended.exec(transaction).await?;
    Ok(())
}

impl From<session::Model> for Session {
    fn from(row: session::Model) -> Self {
        Self {
            id: row.id,
            account: ResourceId::new(row.account_id),
            created: Timestamp::from_millis(row.created_at),
            expires: Timestamp::from_millis(row.expires_at),
            from: row.from_address,
            user_agent: row.user_agent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_its_session_only_and_does_not_give_the_secret_away() {
        let (secret, _) = credentials::secret();
        let text = SessionText {
            id: Uuid::now_v7(),
            secret,
        };
        let shown = SessionText::parse(&text.reveal()).unwrap();
        assert!(shown.has_token(&text.token()));
        assert!(!shown.has_token(""));
        assert!(!shown.has_token(&text.secret));
        assert!(!text.token().contains(&text.secret));
        assert!(!format!("{text:?}").contains(&text.secret));
        let (secret, _) = credentials::secret();
        let other = SessionText { secret, ..shown };
        assert!(!other.has_token(&text.token()));
    }
}
