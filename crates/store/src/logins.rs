//! Logging in, and the history of it.
//!
//! ```text
//!   attempt: a row that says "failed" --> too many before it? --> refused, the row is taken back
//!                                              | no
//!                                     password right? --> "succeeded", with a session, in one
//!                                                         transaction
//! ```
//!
//! The history is also what holds back those who guess, so that all servers agree and none has to
//! remember anything. An attempt is written down before it is looked at and counts as failed until it
//! has succeeded: of any number of attempts at the same moment, each sees those that were written
//! down before it, so no more come through at once than one after the other.
//!
//! A name is held back after [`FAILURES_OF_A_NAME`] failures since its last success, an address after
//! [`FAILURES_OF_AN_ADDRESS`] whatever else it did, each for as long as that many lie within
//! [`WINDOW`]. An attempt costs a few reads of at most that many rows, by an index.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use drover_domain::{Resource, ResourceId, ResourceType, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::entities::{login, password};
use crate::sessions::{self, Session, SessionText};
use crate::{Store, StoreError, dialect, passwords, removals};

/// How far back failures count.
pub const WINDOW: Duration = Duration::from_secs(15 * 60);
/// How often a name may fail in a row.
pub const FAILURES_OF_A_NAME: u64 = 5;
/// How often an address may fail.
pub const FAILURES_OF_AN_ADDRESS: u64 = 20;

/// The most characters that are kept of what a client says of itself.
const USER_AGENT_LIMIT: usize = 256;
/// The most characters that are kept of a name; no account has a longer one.
const NAME_LIMIT: usize = 128;

/// What became of an attempt to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginOutcome {
    /// A session began.
    Succeeded,
    /// There is no such account, or the password was another.
    Failed,
    /// The password was shown to change it.
    Confirmed,
}

impl LoginOutcome {
    /// The name that people and databases see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Confirmed => "confirmed",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let known = [Self::Succeeded, Self::Failed, Self::Confirmed];
        known.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// One attempt to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Its id; later attempts have greater ones.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// The name that was given.
    pub name: String,
    /// The account of that name, if there was one.
    pub account: Option<ResourceId>,
    /// Where it came from.
    pub from: Option<String>,
    /// The program that asked, as it called itself.
    pub user_agent: Option<String>,
    /// What became of it.
    pub outcome: LoginOutcome,
}

/// Which logins to read, newest first.
#[derive(Clone, Debug, Default)]
pub struct LoginFilter {
    /// Only of this account.
    pub account: Option<ResourceId>,
    /// Only what is older than this one.
    pub before: Option<Uuid>,
    /// At most so many.
    pub limit: u64,
}

