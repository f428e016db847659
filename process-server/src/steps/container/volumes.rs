//! Where the volumes of a container are, before it is placed there.
//!
//! ```text
//!   all are attached        they name the host: placement goes on with it
//!   some are not            they are attached to that host, or to one that is chosen now, by processes of
//!                           their own, for which this one waits; then it looks again
//! ```
//!
//! A volume gets its host by the write that makes its process, over the version that was read. So of two
//! containers that would take it to different hosts one is first, and the other looks again and follows it.

use std::time::Duration;

use drover_domain::engine::{Failure, Outcome};
use drover_domain::lifecycle::Request;
use drover_domain::placement::Demand;
use drover_domain::resource::ContainerSpec;
use drover_domain::write::{Asked, Intent};
use drover_domain::{Resource, ResourceId, ResourceType, State};

use super::{place, referred};
use crate::steps::{Context, StepError};

/// How soon to look again at a volume that another process is at work on.
const PAUSE: Duration = Duration::from_millis(250);

/// Has the demand name the host of the volumes; or tells what is to happen first.
pub(super) async fn settle(
    context: Context<'_>,
    spec: &ContainerSpec,
    demand: &mut Demand,
) -> Result<Option<Outcome>, StepError> {
    let names: Vec<&str> = spec.volume_names().collect();
    let volumes = referred::named(context, ResourceType::Volume, &names).await?;
    let is_known = |name: &&&str| volumes.iter().any(|volume| volume.name == **name);
    if let Some(missing) = names.iter().find(|name| !is_known(name)) {
        return Ok(Some(fail(format!(
            "there is no volume `{missing}` in the project"
        ))));
    }
    let host = match common_host(&volumes, demand.placement.host_id) {
        Ok(host) => host,
        Err(reason) => return Ok(Some(fail(reason))),
    };
    if let Some(host) = host
        && context.is_gone(host).await?
    {
        return Ok(Some(fail(
            "the host that its volumes are on has been removed".to_owned(),
        )));
    }
    demand.placement.host_id = host;
    if let Some(busy) = volumes.iter().find(|volume| volume.state.is_transitional()) {
        return Ok(Some(Outcome::Wait {
            reason: format!("the volume `{}` is {}", busy.name, busy.state),
            delay: PAUSE,
            waits_for: None,
            progress: None,
        }));
    }
    let apart: Vec<Resource> = volumes
        .into_iter()
        .filter(|volume| volume.state != State::Active)
        .collect();
    if apart.is_empty() {
        return Ok(None);
    }
    if let Some(failure) = failed_before(context, &apart) {
        return Ok(Some(Outcome::Retry(failure)));
    }
    let hosts = &context.surroundings.hosts;
    match hosts.place(context.resource.project, demand).await? {
        Ok(host) => Ok(Some(attach(context, apart, host))),
        Err(refusal) => Ok(Some(place::refused(context, &refusal))),
    }
}

/// The one host on which the volumes are, and which is wanted if one is; none if both leave it open.
fn common_host(
    volumes: &[Resource],
    wanted: Option<ResourceId>,
) -> Result<Option<ResourceId>, String> {
    let mut known = wanted.map(|host| (host, "the host that was asked for".to_owned()));
    for volume in volumes {
        let Some(host) = volume.host else { continue };
        match &known {
            Some((other, whose)) if *other != host => {
                return Err(format!(
                    "the volume `{}` is on another host than {whose}",
                    volume.name
                ));
            }
            _ => known = Some((host, format!("the volume `{}`", volume.name))),
        }
    }
    Ok(known.map(|(host, _)| host))
}

/// Why a volume could not be attached since this step last failed, which counts as a try of it.
fn failed_before(context: Context<'_>, apart: &[Resource]) -> Option<Failure> {
    let entry = context.process.entry(context.step)?;
    entry.waits_since?;
    let failed = apart.iter().find(|volume| volume.state == State::Error)?;
    let reason = failed.details.error().unwrap_or("it failed");
    Some(Failure::new(format!(
        "the volume `{}` could not be attached: {reason}",
        failed.name
    )))
}

/// Attaches volumes to a host.
fn attach(context: Context<'_>, volumes: Vec<Resource>, host: ResourceId) -> Outcome {
    let children = volumes.into_iter().filter_map(|mut volume| {
        volume.host = Some(host);
        request(context, volume, Request::Attach)
    });
    Outcome::Delegate {
        reason: "its volumes are being attached".to_owned(),
        children: children.collect(),
    }
}

/// A process of a volume, as a child of this one.
pub(super) fn request(context: Context<'_>, volume: Resource, request: Request) -> Option<Intent> {
    let asked = Asked {
        request,
        force: false,
        process: context.surroundings.chance.process_id(),
        cause: context.process.cause.clone(),
        now: context.now,
        policy: None,
    };
    // One of which this cannot be asked any more has moved on since it was read.
    Intent::to_change(volume, asked).ok()
}

fn fail(reason: String) -> Outcome {
    Outcome::Fail(Failure::new(reason))
}
