//! What the names in a container's spec mean, for the command that makes it.
//!
//! Names are looked up when they are needed, and not when the container is asked for: one that is made anew
//! after years finds what there is then. A container that refers to nothing costs no query.

use std::collections::BTreeMap;

use drover_domain::engine::Failure;
use drover_domain::resource::{ContainerSpec, Details};
use drover_domain::{Resource, ResourceType};
use drover_proto::v1::CreateContainer;
use drover_proto::{Referred, create_container};

use crate::steps::{Context, StepError};

/// The command that makes the container, or why there is none.
pub(super) async fn create_command(
    context: Context<'_>,
    spec: &ContainerSpec,
) -> Result<Result<CreateContainer, Failure>, StepError> {
    let volumes: Vec<&str> = spec.volume_names().collect();
    let networks: Vec<&str> = spec.network_names().collect();
    let volumes = named(context, ResourceType::Volume, &volumes).await?;
    let networks = named(context, ResourceType::Network, &networks).await?;
    let mut referred = Referred {
        volumes: volumes
            .into_iter()
            .map(|volume| (volume.name, volume.id))
            .collect(),
        networks: BTreeMap::new(),
    };
    for network in networks {
        if let Details::Network { spec } = network.details {
            referred.networks.insert(network.name, (network.id, spec));
        }
    }
    let start = super::starts_when_made(context, spec);
    let command = create_container(context.resource, spec, &referred);
    let command = command.map(|command| CreateContainer { start, ..command });
    Ok(command.map_err(|missing| Failure::new(missing.to_string())))
}

/// What has one of some names in the project of the container.
pub(super) async fn named(
    context: Context<'_>,
    resource_type: ResourceType,
    names: &[&str],
) -> Result<Vec<Resource>, StepError> {
    let store = &context.surroundings.store;
    let project = context.resource.project;
    Ok(store.named(project, resource_type, names).await?)
}
