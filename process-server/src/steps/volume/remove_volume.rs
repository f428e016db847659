//! Have the agent of its host take the volume away, with its data.
//!
//! A volume that was never attached is nowhere, and one whose host was removed is gone with it. With `force`
//! a host that is not connected is not waited for; what it has of the volume stays there then.

use drover_domain::engine::Outcome;
use drover_proto::v1::RemoveVolume;
use drover_proto::v1::command::Action;

use crate::agents::Answer;
use crate::steps::{Context, StepError};

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let gone = || super::seen(context.resource, None);
    let Some(host) = context.resource.host else {
        return Ok(Outcome::done());
    };
    if context.is_gone(host).await? {
        return Ok(gone());
    }
    let action = Action::RemoveVolume(RemoveVolume {});
    let agents = &context.surroundings.agents;
    match agents.send(context.order(host, "remove"), action).await? {
        Answer::Volume(_) => Ok(gone()),
        other => context.otherwise_given_up(host, other, gone()),
    }
}
