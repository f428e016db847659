//! Choose another host for a container whose own one is lost or evacuated, and reserve there what it asks for;
//! what it had reserved is given back with that.
//!
//! A host that was given up is asked first whether it is there all the same: its agent server may have lost
//! the database and not its agents. A host that takes work again keeps what it has. Nobody has asked for
//! this, so there is nobody to refuse: a container for which there is no room waits for some.

use std::time::Duration;

use drover_domain::engine::{Changes, Outcome};
use drover_domain::placement::Demand;
use drover_domain::process::WaitsFor;
use drover_domain::resource::Details;
use drover_domain::write::ReservationChange;
use drover_domain::{ResourceId, ResourceType, State};
use drover_proto::v1::Ping;
use drover_proto::v1::command::Action;

use crate::agents::Answer;
use crate::steps::{Context, StepError};

/// How soon to look again.
const PAUSE: Duration = Duration::from_secs(5);

pub(crate) async fn run(context: Context<'_>) -> Result<Outcome, StepError> {
    let Some((spec, status)) = super::parts(context.resource) else {
        return Ok(Outcome::done());
    };
    let former = context.resource.host;
    if status.former_host_id.is_some() {
        return Ok(Outcome::done());
    }
    if let Some(former) = former {
        match state_of(context, former).await? {
            Some(State::Active) => return Ok(Outcome::done()),
            Some(State::Disconnecting | State::Disconnected) => {
                if let Some(waits) = refuse_while_there(context, former).await? {
                    return Ok(waits);
                }
            }
            _ => {}
        }
    }
    let resource = context.resource;
    let demand = Demand::of(spec, &resource.name, &resource.labels);
    let placing = context.surroundings.hosts.place(resource.project, &demand);
    let host = match placing.await? {
        Ok(host) if Some(host) == former => {
            // What is known of the hosts is from before it was lost.
            context.surroundings.hosts.forget();
            return Ok(waits(
                context,
                "what is known of the hosts is too old".to_owned(),
            ));
        }
        Ok(host) => host,
        Err(refusal) => return Ok(waits(context, refusal.to_string())),
    };
    let mut details = context.resource.details.clone();
    if let Details::Container { status, .. } = &mut details {
        status.former_host_id = former;
        status.stays_because = None;
        status.runtime_id = None;
        status.bound_ports.clear();
        status.address = None;
    }
    Ok(Outcome::Done(Box::new(Changes {
        details: Some(details),
        host: Some(Some(host)),
        reservation: Some(ReservationChange::Take {
            host,
            amount: demand.amount,
            apart: demand.strangers(),
            ports: demand.ports,
        }),
        ..Changes::default()
    })))
}

async fn state_of(context: Context<'_>, host: ResourceId) -> Result<Option<State>, StepError> {
    let store = &context.surroundings.store;
    let host = store.resource(ResourceType::Host, host).await?;
    let host = host.filter(|host| host.removed.is_none());
    Ok(host.map(|host| host.state))
}

/// What is waited for as long as anybody may hold the agent of a host that was given up.
async fn refuse_while_there(
    context: Context<'_>,
    host: ResourceId,
) -> Result<Option<Outcome>, StepError> {
    let mut order = context.order(host, "is-it-there");
    order.force = true;
    let answer = context
        .surroundings
        .agents
        .send(order, Action::Ping(Ping {}));
    Ok(match answer.await? {
        Answer::Absent(_) => None,
        Answer::Silence(reason) => Some(waits(
            context,
            format!("it is not known whether the agent of the host is connected: {reason}"),
        )),
        _ => Some(waits(
            context,
            "the agent of the host answers, although nobody says that it is connected".to_owned(),
        )),
    })
}

fn waits(context: Context<'_>, reason: String) -> Outcome {
    let turn = context.surroundings.hosts.turn(context.now.after(PAUSE));
    Outcome::Wait {
        reason,
        delay: context.now.until(turn),
        waits_for: Some(WaitsFor::Room),
        progress: None,
    }
}
