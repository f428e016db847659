//! What Docker has of an installation's containers.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, ensure};
use bollard::models::{ContainerInspectResponse, ContainerSummaryStateEnum};
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::Drover;
use crate::docker::Engine;

/// The label in which Docker has Drover's id of a container.
const CONTAINER_LABEL: &str = "drover.container.id";

impl Drover {
    /// The Docker engine that runs the containers.
    ///
    /// # Errors
    /// When they are simulated.
    pub fn engine(&self) -> Result<&Engine> {
        let engine = self.engine.as_ref();
        engine.context("the containers of this installation are simulated")
    }

    /// What Docker has under Drover's id of a container; none if there is nothing.
    ///
    /// # Errors
    /// When Docker does not answer or has it more than once.
    pub async fn inspect(&self, id: &str) -> Result<Option<ContainerInspectResponse>> {
        let docker = &self.engine()?.client;
        let filters = HashMap::from([("label", vec![format!("{CONTAINER_LABEL}={id}")])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters);
        let found = docker.list_containers(Some(options.build())).await?;
        ensure!(
            found.len() <= 1,
            "Docker has container {id} {} times",
            found.len()
        );
        let Some(runtime_id) = found.into_iter().next().and_then(|found| found.id) else {
            return Ok(None);
        };
        let inspected = docker.inspect_container(&runtime_id, None).await;
        inspected.map(Some).context("docker inspect")
    }

    /// Whether Docker runs a container; none if it has none.
    ///
    /// # Errors
    /// When Docker does not answer.
    pub async fn is_running_in_docker(&self, id: &str) -> Result<Option<bool>> {
        let inspected = self.inspect(id).await?;
        Ok(inspected.map(|found| found.state.and_then(|state| state.running) == Some(true)))
    }

    /// Checks that Docker has these containers of the installation and no others, each once, and
    /// that it runs them all.
    ///
    /// # Errors
    /// When it has others, more or fewer, or one that does not run.
    pub async fn docker_has_exactly(&self, ids: &[String]) -> Result<()> {
        let (name, value) = self.label();
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for container in self.engine()?.containers(name, value).await? {
            let labels = container.labels.as_ref();
            let id = labels.and_then(|labels| labels.get(CONTAINER_LABEL));
            let id = id.with_context(|| format!("one that is not Drover's: {container:?}"))?;
            *times.entry(id.clone()).or_default() += 1;
            ensure!(
                container.state == Some(ContainerSummaryStateEnum::RUNNING),
                "container {id} is {:?}",
                container.state
            );
        }
        let expected: BTreeMap<String, usize> = ids.iter().map(|id| (id.clone(), 1)).collect();
        ensure!(
            times == expected,
            "Docker has {times:?}, expected were {expected:?}"
        );
        Ok(())
    }
}
