//! What is written down together with a mutation: who did it, and what they were answered.
//!
//! Both commit in the transaction of the mutation itself, so there is no mutation without its audit
//! row, and no answer is kept of what did not happen.
//!
//! An answer is kept under the key that its caller chose, and the unique key of the table decides
//! who was first: whoever comes second, through whatever server, waits for the first to commit and
//! is then told that the mutation is [`Repeated`](Mutated::Repeated); it changes nothing. Kept
//! answers are written before anything is locked, in the order of their keys, so that transactions
//! wait for one another and never deadlock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use drover_domain::write::Intent;
use drover_domain::{ProcessId, ResourceId, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{
    ColumnTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter,
};

use crate::dialect::{self, Together};
use crate::entities::{audit, kept_answer};
use crate::{Store, StoreError};

/// What is written down together with a mutation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attached {
    /// Who did what, from where, and what came of it.
    pub audit: Option<AuditEntry>,
    /// What to answer when the request is repeated.
    pub answer: Option<KeptAnswer>,
}

/// One row of the audit log. Nothing in it is secret: no body, no query.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// Its id, made by [`fresh::audit_id`](crate::fresh::audit_id) for the moment.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// The account that asked, if the credential belongs to one.
    pub account: Option<ResourceId>,
    /// The credential that was shown.
    pub credential: Option<Uuid>,
    /// Where the request came from.
    pub from: Option<IpAddr>,
    /// The method of the request.
    pub method: String,
    /// The path of the request, without its query.
    pub path: String,
    /// What was asked, as `container.start`.
    pub operation: String,
    /// The type of what it was asked of.
    pub resource_type: Option<String>,
    /// What it was asked of.
    pub resource: Option<Uuid>,
    /// The project of that.
    pub project: Option<ResourceId>,
    /// The status that was answered.
    pub status: u16,
    /// The code of the problem, if it was refused.
    pub code: Option<String>,
    /// The id of the request.
    pub request_id: String,
}

/// The answer to a request that bore a key, kept for whoever repeats the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Who chose the key: an account, or a credential that belongs to none.
    pub caller: Uuid,
    /// The key, of at most 300 characters.
    pub key: String,
    /// The hash of the request, in at most 64 characters.
    pub hash: String,
    /// The status that was answered.
    pub status: u16,
    /// `Location`.
    pub location: Option<String>,
    /// `ETag`.
    pub etag: Option<String>,
    /// The process that carries the request out.
    pub process: Option<ProcessId>,
    /// The body, without secrets.
    pub body: String,
    /// When it was kept.
    pub created: Timestamp,
}

/// What became of a mutation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutated {
    /// It was committed, with what was attached.
    Done,
    /// What it was decided on was written since it was read, or is gone: read it again and decide
    /// anew. Nothing was changed.
    Moved,
    /// An answer was kept under its key already. Nothing was changed.
    Repeated,
}

impl Mutated {
    /// Whether it was committed.
    pub fn is_done(self) -> bool {
        self == Self::Done
    }
}

/// An intent, and what is written down with it.
#[derive(Clone, Debug)]
pub struct Submitted {
    /// The intent.
    pub intent: Intent,
    /// What is written down.
    pub attached: Attached,
}

impl Submitted {
    /// An intent of the API.
    pub fn new(intent: Intent, attached: Attached) -> Self {
        Self { intent, attached }
    }
}

impl From<Intent> for Submitted {
    fn from(intent: Intent) -> Self {
        Self::new(intent, Attached::default())
    }
}

impl Attached {
    /// Begins a transaction that has this in it, before anything else; none if the answer was kept before, and
    /// the mutation is [`Repeated`](Mutated::Repeated).
    pub(crate) async fn begin(
        self,
        database: &DatabaseConnection,
    ) -> Result<Option<DatabaseTransaction>, StoreError> {
        let transaction = dialect::begin(database).await?;
        if self.write(&transaction).await? {
            return Ok(Some(transaction));
        }
        transaction.rollback().await?;
        Ok(None)
    }

    /// Nothing: for what no request asked for.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Writes it, in a transaction that has locked nothing yet. False if an answer was kept
    /// already: the transaction is to be rolled back then.
    pub(crate) async fn write(self, transaction: &DatabaseTransaction) -> Result<bool, StoreError> {
        let answers: Vec<&KeptAnswer> = self.answer.iter().collect();
        if first(transaction, &answers).await?.len() < answers.len() {
            return Ok(false);
        }
        let mut together = Together::begin(transaction);
        record(&mut together, self.audit.iter()).await?;
        together.run().await?;
        Ok(true)
    }
}

