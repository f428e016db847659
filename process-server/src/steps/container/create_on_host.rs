//! Have the host's agent make the container.

use drover_domain::engine::{Failure, Outcome};
use drover_proto::v1::command::Action;

use super::referred;
use crate::agents::Answer;
use crate::steps::{Context, StepError};

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
    match context
        .surroundings
        .agents
        .send(context.order(host, "create"), action)
        .await?
    {
        Answer::Container(seen) => super::seen(context.resource, &seen),
        other => context.otherwise_unless_gone(host, other).await,
    }
}
