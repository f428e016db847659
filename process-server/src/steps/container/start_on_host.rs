//! Have the host's agent start the container. One that somebody took away meanwhile is made again. What
//! was counted of failed runs is forgotten, unless it is for them that the container is started.

use drover_domain::engine::{Failure, Outcome};
use drover_domain::lifecycle::Request;
use drover_domain::resource::Details;
use drover_proto::v1::StartContainer;
use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;

use super::{former, referred};
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
        let create = match referred::create_command(context, spec).await? {
            Ok(command) => Action::CreateContainer(Box::new(command)),
            Err(failure) => return Ok(Outcome::Fail(failure)),
        };
        answer = agents.send(context.order(host, "create"), create).await?;
        if matches!(answer, Answer::Container(_)) {
            answer = agents
                .send(context.order(host, "start-anew"), start)
                .await?;
        }
    }
    match answer {
        Answer::Container(seen) => {
            let mut started = former::forget(context.resource);
            let is_asked_for = matches!(context.process.request, Request::Start | Request::Restart);
            if let Details::Container { status, .. } = &mut started.details
                && is_asked_for
            {
                status.begin_anew();
            }
            super::seen(&started, &seen)
        }
        other => context.otherwise_unless_gone(host, other).await,
    }
}
