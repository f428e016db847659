//! Docker Swarm, for a while: the orchestrator that is in the engine, to be measured beside Drover.
//!
//! The engine becomes a swarm of one that nobody else can reach, and leaves it when the guard is dropped,
//! together with whatever services it has by then; the bridge that Docker makes for swarms goes too, if it
//! was not there before. An engine that is part of a swarm already is somebody's, and refused.
//!
//! The kernel may lack what Swarm's own networks need (IPVS), so services join networks of the host:
//! `host` or `bridge`. Images are named by their id, since Swarm asks a registry for any other name, for
//! each container anew.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bollard::errors::Error;
use bollard::models::{
    LocalNodeState, NetworkAttachmentConfig, ServiceSpec, ServiceSpecMode,
    ServiceSpecModeReplicated, SwarmInitRequest, TaskSpec, TaskSpecContainerSpec,
    TaskSpecRestartPolicy, TaskSpecRestartPolicyConditionEnum, TaskState,
};
use bollard::query_parameters::{LeaveSwarmOptionsBuilder, ListTasksOptionsBuilder};

use crate::docker::{Engine, HELLO, apart};
use crate::ports::Port;
use crate::until::until;

/// The bridge that Docker makes for its swarms, and leaves behind.
const BRIDGE: &str = "docker_gwbridge";
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// A swarm of one, which is left when this is dropped.
#[derive(Debug)]
pub struct Swarm {
    engine: Engine,
    image: String,
    had_bridge: bool,
    port: Port,
}

/// What the containers of a service are.
#[derive(Clone, Copy, Debug)]
pub struct Replicas<'a> {
    /// How many there are.
    pub count: usize,
    /// What each runs.
    pub command: &'a [&'a str],
    /// The network of the host that each joins.
    pub network: &'a str,
    /// The label that each bears.
    pub label: (&'a str, &'a str),
}

impl Swarm {
    /// Whether an engine is part of a swarm.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn is_on(engine: &Engine) -> Result<bool> {
        let info = engine.client.info().await.context("asking the engine")?;
        let state = info.swarm.and_then(|swarm| swarm.local_node_state);
        Ok(!matches!(
            state,
            None | Some(LocalNodeState::EMPTY | LocalNodeState::INACTIVE)
        ))
    }

    /// Makes an engine a swarm.
    ///
    /// # Errors
    /// When it is part of one already, or cannot be.
    pub async fn begin(engine: &Engine) -> Result<Self> {
        ensure!(
            !Self::is_on(engine).await?,
            "the engine is part of a swarm, which is left alone"
        );
        let image = engine.client.inspect_image(HELLO).await?;
        let swarm = Self {
            engine: engine.clone(),
            image: image.id.context("an image has an id")?,
            had_bridge: has_bridge(engine).await?,
            port: Port::reserve()?,
        };
        let asked = SwarmInitRequest {
            listen_addr: Some(swarm.port.address()),
            advertise_addr: Some(swarm.port.address()),
            ..SwarmInitRequest::default()
        };
        // The guard is there by now: a swarm that came to be but did not say so is left as well.
        engine
            .client
            .init_swarm(asked)
            .await
            .context("docker swarm init")?;
        Ok(swarm)
    }

    /// Asks for a service, whose containers are not started again when they end.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create(&self, name: &str, replicas: Replicas<'_>) -> Result<()> {
        let (label, value) = replicas.label;
        let container = TaskSpecContainerSpec {
            image: Some(self.image.clone()),
            args: Some(replicas.command.iter().map(ToString::to_string).collect()),
            labels: Some(HashMap::from([(label.to_owned(), value.to_owned())])),
            ..TaskSpecContainerSpec::default()
        };
        let task = TaskSpec {
            container_spec: Some(container),
            restart_policy: Some(TaskSpecRestartPolicy {
                condition: Some(TaskSpecRestartPolicyConditionEnum::NONE),
                ..TaskSpecRestartPolicy::default()
            }),
            networks: Some(vec![NetworkAttachmentConfig {
                target: Some(replicas.network.to_owned()),
                ..NetworkAttachmentConfig::default()
            }]),
            ..TaskSpec::default()
        };
        let service = ServiceSpec {
            name: Some(name.to_owned()),
            task_template: Some(task),
            mode: Some(ServiceSpecMode {
                replicated: Some(ServiceSpecModeReplicated {
                    replicas: Some(i64::try_from(replicas.count)?),
                }),
                ..ServiceSpecMode::default()
            }),
            ..ServiceSpec::default()
        };
        let asked = self.engine.client.create_service(service, None).await;
        asked.map(drop).context("docker service create")
    }

    /// Waits until all containers of a service run, by the word of the swarm.
    ///
    /// # Errors
    /// When they do not in time, with what the swarm says of one of them.
    pub async fn wait_until_running(
        &self,
        name: &str,
        count: usize,
        within: Duration,
    ) -> Result<()> {
        let filters = HashMap::from([("service", vec![name])]);
        until("all of the service run", within, || async {
            let asked = ListTasksOptionsBuilder::new().filters(&filters).build();
            let tasks = self.engine.client.list_tasks(Some(asked)).await?;
            let states = tasks.iter().filter_map(|task| task.status.as_ref());
            let is_running = |state: &Option<TaskState>| *state == Some(TaskState::RUNNING);
            let running = states
                .clone()
                .filter(|status| is_running(&status.state))
                .count();
            let other = states.clone().find(|status| !is_running(&status.state));
            ensure!(
                running >= count,
                "{running} of {count} do; one of the others: {other:?}"
            );
            Ok(())
        })
        .await
    }

    /// Removes a service, and waits until its containers are gone.
    ///
    /// # Errors
    /// When they stay.
    pub async fn remove(&self, name: &str, (label, value): (&str, &str)) -> Result<()> {
        self.engine
            .client
            .delete_service(name)
            .await
            .context("docker service rm")?;
        until("the service is gone", GONE_WITHIN, || async {
            let left = self.engine.containers(label, value).await?;
            ensure!(left.is_empty(), "{} of its containers are left", left.len());
            Ok(())
        })
        .await
    }
}

async fn has_bridge(engine: &Engine) -> Result<bool> {
    match engine.client.inspect_network(BRIDGE, None).await {
        Ok(_) => Ok(true),
        Err(Error::DockerResponseServerError {
            status_code: 404, ..
        }) => Ok(false),
        Err(error) => Err(error).context("looking for the bridge of swarms"),
    }
}

/// Leaves the swarm with all that it has.
async fn leave(had_bridge: bool) -> Result<()> {
    let engine = Engine::connect().await?;
    if Swarm::is_on(&engine).await? {
        let force = LeaveSwarmOptionsBuilder::new().force(true).build();
        engine
            .client
            .leave_swarm(Some(force))
            .await
            .context("docker swarm leave")?;
    }
    if had_bridge {
        return Ok(());
    }
    // What was attached to it takes its leave a moment later.
    until("the bridge of the swarm is gone", GONE_WITHIN, || async {
        if has_bridge(&engine).await? {
            engine.client.remove_network(BRIDGE).await?;
        }
        Ok(())
    })
    .await
}

impl Drop for Swarm {
    #[expect(clippy::print_stderr, reason = "a drop has nobody else to tell")]
    fn drop(&mut self) {
        let had_bridge = self.had_bridge;
        if let Err(error) = apart(move || leave(had_bridge)) {
            eprintln!("the engine may still be a swarm: {error:#}");
        }
    }
}
