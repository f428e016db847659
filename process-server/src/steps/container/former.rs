//! The host on which a container was before it was placed elsewhere.
//!
//! Whoever starts it where it lives now, or takes it away, ends it there first. A host that was given up
//! is not waited for: what it still has is taken away before it is taken back. One that cannot be made where
//! it was placed goes back to where it was, and runs there still.

use std::time::Duration;

use drover_domain::engine::{Changes, Outcome};
use drover_domain::lifecycle::Request;
use drover_domain::placement::Demand;
use drover_domain::resource::Details;
use drover_domain::write::ReservationChange;
use drover_domain::{Resource, ResourceId, ResourceType, State};
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
    let is_given_up = is_given_up(context, former).await?;
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

async fn is_given_up(context: Context<'_>, host: ResourceId) -> Result<bool, StepError> {
    let store = &context.surroundings.store;
    let host = store.resource(ResourceType::Host, host).await?;
    Ok(host.is_none_or(|host| {
        host.removed.is_some() || matches!(host.state, State::Disconnecting | State::Disconnected)
    }))
}

/// The step as one that leaves a container where it was, with its place there and the reason; none if it
/// was nowhere, or where nobody can look. What may have been made of it elsewhere is taken away once that host
/// tells of it.
pub(super) async fn return_there(
    context: Context<'_>,
    reason: &str,
) -> Result<Option<Outcome>, StepError> {
    let Some((spec, status)) = super::parts(context.resource) else {
        return Ok(None);
    };
    let former = status.former_host_id;
    let former = former.filter(|_| context.process.request == Request::Replace);
    let Some(former) = former else {
        return Ok(None);
    };
    if is_given_up(context, former).await? {
        return Ok(None);
    }
    let container = context.resource;
    tracing::warn!(container = %container.id, host = %former, reason, "it goes on where it was");
    let demand = Demand::of(spec, &container.name, &container.labels);
    let mut details = container.details.clone();
    if let Details::Container { status, .. } = &mut details {
        status.former_host_id = None;
        status.stays_because = Some(reason.to_owned());
    }
    Ok(Some(Outcome::Done(Box::new(Changes {
        details: Some(details),
        host: Some(Some(former)),
        // It stood beside whoever is there before.
        reservation: Some(ReservationChange::Take {
            host: former,
            amount: demand.amount,
            ports: demand.ports,
            apart: Vec::new(),
        }),
        ..Changes::default()
    }))))
}

/// The container, as one that is nowhere else.
pub(super) fn forget(container: &Resource) -> Resource {
    let mut container = container.clone();
    if let Details::Container { status, .. } = &mut container.details {
        status.former_host_id = None;
    }
    container
}