/// Keeps answers, and tells of which keys these are the first. Of several answers under one key the
/// first one is kept.
pub(crate) async fn first(
    transaction: &DatabaseTransaction,
    answers: &[&KeptAnswer],
) -> Result<BTreeSet<(Uuid, String)>, StoreError> {
    if answers.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut rows = BTreeMap::new();
    for answer in answers {
        rows.entry((answer.caller, answer.key.as_str()))
            .or_insert(*answer);
    }
    let rows: Result<Vec<_>, _> = rows.into_values().map(kept_row).collect();
    let inserted = dialect::insert_unless_there::<kept_answer::Entity>(transaction, rows?).await?;
    Ok(inserted.into_iter().collect())
}

/// Takes an answer back: nothing came of the mutation.
pub(crate) async fn take_back(
    transaction: &DatabaseTransaction,
    answer: &KeptAnswer,
) -> Result<(), StoreError> {
    kept_answer::Entity::delete_many()
        .filter(kept_answer::Column::Caller.eq(answer.caller))
        .filter(kept_answer::Column::Key.eq(&answer.key))
        .exec(transaction)
        .await?;
    Ok(())
}

/// Writes audit rows together with what they tell of.
pub(crate) async fn record<'a>(
    together: &mut Together<'_>,
    entries: impl Iterator<Item = &'a AuditEntry>,
) -> Result<(), StoreError> {
    let rows: Vec<audit::ActiveModel> = entries.map(audit_row).collect();
    Ok(together.insert::<audit::Entity>(rows).await?)
}

/// The longest path that is written down; a longer one is cut.
const PATH: usize = 1_024;

fn audit_row(entry: &AuditEntry) -> audit::ActiveModel {
    audit::Model {
        id: entry.id,
        at: entry.at.millis(),
        account_id: entry.account.map(ResourceId::uuid),
        credential_id: entry.credential,
        from_address: entry.from.map(|from| from.to_string()),
        method: cut(&entry.method, 16),
        path: cut(&entry.path, PATH),
        operation: cut(&entry.operation, 64),
        resource_type: entry.resource_type.clone(),
        resource_id: entry.resource,
        project_id: entry.project.map(ResourceId::uuid),
        status: i16::try_from(entry.status).unwrap_or(i16::MAX),
        code: entry.code.as_deref().map(|code| cut(code, 64)),
        request_id: cut(&entry.request_id, 128),
    }
    .into_active_model()
}

fn cut(text: &str, longest: usize) -> String {
    text.chars().take(longest).collect()
}

fn kept_row(answer: &KeptAnswer) -> Result<kept_answer::ActiveModel, StoreError> {
    let status = i16::try_from(answer.status)
        .map_err(|error| StoreError::unreadable("kept_answer", error))?;
    Ok(kept_answer::Model {
        caller: answer.caller,
        key: answer.key.clone(),
        body_hash: answer.hash.clone(),
        status,
        location: answer.location.clone(),
        etag: answer.etag.clone(),
        process_id: answer.process.map(ProcessId::uuid),
        body: answer.body.clone(),
        created_at: answer.created.millis(),
    }
    .into_active_model())
}

impl Store {
    /// The answers that were kept for a caller under some keys.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn kept_answers(
        &self,
        caller: Uuid,
        keys: &[String],
    ) -> Result<Vec<KeptAnswer>, StoreError> {
        let rows = kept_answer::Entity::find()
            .filter(kept_answer::Column::Caller.eq(caller))
            .filter(kept_answer::Column::Key.is_in(keys))
            .all(&self.reader)
            .await?;
        rows.into_iter().map(KeptAnswer::try_from).collect()
    }
}

impl TryFrom<kept_answer::Model> for KeptAnswer {
    type Error = StoreError;

    fn try_from(row: kept_answer::Model) -> Result<Self, StoreError> {
        Ok(Self {
            caller: row.caller,
            key: row.key,
            hash: row.body_hash,
            status: u16::try_from(row.status)
                .map_err(|error| StoreError::unreadable("kept_answer", error))?,
            location: row.location,
            etag: row.etag,
            process: row.process_id.map(ProcessId::new),
            body: row.body,
            created: Timestamp::from_millis(row.created_at),
        })
    }
}
