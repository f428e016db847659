//! Revoke the credential of the host's agent: it cannot connect any more.

use drover_domain::engine::Outcome;
use drover_domain::resource::Details;

use crate::steps::{Context, StepError};

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    if let Details::Host { spec, .. } = &context.resource.details {
        context.surroundings.store.revoke(spec.agent_id).await?;
    }
    Ok(Outcome::done())
}
