//! Make sure that no container mounts the volume. Who asks is told before; this is for a container that was
//! asked for at the same moment.

use drover_domain::engine::{Failure, Outcome};

use crate::steps::{Context, StepError};

/// Containers that are named.
const NAMED: u64 = 5;

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let store = &context.surroundings.store;
    let users = store.users(context.resource, NAMED).await?;
    if users.is_empty() {
        return Ok(Outcome::done());
    }
    let names: Vec<&str> = users.iter().map(|user| user.name.as_str()).collect();
    let reason = format!("it is mounted by {}", names.join(", "));
    Ok(Outcome::Fail(Failure::new(reason)))
}
