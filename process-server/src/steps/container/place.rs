//! Choose a host, and reserve on it what the container asks for. One that mounts volumes goes where they are.
//!
//! The reservation is written together with the choice. If the host has no room by then, the step
//! runs again with a fresh look at the hosts.

use std::time::Duration;

use drover_domain::engine::{Changes, Failure, Outcome};
use drover_domain::placement::{Constraint, Demand, NoHost};
use drover_domain::process::WaitsFor;
use drover_domain::write::ReservationChange;

use super::volumes;
use crate::steps::{Context, StepError};

/// How soon to look again, at the soonest, when only the state of hosts is in the way. A host that
/// becomes active wakes the process earlier.
const PAUSE: Duration = Duration::from_secs(5);

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let Some((spec, _)) = super::parts(context.resource) else {
        return Ok(Outcome::done());
    };
    if let Some(host) = context.resource.host
        && (context.surroundings.hosts.was_there_just_now(host) || !context.is_gone(host).await?)
    {
        return Ok(Outcome::done());
    }
    let resource = context.resource;
    let mut demand = Demand::of(spec, &resource.name, &resource.labels);
    if spec.volume_names().next().is_some()
        && let Some(outcome) = volumes::settle(context, spec, &mut demand).await?
    {
        return Ok(outcome);
    }
    let placing = context.surroundings.hosts.place(resource.project, &demand);
    Ok(match placing.await? {
        Ok(host) => Outcome::Done(Box::new(Changes {
            host: Some(Some(host)),
            reservation: Some(ReservationChange::Take {
                host,
                amount: demand.amount,
                apart: demand.strangers(),
                ports: demand.ports,
            }),
            ..Changes::default()
        })),
        Err(refusal) => refused(context, &refusal),
    })
}

/// A host may yet become active, and that is waited for. What else is in the way is tried again a
/// few times, since removals may be under way, and then told to whoever asked.
pub(super) fn refused(context: Context<'_>, refusal: &NoHost) -> Outcome {
    if refusal.hosts == 0 || refusal.failed.contains_key(&Constraint::State) {
        let turn = context.surroundings.hosts.turn(context.now.after(PAUSE));
        return Outcome::Wait {
            reason: refusal.to_string(),
            delay: context.now.until(turn),
            waits_for: Some(WaitsFor::Room),
            progress: None,
        };
    }
    Outcome::Retry(Failure::new(refusal.to_string()))
}
