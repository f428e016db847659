//! Exchanging the credential of an agent for another one, without a moment in which it has none.
//!
//! ```text
//!   begin   a new row that ends by itself after a while         both are valid
//!   end     the new row ends no more, those before it are gone  once the agent has it
//!   revoke  all of them are gone
//! ```
//!
//! An exchange ends when the agent says that it has written the new one down, or shows it: whichever is
//! noticed first. One that nobody ends leaves the old credential as it was. How many rows an agent has is
//! bounded by the tries of one hour: those that have ended go with the next one.

use std::time::Duration;

use drover_domain::{ResourceId, Role, Timestamp};
use sea_orm::entity::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter};

use super::{CredentialKind, Grant, Issued, issue};
use crate::entities::credential;
use crate::{Attached, Mutated, Store, StoreError, dialect};

/// How long a new credential is good for that no agent is known to have.
const UNCONFIRMED: Duration = Duration::from_secs(60 * 60);

impl Store {
    /// Makes another credential for an agent. The one that it has stays valid until the exchange is ended.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn begin_rotation(
        &self,
        agent: ResourceId,
        now: Timestamp,
    ) -> Result<Issued, StoreError> {
        let transaction = dialect::begin(&self.writer).await?;
        credential::Entity::delete_many()
            .filter(credential::Column::OwnerId.eq(agent.uuid()))
            .filter(credential::Column::ExpiresAt.lte(now.millis()))
            .exec(&transaction)
            .await?;
        let grant = Grant {
            expires: Some(now.after(UNCONFIRMED)),
            ..Grant::of(CredentialKind::Agent, Some(agent), Role::Agent)
        };
        let (issued, row) = issue(grant, now);
        credential::Entity::insert(row.into_active_model())
            .exec_without_returning(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(issued)
    }

    /// Ends an exchange: the agent has the new credential, and those before it are valid no more. False if
    /// that one is not there any more, and then nothing has changed.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn end_rotation(&self, agent: ResourceId, new: Uuid) -> Result<bool, StoreError> {
        use credential::Column;
        let transaction = dialect::begin(&self.writer).await?;
        let confirmed = credential::Entity::update_many()
            .col_expr(Column::ExpiresAt, Expr::value(None::<i64>))
            .filter(Column::Id.eq(new))
            .filter(Column::OwnerId.eq(agent.uuid()))
            .exec(&transaction)
            .await?;
        if confirmed.rows_affected == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        // What was given later may be what the agent has by now: it shows it, or it ends by itself.
        let is_before = Condition::any()
            .add(Column::ExpiresAt.is_null())
            .add(Column::Id.lt(new));
        credential::Entity::delete_many()
            .filter(Column::OwnerId.eq(agent.uuid()))
            .filter(Column::Id.ne(new))
            .filter(is_before)
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Revokes every credential of an agent, at once, and writes down what is attached.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn revoke_agent(
        &self,
        agent: ResourceId,
        attached: Attached,
    ) -> Result<Mutated, StoreError> {
        let Some(transaction) = attached.begin(&self.writer).await? else {
            return Ok(Mutated::Repeated);
        };
        credential::Entity::delete_many()
            .filter(credential::Column::OwnerId.eq(agent.uuid()))
            .exec(&transaction)
            .await?;
        transaction.commit().await?;
        Ok(Mutated::Done)
    }
}
