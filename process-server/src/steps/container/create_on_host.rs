//! Have the host's agent make the container. One that is being brought up elsewhere and cannot be made there
//! goes on where it was, if that can be reached.

use drover_domain::engine::{Failure, Outcome};
use drover_proto::v1::command::Action;

use super::{former, referred};
use crate::agents::Answer;
use crate::steps::{Context, StepError};

/// How often it is tried to make a container elsewhere before it goes on where it was.
const TRIES_ELSEWHERE: u32 = 3;

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let Some((spec, status)) = super::parts(context.resource) else {
        return Ok(Outcome::done());
    };
    if status.runtime_id.is_some() {
        return Ok(Outcome::done());
    }
    let Some(host) = context.resource.host else {
        return Ok(Outcome::Fail(Failure::new("the container has no host")));
    };
    let action = match referred::create_command(context, spec).await? {
        Ok(command) => Action::CreateContainer(Box::new(command)),
        Err(failure) => return Ok(Outcome::Fail(failure)),
    };
    let order = context.order(host, "create");
    let failed = match context.surroundings.agents.send(order, action).await? {
        Answer::Container(seen) => return super::seen(context.resource, &seen),
        other => context.otherwise_unless_gone(host, other).await?,
    };
    let reason = match &failed {
        Outcome::Fail(failure) => failure,
        Outcome::Retry(failure) if context.process.attempts() + 1 >= TRIES_ELSEWHERE => failure,
        _ => return Ok(failed),
    };
    let back = former::return_there(context, &reason.message).await?;
    Ok(back.unwrap_or(failed))
}
