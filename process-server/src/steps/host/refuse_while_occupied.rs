//! Make sure that nothing lives on a host before it is removed. With `force` its containers, which
//! have been stopped by now, are left without it: the next start of each places it elsewhere.

use drover_domain::engine::{Failure, Outcome};

use crate::steps::{Context, StepError};

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let containers = context
        .surroundings
        .store
        .containers_on(context.resource.id)
        .await?;
    if containers == 0 || context.process.force {
        return Ok(Outcome::done());
    }
    Ok(Outcome::Fail(Failure::new(format!(
        "{containers} containers still live on the host: remove them first, or remove it by force"
    ))))
}
