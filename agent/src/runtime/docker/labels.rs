//! What marks a container as Drover's, and as this agent's.

use std::collections::HashMap;

use bollard::models::ContainerInspectResponse;
use drover_domain::ResourceId;
use drover_proto::v1::{CreateContainer, JoinedNetwork, MakeVolume};

/// The label that holds Drover's id of a container.
pub(super) const CONTAINER: &str = "drover.container.id";
/// The label that holds the health check of a container, as JSON.
pub(super) const HEALTH_CHECK: &str = "drover.health-check";
/// The label that holds Drover's id of a volume.
pub(super) const VOLUME: &str = "drover.volume.id";
/// The label that holds Drover's id of a network.
pub(super) const NETWORK: &str = "drover.network.id";
/// The label that holds the name of a volume or network, for people.
const NAME: &str = "drover.name";
const PROJECT: &str = "drover.project.id";
const AGENT: &str = "drover.agent.id";

/// The labels that one agent gives.
pub(super) struct Labels {
    agent: ResourceId,
}

impl Labels {
    pub(super) const fn of_agent(agent: ResourceId) -> Self {
        Self { agent }
    }

    /// The labels of a container: the user's, and ours on top. `check` is its health check, as JSON.
    pub(super) fn of_container(
        &self,
        id: ResourceId,
        wanted: &CreateContainer,
        check: Option<&str>,
    ) -> HashMap<String, String> {
        let mut labels = wanted.labels.clone();
        labels.insert(CONTAINER.to_owned(), id.to_string());
        labels.insert(PROJECT.to_owned(), wanted.project_id.clone());
        labels.insert(AGENT.to_owned(), self.agent.to_string());
        if let Some(check) = check {
            labels.insert(HEALTH_CHECK.to_owned(), check.to_owned());
        }
        labels
    }

    /// The labels of a volume.
    pub(super) fn of_volume(&self, id: ResourceId, wanted: &MakeVolume) -> HashMap<String, String> {
        self.of(VOLUME, id, &wanted.name, &wanted.project_id)
    }

    /// The labels of a network of a project.
    pub(super) fn of_network(
        &self,
        id: ResourceId,
        network: &JoinedNetwork,
        project: &str,
    ) -> HashMap<String, String> {
        self.of(NETWORK, id, &network.name, project)
    }

    fn of(
        &self,
        label: &str,
        id: ResourceId,
        name: &str,
        project: &str,
    ) -> HashMap<String, String> {
        HashMap::from([
            (label.to_owned(), id.to_string()),
            (NAME.to_owned(), name.to_owned()),
            (PROJECT.to_owned(), project.to_owned()),
            (AGENT.to_owned(), self.agent.to_string()),
        ])
    }

    /// A filter, for lists and events, of the containers that this agent made.
    pub(super) fn filter(&self) -> HashMap<String, Vec<String>> {
        self.filter_of(CONTAINER)
    }

    /// The same of whatever bears one of our labels.
    pub(super) fn filter_of(&self, label: &str) -> HashMap<String, Vec<String>> {
        HashMap::from([(
            "label".to_owned(),
            vec![format!("{AGENT}={}", self.agent), label.to_owned()],
        )])
    }
}

/// What Docker calls a container, a volume or a network.
pub(super) fn name(id: ResourceId) -> String {
    format!("drover-{id}")
}

/// Whether Drover made it, for that id.
pub(super) fn is_ours(found: &ContainerInspectResponse, id: ResourceId) -> bool {
    found
        .config
        .as_ref()
        .and_then(|config| config.labels.as_ref()?.get(CONTAINER))
        .is_some_and(|label| *label == id.to_string())
}
