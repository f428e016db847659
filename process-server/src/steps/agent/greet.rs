//! Hear from an agent.

use drover_domain::engine::Outcome;
use drover_domain::resource::Details;
use drover_proto::v1::Ping;
use drover_proto::v1::command::Action;

use crate::agents::Answer;
use crate::steps::replies::unexpected;
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
        Answer::Failure(code, message) => context.not_carried_out(host, code, &message),
        Answer::Absent(reason) | Answer::Silence(reason) => Ok(context.away(host, reason)),
        Answer::AtRest(rest) => Ok(context.at_rest(host, &rest)),
        Answer::Container(_) | Answer::Inventory(_) => Ok(unexpected()),
    }
}
