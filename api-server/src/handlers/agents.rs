//! `/v1/agents/{id}/revoke`: an agent is shut out at once.
//!
//! It is no process, for nothing is to be made true: once the row is gone no server takes the credential.
//! The connection that was opened with it is ended by the agent server, which is told, and would notice by
//! itself within half a minute.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use drover_bus::Subject;
use drover_domain::ResourceType;
use drover_domain::resource::Details;
use drover_proto::name;
use drover_proto::v1::Envelope;
use drover_store::Mutated;
use uuid::Uuid;

use super::{Id, removable};
use crate::Shared;
use crate::answer::NoContent;
use crate::authorization::Caller;
use crate::conditional::Precondition;
use crate::problem::Problem;
use crate::query::{Nothing, Strict};
use crate::representation::{Agent, Kind};
use crate::routes::{Needs, Routes, about};

/// The address to revoke credentials at.
pub(crate) fn routes(routes: Routes) -> Routes {
    let revoke = about(
        Needs::to_change(ResourceType::Agent),
        Agent::NAMES,
        "revokeAgent",
        "Revokes the credential of an agent, and ends its connection; it registers again if its token allows",
    );
    routes.post("/agents/{id}/revoke", revoke, self::revoke)
}

async fn revoke(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
    read: Precondition,
) -> Result<NoContent, Problem> {
    let agent = removable(&shared, &caller, ResourceType::Agent, id).await?;
    read.check(agent.version)?;
    let attached = caller.attached(shared.clock.now(), &agent, StatusCode::NO_CONTENT);
    match shared.store.revoke_agent(id, attached).await? {
        Mutated::Repeated => return Err(Problem::repeated()),
        Mutated::Done | Mutated::Moved => {}
    }
    if let Details::Agent { spec, .. } = &agent.details {
        let envelope = Envelope {
            id: Uuid::now_v7().to_string(),
            name: name::CREDENTIALS_CHANGED.to_owned(),
            ..Envelope::default()
        };
        let subject = Subject::host_command(spec.host_id);
        if let Err(error) = shared.bus.publish(&subject, envelope).await {
            tracing::debug!(%error, agent = %id, "nobody was told of a revocation, it will be noticed");
        }
    }
    Ok(NoContent)
}
