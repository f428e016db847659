//! What marks a container as Drover's, and as this agent's.

use std::collections::HashMap;

use bollard::models::ContainerInspectResponse;
use drover_domain::ResourceId;
use drover_proto::v1::CreateContainer;

/// The label that holds Drover's id of a container.
pub(super) const CONTAINER: &str = "drover.container.id";
/// The label that holds the health check of a container, as JSON.
pub(super) const HEALTH_CHECK: &str = "drover.health-check";
const PROJECT: &str = "drover.project.id";
const AGENT: &str = "drover.agent.id";

/// The labels that one agent gives.
pub(super) struct Labels {
    agent: ResourceId,
}

impl Labels {
    pub(super) const fn of(agent: ResourceId) -> Self {
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

    /// A filter, for lists and events, of what this agent made.
    pub(super) fn filter(&self) -> HashMap<String, Vec<String>> {
        HashMap::from([(
            "label".to_owned(),
            vec![format!("{AGENT}={}", self.agent), CONTAINER.to_owned()],
        )])
    }
}

/// What Docker calls a container.
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
