//! Registering agents: the token, the agent, its host and its credential in one transaction.

use std::collections::BTreeSet;

use drover_domain::resource::{Details, Room};
use drover_domain::write::{Intent, Passed};
use drover_domain::{Resource, ResourceId, ResourceType, Role, Timestamp};
use sea_orm::ColumnTrait;
use sea_orm::{DatabaseTransaction, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect};
use sha2::{Digest, Sha256};

use crate::credentials::{self, CredentialKind, Grant, Issued, Presented};
use crate::dialect::Together;
use crate::entities::{agent_key, credential, resource};
use crate::{Store, StoreError, changes, dialect, hosts, intents};

/// What an agent that registers brings along.
pub struct Registering {
    /// The registration token.
    pub token: Presented,
    /// The key that the agent made up. Only its hash is kept.
    pub agent_key: String,
    /// The agent as it should stand if it is new.
    pub agent: Intent,
    /// The host as it should stand if it is new.
    pub host: Intent,
    /// How much containers may take of the host.
    pub room: Room,
    /// The present moment.
    pub now: Timestamp,
}

/// What it gets.
#[derive(Debug)]
pub struct Registered {
    /// The agent: a new one, or the one that has the key.
    pub agent: ResourceId,
    /// Its host.
    pub host: ResourceId,
    /// Its credential. Earlier ones of the agent are revoked.
    pub credential: Issued,
    /// Whether agent and host are new.
    pub is_new: bool,
}

/// Why an agent was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The token is unknown, used up, expired or removed.
    #[error("the registration token is not valid")]
    Token,
    /// The agent or its host was removed; the key cannot be used again.
    #[error("the host of this agent was removed")]
    Removed,
    /// The database did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sea_orm::DbErr> for RegistrationError {
    fn from(error: sea_orm::DbErr) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Registers an agent. The same key again gives the same agent and host, with a new credential.
    ///
    /// # Errors
    /// [`RegistrationError::Token`] when the token does not admit it.
    pub async fn register(&self, asked: Registering) -> Result<Registered, RegistrationError> {
        let transaction = dialect::begin(&self.writer).await?;
        let hash = Sha256::digest(asked.agent_key.as_bytes()).to_vec();
        let token = admit(&transaction, &asked).await?;
        // Locked: of two registrations of one agent at once, the later revokes what the earlier got,
        // whatever tokens they come with.
        let known = agent_key::Entity::find_by_id(hash.clone())
            .lock_exclusive()
            .one(&transaction)
            .await?;
        let is_new = known.is_none();
        let (agent, host) = match known {
            Some(row) => {
                refuse_removed(&transaction, &row).await?;
                refuse_expired(&token, asked.now)?;
                (ResourceId::new(row.agent_id), ResourceId::new(row.host_id))
            }
            None => {
                let (agent, host) = (asked.agent.resource.id, asked.host.resource.id);
                use_token(&transaction, token, asked.now).await?;
                let intents = [asked.agent.into(), asked.host.into()];
                intents::accept_within(&transaction, &intents, &BTreeSet::new()).await?;
                hosts::write_room(&transaction, host, asked.room).await?;
                let row = agent_key::Model {
                    hash,
                    agent_id: agent.uuid(),
                    host_id: host.uuid(),
                };
                agent_key::Entity::insert(row.into_active_model())
                    .exec_without_returning(&transaction)
                    .await?;
                (agent, host)
            }
        };
        credential::Entity::delete_many()
            .filter(credential::Column::OwnerId.eq(agent.uuid()))
            .exec(&transaction)
            .await?;
        let grant = Grant::of(CredentialKind::Agent, Some(agent), Role::Agent);
        let (credential, row) = credentials::issue(grant, asked.now);
        credential::Entity::insert(row.into_active_model())
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(Registered {
            agent,
            host,
            credential,
            is_new,
        })
    }
}

/// The token, if it exists and has not ended. Its uses are counted for new agents only.
async fn admit(
    transaction: &DatabaseTransaction,
    asked: &Registering,
) -> Result<Resource, RegistrationError> {
    let kind = CredentialKind::RegistrationToken;
    let verified = credentials::verify(transaction, kind, &asked.token, asked.now)
        .await?
        .ok_or(RegistrationError::Token)?;
    let id = verified.owner.ok_or(RegistrationError::Token)?;
    let row = resource::Entity::find_by_id(id.uuid())
        .filter(resource::Column::ResourceType.eq(ResourceType::RegistrationToken.as_str()))
        .filter(resource::Column::RemovedAt.is_null())
        .lock_exclusive()
        .one(transaction)
        .await?
        .ok_or(RegistrationError::Token)?;
    Ok(Resource::try_from(row)?)
}

async fn use_token(
    transaction: &DatabaseTransaction,
    mut token: Resource,
    now: Timestamp,
) -> Result<(), RegistrationError> {
    let Details::RegistrationToken { spec, status } = &mut token.details else {
        return Err(RegistrationError::Token);
    };
    if !spec.admits(status, now) {
        return Err(RegistrationError::Token);
    }
    status.uses += 1;
    token.version += 1;
    token.updated = now;
    let rows = vec![resource::Model::active(&token)?];
    let mut together = Together::begin(transaction);
    together
        .rewrite::<resource::Entity>(rows, resource::CHANGING)
        .await?;
    let passed = [Passed {
        state: token.state,
        version: token.version,
    }];
    changes::append(
        &mut together,
        [changes::Passing::of(&token, &passed)].into_iter(),
    )
    .await?;
    Ok(together.run().await?)
}

/// An agent that is known may use a token again that is used up, since it has counted before, but
/// not one that has expired.
fn refuse_expired(token: &Resource, now: Timestamp) -> Result<(), RegistrationError> {
    match &token.details {
        Details::RegistrationToken { spec, .. } if !spec.has_expired(now) => Ok(()),
        _ => Err(RegistrationError::Token),
    }
}

async fn refuse_removed(
    transaction: &DatabaseTransaction,
    row: &agent_key::Model,
) -> Result<(), RegistrationError> {
    let host = resource::Entity::find_by_id(row.host_id)
        .filter(resource::Column::RemovedAt.is_null())
        .one(transaction)
        .await?;
    host.map(|_| ()).ok_or(RegistrationError::Removed)
}
