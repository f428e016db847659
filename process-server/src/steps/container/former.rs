//! The host on which a container was before it was placed elsewhere.
//!
//! Whoever starts it where it lives now, or takes it away, ends it there first. A host that was given up
//! is not waited for: what it still has is taken away before it is taken back.

use std::time::Duration;

use drover_domain::engine::Outcome;
use drover_domain::resource::Details;
use drover_domain::{Resource, ResourceType, State};
use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;
use drover_proto::v1::{RemoveContainer, StopContainer};

use crate::agents::Answer;
use crate::steps::{Context, StepError};

/// How long the container may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// Stops the container where it was and takes it away from there. What is answered is to be waited for.
pub(super) async fn leave(context: Context<'_>) -> Result<Option<Outcome>, StepError> {
    let former = super::parts(context.resource).and_then(|(_, status)| status.former_host_id);
    let Some(former) = former.filter(|former| Some(*former) != context.resource.host) else {
        return Ok(None);
    };
    let store = &context.surroundings.store;
    let host = store.resource(ResourceType::Host, former).await?;
    let is_given_up = host.is_none_or(|host| {
        host.removed.is_some() || matches!(host.state, State::Disconnecting | State::Disconnected)
    });
    let grace_millis = u32::try_from(GRACE.as_millis()).unwrap_or(u32::MAX);
    let stop = Action::StopContainer(StopContainer { grace_millis });
    let remove = Action::RemoveContainer(RemoveContainer {});
    for (part, action) in [("stop-former", stop), ("remove-former", remove)] {
        let mut order = context.order(former, part);
        // A host that is given up is at rest, too; it is asked all the same whether it is there.
        order.force |= is_given_up;
        match context.surroundings.agents.send(order, action).await? {
            Answer::Container(_) | Answer::Failure(Code::NotFound, _) => {}
            Answer::Absent(_) if is_given_up => return Ok(None),
            other => return context.otherwise(former, other).map(Some),
        }
    }
    Ok(None)
}

/// The container, as one that is nowhere else.
pub(super) fn forget(container: &Resource) -> Resource {
    let mut container = container.clone();
    if let Details::Container { status, .. } = &mut container.details {
        status.former_host_id = None;
    }
    container
}
