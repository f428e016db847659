//! Stop what runs on a host that is given up, as far as it can be reached.
//!
//! Each container is stopped by a process of its own, a child of the host's, a portion at a time.
//! They can be started again, elsewhere, once the host is removed. Without `force` nothing is
//! stopped: the next step refuses a host on which something lives.

use drover_domain::State;
use drover_domain::engine::Outcome;
use drover_domain::lifecycle::Request;
use drover_domain::write::{Asked, Intent};

use crate::steps::{Context, StepError};

/// Children that are born at once.
const PORTION: u64 = 200;

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    if !context.process.force {
        return Ok(Outcome::done());
    }
    let store = &context.surroundings.store;
    let unfinished = store.unfinished_children(context.process.id).await?;
    if unfinished > 0 {
        return Ok(waits_for(unfinished, Vec::new()));
    }
    let at_work = [State::Starting, State::Running, State::Restarting];
    let occupants = store
        .occupants(context.resource.id, &at_work, PORTION)
        .await?;
    if occupants.is_empty() {
        return Ok(Outcome::done());
    }
    let intents = occupants.into_iter().filter_map(|container| {
        let asked = Asked {
            request: Request::Stop,
            force: true,
            process: context.surroundings.chance.process_id(),
            cause: context.process.cause.clone(),
            now: context.now,
            policy: None,
        };
        // One that is not to be stopped any more has moved on since it was read.
        Intent::to_change(container, asked).ok()
    });
    let intents: Vec<Intent> = intents.collect();
    Ok(waits_for(intents.len() as u64, intents))
}

fn waits_for(unfinished: u64, children: Vec<Intent>) -> Outcome {
    Outcome::Delegate {
        reason: format!("{unfinished} containers are being stopped"),
        children,
    }
}
