//! Make sure that a host has nothing that lives elsewhere, before it is taken back.
//!
//! What was replaced while the host was away may still run there. Each of these is settled as if the
//! agent had reported it, which takes it away under the lock of the container, and looked for again.

use std::time::Duration;

use drover_domain::engine::Outcome;
use drover_domain::{ResourceId, ResourceType};
use drover_proto::v1::command::Action;
use drover_proto::v1::{SeenContainer, TakeInventory};

use crate::agents::Answer;
use crate::steps::{Context, StepError};

/// Strays that are settled before it is looked again.
const PORTION: usize = 16;
/// How soon it is looked again.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let host = context.resource.id;
    let action = Action::TakeInventory(TakeInventory {});
    let order = context.order(host, "strays");
    let answer = context.surroundings.agents.send(order, action).await?;
    let Answer::Inventory(inventory) = answer else {
        return context.otherwise(host, answer);
    };
    let strays = strays(context, &inventory.containers).await?;
    if strays.is_empty() {
        return Ok(Outcome::done());
    }
    for seen in strays.iter().take(PORTION) {
        context.surroundings.agents.settle(host, seen).await;
    }
    Ok(Outcome::Wait {
        reason: format!(
            "{} containers that live elsewhere by now are taken away from the host",
            strays.len()
        ),
        delay: PAUSE,
        waits_for: None,
        progress: None,
    })
}

/// Those that a host has and that live elsewhere, or nowhere.
async fn strays<'a>(
    context: Context<'_>,
    there: &'a [SeenContainer],
) -> Result<Vec<&'a SeenContainer>, StepError> {
    let ids: Result<Vec<ResourceId>, _> =
        there.iter().map(|seen| seen.container_id.parse()).collect();
    let Ok(ids) = ids else {
        // The report of the agent is refused for it; nobody can take away what has no name.
        return Ok(Vec::new());
    };
    let rows = context
        .surroundings
        .store
        .resources_of(ids.iter().copied())
        .await?;
    let lives_here = |id: &ResourceId| {
        rows.get(id).is_some_and(|row| {
            row.resource_type() == ResourceType::Container
                && row.removed.is_none()
                && row.host == Some(context.resource.id)
        })
    };
    let pairs = there.iter().zip(&ids);
    Ok(pairs
        .filter(|(_, id)| !lives_here(id))
        .map(|(seen, _)| seen)
        .collect())
}
