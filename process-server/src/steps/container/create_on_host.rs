//! Have the host's agent make the container.

use drover_domain::engine::{Failure, Outcome};
use drover_proto::create_container;
use drover_proto::v1::command::Action;

use crate::agents::Answer;
use crate::steps::replies::unexpected;
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
    let action = Action::CreateContainer(Box::new(create_container(context.resource, spec)));
    match context
        .surroundings
        .agents
        .send(context.order(host, "create"), action)
        .await?
    {
        Answer::Container(seen) => super::seen(context.resource, &seen),
        Answer::Failure(code, message) => context.not_carried_out(host, code, &message),
        Answer::Absent(reason) | Answer::Silence(reason) => {
            let away = context.away(host, reason);
            context.unless_gone(host, away).await
        }
        Answer::AtRest(rest) => {
            context
                .unless_gone(host, context.at_rest(host, &rest))
                .await
        }
        Answer::Inventory(_) | Answer::Pong => Ok(unexpected()),
    }
}
