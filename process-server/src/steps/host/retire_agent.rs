//! Retire the host's agent: its credential is revoked, its connection ended, and its row removed.

use drover_domain::engine::{Failure, Outcome};
use drover_domain::resource::Details;
use drover_domain::{ResourceId, ResourceType, State};
use drover_store::Attached;

use crate::steps::{Context, StepError};

/// How often the row is written over somebody else's change before that counts as a failed try.
const TRIES: u32 = 8;

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let Details::Host { spec, .. } = &context.resource.details else {
        return Ok(Outcome::done());
    };
    let store = &context.surroundings.store;
    store.revoke(spec.agent_id).await?;
    // A hint: an agent server that misses it serves a connection on which no commands come.
    context
        .surroundings
        .agents
        .retire(context.resource.id)
        .await;
    store.forget_room(context.resource.id).await?;
    store.forget_presence(context.resource.id).await?;
    if remove_row(context, spec.agent_id).await? {
        return Ok(Outcome::done());
    }
    Ok(Outcome::Retry(Failure::new(
        "the agent's row was written by others each time",
    )))
}

/// Marks the agent as removed. Whoever else writes the row at the same moment loses nothing: the row
/// is read again. False if that happened too often.
async fn remove_row(context: Context<'_>, agent: ResourceId) -> Result<bool, StepError> {
    let store = &context.surroundings.store;
    for _ in 0..TRIES {
        let row = store.resource(ResourceType::Agent, agent).await?;
        let Some(mut row) = row.filter(|row| row.removed.is_none()) else {
            return Ok(true);
        };
        let expected = row.version;
        row.state = State::Removed;
        row.removed = Some(context.now);
        row.updated = context.now;
        row.version += 1;
        let rewritten = store.rewrite(&row, expected, Attached::nothing());
        if rewritten.await?.is_done() {
            return Ok(true);
        }
    }
    Ok(false)
}