/// A name and a password, and who shows them.
#[derive(Clone)]
pub struct Attempt {
    /// The name of the account.
    pub name: String,
    /// The password.
    pub password: String,
    /// Where it comes from.
    pub from: Option<IpAddr>,
    /// The program that asks, as it calls itself.
    pub user_agent: Option<String>,
    /// The present moment.
    pub now: Timestamp,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Attempt")
            .field("name", &self.name)
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// Why nobody was logged in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LoginError {
    /// There is no such account, or the password is another.
    #[error("the name or the password is wrong")]
    Refused,
    /// Too many attempts have failed lately.
    #[error("too many attempts have failed; the next one counts in {retry_after:?}")]
    Throttled {
        /// How long until the next one is looked at.
        retry_after: Duration,
    },
    /// The database did not do it, or too many passwords wait to be checked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sea_orm::DbErr> for LoginError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

/// Who has logged in.
#[derive(Debug)]
pub struct LoggedIn {
    /// The session that began.
    pub session: Session,
    /// What to show with each request.
    pub text: SessionText,
    /// The account.
    pub account: Resource,
}

/// An attempt whose password was right, but for what may have changed meanwhile.
struct Right {
    attempt: Uuid,
    account: ResourceId,
    hash: String,
}

impl Store {
    /// Begins a session for whoever knows a name and its password.
    ///
    /// # Errors
    /// [`LoginError::Refused`] if they do not fit, [`LoginError::Throttled`] if too many did not
    /// lately.
    pub async fn log_in(
        &self,
        attempt: Attempt,
        lifetime: Duration,
    ) -> Result<LoggedIn, LoginError> {
        let (from, user_agent, now) = (attempt.from, shown(&attempt.user_agent), attempt.now);
        let right = self.try_password(attempt).await?;
        let transaction = dialect::begin(&self.writer).await?;
        // The account and its password may have changed while the password was checked.
        let account = removals::lock(&transaction, ResourceType::Account, right.account).await?;
        let account = account.ok_or(LoginError::Refused)?;
        if passwords::lock(&transaction, right.account).await? != Some(right.hash) {
            return Err(LoginError::Refused);
        }
        settle(&transaction, right.attempt, LoginOutcome::Succeeded).await?;
        password::Entity::update_many()
            .col_expr(password::Column::LastLoginAt, Expr::value(now.millis()))
            .filter(password::Column::AccountId.eq(right.account.uuid()))
            .exec(&transaction)
            .await?;
        let moments = (now, now.after(lifetime));
        let (session, text) =
            sessions::begin(&transaction, right.account, moments, (from, user_agent)).await?;
        transaction.commit().await?;
        Ok(LoggedIn {
            session,
            text,
            account,
        })
    }

    /// Checks the password of somebody who is about to do what an open session is not enough for.
    /// It is an attempt like any other, and throttled with them.
    ///
    /// # Errors
    /// As [`Store::log_in`].
    pub async fn confirm_password(&self, attempt: Attempt) -> Result<(), LoginError> {
        let right = self.try_password(attempt).await?;
        settle(&self.writer, right.attempt, LoginOutcome::Confirmed).await?;
        Ok(())
    }

    /// Logins, newest first.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn logins(&self, filter: &LoginFilter) -> Result<Vec<Login>, StoreError> {
        let mut query = login::Entity::find()
            .order_by_desc(login::Column::Id)
            .limit(filter.limit);
        if let Some(account) = filter.account {
            query = query.filter(login::Column::AccountId.eq(account.uuid()));
        }
        if let Some(before) = filter.before {
            query = query.filter(login::Column::Id.lt(before));
        }
        let rows = query.all(&self.reader).await?;
        rows.into_iter().map(Login::try_from).collect()
    }

