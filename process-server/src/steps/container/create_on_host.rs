//! Have the host's agent make the container. One that is being brought up elsewhere and cannot be made there
//! goes on where it was, if that can be reached.
//!
//! It is tried without anybody logging in first. Only a host that does not have the image, and is not given
//! it by the registry, is told who logs in there.

use drover_domain::ResourceId;
use drover_domain::engine::{Changes, Failure, Outcome};
use drover_domain::resource::{ContainerSpec, PullPolicy};
use drover_proto::v1::SeenContainer;
use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;
use drover_proto::v1::seen_container::State;

use super::{former, referred};
use crate::agents::Answer;
use crate::steps::registry::{self, Registered};
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
    let failed = match create(context, host, spec).await? {
        Ok(Answer::Container(seen)) => return made(context, spec, &seen),
        Ok(other) => context.otherwise_unless_gone(host, other).await?,
        Err(failure) => return Ok(Outcome::Fail(failure)),
    };
    let reason = match &failed {
        Outcome::Fail(failure) => failure,
        Outcome::Retry(failure) if context.process.attempts() + 1 >= TRIES_ELSEWHERE => failure,
        _ => return Ok(failed),
    };
    let back = former::return_there(context, &reason.message).await?;
    Ok(back.unwrap_or(failed))
}

/// The end of the step. A container that has been started with it, and may have ended since, as agents then
/// report, is not started once more.
fn made(
    context: Context<'_>,
    spec: &ContainerSpec,
    seen: &SeenContainer,
) -> Result<Outcome, StepError> {
    let has_begun = matches!(seen.state(), State::Running | State::Exited);
    Ok(Outcome::Done(Box::new(Changes {
        follower_is_done: super::starts_when_made(context, spec) && has_begun,
        ..super::as_seen(context.resource, seen)?
    })))
}

/// Has the container made, by whoever may fetch its image; or says why there is nothing to ask for.
async fn create(
    context: Context<'_>,
    host: ResourceId,
    spec: &ContainerSpec,
) -> Result<Result<Answer, Failure>, StepError> {
    let agents = &context.surroundings.agents;
    let command = match referred::create_command(context, spec).await? {
        Ok(command) => Action::CreateContainer(Box::new(command)),
        Err(failure) => return Ok(Err(failure)),
    };
    let answer = agents.send(context.order(host, "create"), command).await?;
    let is_turned_away = matches!(answer, Answer::Failure(Code::ImageMissing, _));
    if !is_turned_away || spec.pull_policy == PullPolicy::Never {
        return Ok(Ok(answer));
    }
    let login = match registry::login(context, &spec.image).await? {
        Registered::Nobody => return Ok(Ok(answer)),
        Registered::Unreadable(reason) => {
            return Ok(Ok(Answer::Failure(Code::ImageMissing, reason)));
        }
        Registered::As(login) => login,
    };
    let mut command = match referred::create_command(context, spec).await? {
        Ok(command) => command,
        Err(failure) => return Ok(Err(failure)),
    };
    command.registry_login = Some(login.to_wire());
    let command = Action::CreateContainer(Box::new(command));
    let order = context.order(host, "create-with-login");
    Ok(Ok(login.told(agents.send(order, command).await?)))
}
