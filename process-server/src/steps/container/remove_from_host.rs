//! Have the host's agent take the container away.
//!
//! A container whose host was removed is gone with it. With `force` a host whose agent is not
//! connected is not waited for either, and one that does not answer, or cannot do it, is tried a few
//! times only: what it still has is taken away when its agent connects again and tells of it.

use drover_domain::engine::Outcome;
use drover_proto::v1::RemoveContainer;
use drover_proto::v1::command::Action;
use drover_proto::v1::failure::Code;

use super::former;
use crate::agents::Answer;
use crate::steps::{Context, StepError};

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let Some(id) = context.resource.host else {
        return Ok(Outcome::done());
    };
    if context.is_gone(id).await? {
        return Ok(super::gone(context.resource));
    }
    if let Some(waits) = former::leave(context).await? {
        return Ok(waits);
    }
    let action = Action::RemoveContainer(RemoveContainer {});
    match context
        .surroundings
        .agents
        .send(context.order(id, "remove"), action)
        .await?
    {
        Answer::Container(_) | Answer::Failure(Code::NotFound, _) => {
            Ok(super::gone(context.resource))
        }
        other => context.otherwise_given_up(id, other, super::gone(context.resource)),
    }
}
