//! Tickets: how an API server shows an agent server that a stream may be had.
//!
//! ```text
//!   API server: may the caller? --> a row: what is asked, the hash of a secret, half a minute
//!   agent server: shown the secret --> the row is deleted, and whoever has deleted it goes on
//! ```
//!
//! The two have nothing in common but the database, so that no secret has to be given to all servers:
//! who can write here may open streams. A ticket is good for one stream; of two servers that are shown
//! it at once, one has deleted the row. What nobody takes is swept up ([`Store::forget_tickets`]). A
//! stream costs one row written and deleted.

use std::fmt;

use drover_domain::stream::StreamRequest;
use drover_domain::{ResourceId, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use sha2::{Digest, Sha256};

use crate::entities::stream_ticket;
use crate::{Attached, Store, StoreError, credentials, dialect};

/// What a ticket is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTicket {
    /// The host that the container is on.
    pub host: ResourceId,
    /// The agent of that host.
    pub agent: ResourceId,
    /// The container.
    pub container: ResourceId,
    /// What is asked of it.
    pub request: StreamRequest,
}

/// The text of a ticket, for whoever shows it or is shown it.
pub struct TicketText {
    /// Names the ticket, and is no secret.
    pub id: Uuid,
    /// Shows that it may be taken.
    pub secret: String,
}

impl fmt::Debug for TicketText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TicketText({})", self.id)
    }
}

impl Store {
    /// Makes a ticket, and writes down what is attached.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn make_ticket(
        &self,
        ticket: &StreamTicket,
        expires: Timestamp,
        attached: Attached,
    ) -> Result<TicketText, StoreError> {
        let (secret, hash) = credentials::secret();
        let id = Uuid::now_v7();
        let request = serde_json::to_string(&ticket.request)
            .map_err(|error| StoreError::unreadable("stream ticket", error))?;
        let row = stream_ticket::Model {
            id,
            hash: hash.to_vec(),
            host_id: ticket.host.uuid(),
            agent_id: ticket.agent.uuid(),
            container_id: ticket.container.uuid(),
            request,
            expires_at: expires.millis(),
        };
        let transaction = dialect::begin(&self.writer).await?;
        attached.write(&transaction).await?;
        stream_ticket::Entity::insert(row.into_active_model())
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(TicketText { id, secret })
    }

    /// Takes a ticket that is shown; none if there is no such ticket, it was taken before, or its time
    /// is over.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn take_ticket(
        &self,
        shown: &TicketText,
        now: Timestamp,
    ) -> Result<Option<StreamTicket>, StoreError> {
        use stream_ticket::Column;
        let hash = Sha256::digest(shown.secret.as_bytes()).to_vec();
        let row = stream_ticket::Entity::find_by_id(shown.id)
            .one(&self.lookups)
            .await?;
        // Comparing hashes leaks, at most, how much of a hash was guessed.
        let row = row
            .filter(|row| row.hash == hash)
            .filter(|row| row.expires_at > now.millis());
        let Some(row) = row else { return Ok(None) };
        let taken = stream_ticket::Entity::delete_many()
            .filter(Column::Id.eq(row.id))
            .exec(&self.writer)
            .await?;
        if taken.rows_affected == 0 {
            return Ok(None);
        }
        let request = serde_json::from_str(&row.request)
            .map_err(|error| StoreError::unreadable("stream ticket", error))?;
        Ok(Some(StreamTicket {
            host: ResourceId::new(row.host_id),
            agent: ResourceId::new(row.agent_id),
            container: ResourceId::new(row.container_id),
            request,
        }))
    }

    /// Deletes tickets whose time was over at a moment, at most `limit`, and tells how many there were.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn forget_tickets(&self, now: Timestamp, limit: u64) -> Result<u64, StoreError> {
        use stream_ticket::Column;
        // There are never many rows here: no index is needed to find the old ones.
        let old = stream_ticket::Entity::find()
            .filter(Column::ExpiresAt.lte(now.millis()))
            .order_by_asc(Column::ExpiresAt)
            .limit(limit);
        self.forget(old, Column::Id).await
    }
}
