//! Have the host's agent start the container. One that somebody took away meanwhile is made again.

use drover_domain::engine::{Failure, Outcome};
use drover_proto::v1::StartContainer;
use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;

use super::former;
use crate::agents::Answer;
use crate::steps::{Context, StepError};

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let Some((spec, _)) = super::parts(context.resource) else {
        return Ok(Outcome::done());
    };
    let Some(host) = context.resource.host else {
        return Ok(Outcome::Fail(Failure::new("the container has no host")));
    };
    if let Some(waits) = former::leave(context).await? {
        return Ok(waits);
    }
    let agents = &context.surroundings.agents;
    let start = Action::StartContainer(StartContainer {});
    let mut answer = agents
        .send(context.order(host, "start"), start.clone())
        .await?;
    if matches!(answer, Answer::Failure(Code::NotFound, _)) {
        let create = drover_proto::create_container(context.resource, spec);
        let create = Action::CreateContainer(Box::new(create));
        answer = agents.send(context.order(host, "create"), create).await?;
        if matches!(answer, Answer::Container(_)) {
            answer = agents
                .send(context.order(host, "start-anew"), start)
                .await?;
        }
    }
    match answer {
        Answer::Container(seen) => super::seen(&former::forget(context.resource), &seen),
        other => context.otherwise_unless_gone(host, other).await,
    }
}
