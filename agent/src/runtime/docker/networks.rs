//! Networks of projects by the Docker engine.
//!
//! A network lives on a host as long as containers are in it: it is made before the first one, and goes when
//! the last one goes. So nobody has to remember on which hosts it is. It is called `drover-<id>` and bears a
//! label with its own id and one with its agent's.
//!
//! Making a container and the networks that it joins is one thing to whoever looks for networks without
//! containers: those who make hold [`Bridges`] together, and who takes away holds it alone.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{EndpointSettings, NetworkCreateRequest, NetworkingConfig};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder};
use drover_domain::ResourceId;
use drover_proto::v1::{CreateContainer, JoinedNetwork};
use tokio::sync::{Mutex, RwLock};

use super::labels::{self, Labels};
use super::refusal::{explain, status_of};
use crate::runtime::RuntimeError;

/// Who makes and who takes away.
#[derive(Default)]
pub(super) struct Bridges {
    /// Read by who makes containers in networks, written by who takes networks away.
    pub(super) in_use: RwLock<()>,
    /// Held by who makes a network, since Docker takes two of one name.
    making: Mutex<()>,
}

impl Bridges {
    /// Makes the networks that a container joins, those that are not there, and tells how it joins them.
    pub(super) async fn prepare(
        &self,
        docker: &Docker,
        wanted: &CreateContainer,
        labels: &Labels,
    ) -> Result<Option<NetworkingConfig>, RuntimeError> {
        if wanted.networks.is_empty() {
            return Ok(None);
        }
        let mut endpoints = HashMap::new();
        for network in &wanted.networks {
            let name = self.make(docker, network, wanted, labels).await?;
            let endpoint = EndpointSettings {
                aliases: Some(network.aliases.clone()),
                ..EndpointSettings::default()
            };
            endpoints.insert(name, endpoint);
        }
        Ok(Some(NetworkingConfig {
            endpoints_config: Some(endpoints),
        }))
    }

    async fn make(
        &self,
        docker: &Docker,
        network: &JoinedNetwork,
        wanted: &CreateContainer,
        labels: &Labels,
    ) -> Result<String, RuntimeError> {
        let id: ResourceId = network
            .network_id
            .parse()
            .map_err(|_| RuntimeError::Refused("a network has no id".to_owned()))?;
        let name = labels::name(id);
        let _making = self.making.lock().await;
        if is_there(docker, id).await? {
            return Ok(name);
        }
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            internal: Some(network.internal),
            labels: Some(labels.of_network(id, network, &wanted.project_id)),
            ..NetworkCreateRequest::default()
        };
        match docker.create_network(request).await {
            Ok(_) => Ok(name),
            // Somebody else was faster, or it was there all the time.
            Err(error) if status_of(&error) == Some(409) && is_there(docker, id).await? => Ok(name),
            Err(error) => Err(explain(&error)),
        }
    }

    /// Takes away the networks of this agent that no container is in.
    pub(super) async fn prune(&self, docker: &Docker, labels: &Labels) -> Result<(), RuntimeError> {
        let _alone = self.in_use.write().await;
        let options = ListNetworksOptionsBuilder::new()
            .filters(&labels.filter_of(labels::NETWORK))
            .build();
        let found = docker.list_networks(Some(options)).await;
        for network in found.map_err(|error| explain(&error))? {
            let Some(id) = network.id else { continue };
            if has_containers(docker, &id).await? {
                continue;
            }
            match docker.remove_network(&id).await {
                Ok(()) => {}
                // It is gone, or somebody joined it by hand.
                Err(error) if matches!(status_of(&error), Some(403 | 404 | 409)) => {}
                Err(error) => return Err(explain(&error)),
            }
        }
        Ok(())
    }
}

/// Whether a network is there and ours.
async fn is_there(docker: &Docker, id: ResourceId) -> Result<bool, RuntimeError> {
    let name = labels::name(id);
    match docker.inspect_network(&name, None).await {
        Ok(found) => {
            let label = found
                .labels
                .as_ref()
                .and_then(|all| all.get(labels::NETWORK));
            match label == Some(&id.to_string()) {
                true => Ok(true),
                false => Err(RuntimeError::Refused(format!(
                    "the name {name} is taken by a network of others"
                ))),
            }
        }
        Err(error) if status_of(&error) == Some(404) => Ok(false),
        Err(error) => Err(explain(&error)),
    }
}

/// Whether any container is in a network, running or not.
async fn has_containers(docker: &Docker, network: &str) -> Result<bool, RuntimeError> {
    let filter = HashMap::from([("network".to_owned(), vec![network.to_owned()])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .limit(1)
        .filters(&filter)
        .build();
    let found = docker.list_containers(Some(options)).await;
    Ok(!found.map_err(|error| explain(&error))?.is_empty())
}
