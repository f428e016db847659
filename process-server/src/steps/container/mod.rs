//! The steps of containers.

pub(crate) mod create_on_host;
mod former;
pub(crate) mod leave_volumes;
pub(crate) mod place;
pub(crate) mod place_elsewhere;
mod referred;
pub(crate) mod remove_from_host;
pub(crate) mod start_on_host;
pub(crate) mod stop_on_host;
mod volumes;

use drover_domain::Resource;
use drover_domain::engine::{Changes, Outcome};
use drover_domain::lifecycle::Request;
use drover_domain::resource::{ContainerSpec, ContainerStatus, Details};
use drover_proto::v1::{SeenContainer, seen_container};

use super::{Context, StepError};

/// Spec and status of a container; none if the resource is of another type, which no lifecycle
/// brings about.
fn parts(resource: &Resource) -> Option<(&ContainerSpec, &ContainerStatus)> {
    match &resource.details {
        Details::Container { spec, status } => Some((spec, status)),
        _ => None,
    }
}

/// Whether the command that makes the container is to start it too. What is made in the course of another
/// process is started by a command of its own.
fn starts_when_made(context: Context<'_>, spec: &ContainerSpec) -> bool {
    spec.start && context.process.request == Request::Create
}

/// The end of a step that leaves the container as the agent saw it.
fn seen(resource: &Resource, seen: &SeenContainer) -> Result<Outcome, StepError> {
    Ok(Outcome::Done(Box::new(as_seen(resource, seen)?)))
}

/// What changes about a container that the agent saw.
fn as_seen(resource: &Resource, seen: &SeenContainer) -> Result<Changes, StepError> {
    let mut details = resource.details.clone();
    if let Details::Container { status, .. } = &mut details {
        seen.record(status)?;
        status.wait_no_more();
        if seen.state() == seen_container::State::Running {
            status.exit_code = None;
        }
    }
    Ok(Changes {
        details: Some(details),
        ..Changes::default()
    })
}

/// The end of a step that finds the container gone from its host.
fn gone(resource: &Resource) -> Outcome {
    let mut details = resource.details.clone();
    if let Details::Container { status, .. } = &mut details {
        status.runtime_id = None;
        status.bound_ports.clear();
        status.address = None;
        status.health_state = None;
        status.health_message = None;
        status.wait_no_more();
    }
    Outcome::Done(Box::new(Changes {
        details: Some(details),
        ..Changes::default()
    }))
}
