//! What containers refer to by its name, and what refers to it.
//!
//! Names are looked at when a container is asked for, so that a misspelt one is told at once. That is for
//! people: what counts is what there is when the container is made ([`drover_store::Store::named`]).

use drover_domain::resource::ContainerSpec;
use drover_domain::{Resource, ResourceId, ResourceType};
use drover_store::NamedError;

use crate::Shared;
use crate::problem::Problem;

/// The most containers that are named where something is in use.
const NAMED: u64 = 5;

/// Checks that the volumes and networks of a container are there. Costs nothing where it has none.
///
/// # Errors
/// The first name that means nothing in the project.
pub(crate) async fn check(
    shared: &Shared,
    project: ResourceId,
    spec: &ContainerSpec,
) -> Result<(), Problem> {
    let volumes = spec.volumes.iter().map(|mount| mount.volume.as_deref());
    let volumes: Vec<Option<&str>> = volumes.collect();
    let networks = spec.networks.iter();
    let networks = networks.map(|one| Some(one.network.as_str()).filter(|_| !one.is_built_in()));
    let networks: Vec<Option<&str>> = networks.collect();
    for (resource_type, list, names) in [
        (ResourceType::Volume, "volumes", volumes),
        (ResourceType::Network, "networks", networks),
    ] {
        let wanted: Vec<&str> = names.iter().copied().flatten().collect();
        let found = shared
            .store
            .named(Some(project), resource_type, &wanted)
            .await?;
        let is_missing = |name: &Option<&str>| {
            name.is_some_and(|name| !found.iter().any(|one| one.name == name))
        };
        if let Some(index) = names.iter().position(is_missing) {
            let field = format!("{list}[{index}].{resource_type}");
            let reason = format!("there is no such {resource_type} in the project");
            return Err(Problem::invalid(field, reason));
        }
    }
    Ok(())
}

/// Refuses while containers refer to a volume or a network; anything else is referred to by none.
///
/// # Errors
/// That it is in use, and by whom.
pub(crate) async fn refuse_while_used(shared: &Shared, referred: &Resource) -> Result<(), Problem> {
    let resource_type = referred.resource_type();
    if !matches!(resource_type, ResourceType::Volume | ResourceType::Network) {
        return Ok(());
    }
    let users = shared.store.users(referred, NAMED).await?;
    let name = |user: Resource| match user.name.is_empty() {
        true => user.id.to_string(),
        false => user.name,
    };
    let users: Vec<String> = users.into_iter().map(name).collect();
    match users.is_empty() {
        true => Ok(()),
        false => Err(Problem::in_use(resource_type, &users)),
    }
}

/// Why something with a name of its own was not written.
pub(crate) fn refused(resource_type: ResourceType, error: NamedError) -> Problem {
    match error {
        NamedError::NameTaken => Problem::name_taken(resource_type),
        NamedError::Store(error) => error.into(),
    }
}
