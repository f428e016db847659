//! Have the host's agent stop the container. One that was never made is stopped already; so is one
//! whose host was removed. With `force`, which is how the containers of a host are stopped that is
//! given up, a host whose agent is not connected is not waited for. A recovery has nothing to stop where
//! the end is known already.

use drover_domain::engine::Outcome;
use drover_domain::lifecycle::Request;
use drover_proto::v1::StopContainer;
use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;

use super::former;
use crate::agents::Answer;
use crate::steps::{Context, GRACE, StepError};

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let Some(host) = context.resource.host else {
        return Ok(Outcome::done());
    };
    let has_ended = super::parts(context.resource)
        .is_some_and(|(_, status)| status.exit_code.is_some() || status.runtime_id.is_none());
    if context.process.request == Request::Recover && has_ended {
        return Ok(Outcome::done());
    }
    if context.is_gone(host).await? {
        return Ok(super::gone(context.resource));
    }
    if let Some(waits) = former::leave(context).await? {
        return Ok(waits);
    }
    let grace_millis = u32::try_from(GRACE.as_millis()).unwrap_or(u32::MAX);
    let action = Action::StopContainer(StopContainer { grace_millis });
    match context
        .surroundings
        .agents
        .send(context.order(host, "stop"), action)
        .await?
    {
        Answer::Container(seen) => super::seen(context.resource, &seen),
        Answer::Failure(Code::NotFound, _) => Ok(super::gone(context.resource)),
        other => context.otherwise_given_up(host, other, super::gone(context.resource)),
    }
}
