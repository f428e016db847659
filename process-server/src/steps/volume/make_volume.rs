//! Have the agent of its host make the volume. One that is there keeps its data.

use drover_domain::engine::{Failure, Outcome};
use drover_proto::v1::MakeVolume;
use drover_proto::v1::command::Action;

use crate::agents::Answer;
use crate::steps::{Context, StepError};

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let volume = context.resource;
    let Some(host) = volume.host else {
        return Ok(Outcome::Fail(Failure::new("the volume has no host")));
    };
    let project = volume.project.map(|project| project.to_string());
    let action = Action::MakeVolume(MakeVolume {
        name: volume.name.clone(),
        project_id: project.unwrap_or_default(),
    });
    let agents = &context.surroundings.agents;
    match agents.send(context.order(host, "make"), action).await? {
        Answer::Volume(seen) => Ok(super::seen(volume, Some(seen.runtime_id))),
        other => context.otherwise_unless_gone(host, other).await,
    }
}
