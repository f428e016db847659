//! Hear from an agent.

use drover_domain::engine::Outcome;
use drover_domain::resource::Details;
use drover_proto::v1::Ping;
use drover_proto::v1::command::Action;

use crate::agents::Answer;
use crate::steps::{Context, StepError};

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let Details::Agent { spec, .. } = &context.resource.details else {
        return Ok(Outcome::done());
    };
    let host = spec.host_id;
    let action = Action::Ping(Ping {});
    match context
        .surroundings
        .agents
        .send(context.order(host, "ping"), action)
        .await?
    {
        Answer::Pong => Ok(Outcome::done()),
        other => context.otherwise(host, other),
    }
}
