//! Let go of the volumes that no other container mounts: each is detached by a process of its own, a child
//! of this one.
//!
//! What is not attached is left as it is. Somebody who begins to mount a volume meanwhile finds it attached
//! or detached, and attaches it then.

use drover_domain::engine::Outcome;
use drover_domain::lifecycle::Request;
use drover_domain::{Resource, ResourceType, State};

use super::{referred, volumes};
use crate::steps::{Context, StepError};

/// Enough to find another container beside this one.
const LOOKED_AT: u64 = 2;

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let Some((spec, _)) = super::parts(context.resource) else {
        return Ok(Outcome::done());
    };
    let names: Vec<&str> = spec.volume_names().collect();
    let store = &context.surroundings.store;
    if store.unfinished_children(context.process.id).await? > 0 {
        return Ok(waits_for(Vec::new()));
    }
    let mut left = Vec::new();
    for volume in referred::named(context, ResourceType::Volume, &names).await? {
        if volume.state == State::Active && !has_others(context, &volume).await? {
            left.extend(volumes::request(context, volume, Request::Detach));
        }
    }
    match left.is_empty() {
        true => Ok(Outcome::done()),
        false => Ok(waits_for(left)),
    }
}

async fn has_others(context: Context<'_>, volume: &Resource) -> Result<bool, StepError> {
    let users = context.surroundings.store.users(volume, LOOKED_AT).await?;
    Ok(users.iter().any(|user| user.id != context.resource.id))
}

fn waits_for(children: Vec<drover_domain::write::Intent>) -> Outcome {
    Outcome::Delegate {
        reason: "its volumes are being detached".to_owned(),
        children,
    }
}