    /// Deletes logins from before a moment, oldest first, at most `limit`, and tells how many there
    /// were.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forget_logins(&self, before: Timestamp, limit: u64) -> Result<u64, StoreError> {
        let old = login::Entity::find()
            .filter(login::Column::At.lt(before.millis()))
            .order_by_asc(login::Column::At)
            .limit(limit);
        self.forget(old, login::Column::Id).await
    }

    async fn try_password(&self, attempt: Attempt) -> Result<Right, LoginError> {
        let name = cut(&attempt.name, NAME_LIMIT);
        let (account, hash) = self.known(&name).await?;
        let row = login::Model {
            id: Uuid::now_v7(),
            at: attempt.now.millis(),
            name,
            account_id: account.map(ResourceId::uuid),
            from_address: attempt.from.map(|from| from.to_string()),
            user_agent: shown(&attempt.user_agent),
            outcome: LoginOutcome::Failed.as_str().to_owned(),
        };
        login::Entity::insert(row.clone().into_active_model())
            .exec_without_returning(&self.writer)
            .await?;
        if let Some(retry_after) = self.held_back(&row, attempt.now).await? {
            self.take_back(row.id).await?;
            return Err(LoginError::Throttled { retry_after });
        }
        let checked = self.hashing.check(attempt.password, hash.clone()).await;
        if checked.is_err() {
            self.take_back(row.id).await?;
        }
        let is_right = checked?;
        match (account, hash) {
            (Some(account), Some(hash)) if is_right => Ok(Right {
                attempt: row.id,
                account,
                hash,
            }),
            _ => Err(LoginError::Refused),
        }
    }

    /// An attempt that was not looked at neither counts nor fills the table.
    async fn take_back(&self, attempt: Uuid) -> Result<(), StoreError> {
        login::Entity::delete_by_id(attempt)
            .exec(&self.writer)
            .await?;
        Ok(())
    }

    /// The account of a name, and the hash of its password.
    async fn known(&self, name: &str) -> Result<(Option<ResourceId>, Option<String>), StoreError> {
        let Some(account) = self.account_named(name).await? else {
            return Ok((None, None));
        };
        let row = password::Entity::find_by_id(account.id.uuid())
            .one(&self.reader)
            .await?;
        Ok((Some(account.id), row.map(|row| row.hash)))
    }

    /// How long an attempt has to wait, if it has to. It is read where it was written, so that what
    /// was written down before it is seen.
    async fn held_back(
        &self,
        attempt: &login::Model,
        now: Timestamp,
    ) -> Result<Option<Duration>, StoreError> {
        let others = login::Entity::find()
            .filter(login::Column::At.gt(now.before(WINDOW).millis()))
            .filter(login::Column::Id.ne(attempt.id))
            .order_by_desc(login::Column::At)
            .order_by_desc(login::Column::Id);
        let of_name = others
            .clone()
            .filter(login::Column::Name.eq(&attempt.name))
            .limit(FAILURES_OF_A_NAME)
            .all(&self.writer)
            .await?;
        let failed = LoginOutcome::Failed.as_str();
        let is_held = of_name.len() as u64 == FAILURES_OF_A_NAME
            && of_name.iter().all(|row| row.outcome == failed);
        let oldest = of_name.last().filter(|_| is_held);
        let mut wait = oldest.map(|oldest| free_again(oldest, now));
        if let Some(from) = &attempt.from_address {
            let of_address = others
                .filter(login::Column::FromAddress.eq(from))
                .filter(login::Column::Outcome.eq(failed))
                .limit(FAILURES_OF_AN_ADDRESS)
                .all(&self.writer)
                .await?;
            if of_address.len() as u64 == FAILURES_OF_AN_ADDRESS {
                let oldest = of_address.last();
                wait = wait.max(oldest.map(|oldest| free_again(oldest, now)));
            }
        }
        Ok(wait)
    }
}

/// How long until a failure counts no more; a second at least, since that is what clients are told.
fn free_again(oldest: &login::Model, now: Timestamp) -> Duration {
    let free = Timestamp::from_millis(oldest.at).after(WINDOW);
    now.until(free).max(Duration::from_secs(1))
}

async fn settle(
    database: &impl ConnectionTrait,
    attempt: Uuid,
    outcome: LoginOutcome,
) -> Result<(), StoreError> {
    login::Entity::update_many()
        .col_expr(login::Column::Outcome, Expr::value(outcome.as_str()))
        .filter(login::Column::Id.eq(attempt))
        .exec(database)
        .await?;
    Ok(())
}

fn shown(user_agent: &Option<String>) -> Option<String> {
    user_agent
        .as_deref()
        .map(|text| cut(text, USER_AGENT_LIMIT))
}

fn cut(text: &str, characters: usize) -> String {
    let text = text.chars().filter(|character| !character.is_control());
    text.take(characters).collect()
}

impl TryFrom<login::Model> for Login {
    type Error = StoreError;

    fn try_from(row: login::Model) -> Result<Self, StoreError> {
        let outcome = LoginOutcome::parse(&row.outcome)
            .ok_or_else(|| StoreError::unreadable("login", "the outcome is unknown"))?;
        Ok(Self {
            id: row.id,
            at: Timestamp::from_millis(row.at),
            name: row.name,
            account: row.account_id.map(ResourceId::new),
            from: row.from_address,
            user_agent: row.user_agent,
            outcome,
        })
    }
}
