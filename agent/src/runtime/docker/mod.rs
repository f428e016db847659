//! Containers by the Docker engine, over its HTTP API.
//!
//! A container is called `drover-<id>` and bears the user's labels and three of ours, with its own
//! id, its project's and its agent's; the first is what makes it ours. Each action acts on the id that Docker
//! gave it: known from its making, or looked up by name with a check of that label, so that a name which was
//! taken by something else is never acted upon. Making one and starting it is three requests.
//!
//! An engine that makes and starts many containers at the same time does each so much later that it does
//! fewer in all, so few are asked for at a time; on two cores 64 at a time took a tenth longer than 8. Whoever
//! waits for an end or for an image waits beside them.
//!
//! The engine may be away when the agent starts, and for any time later: the client is made anew
//! until the socket is there, and what cannot reach it is [`RuntimeError::Unavailable`]. Requests
//! bear no version, so that the engine answers in its own; the fields used here are the same since
//! version 1.41 (Docker 20.10).

mod create;
mod events;
mod health;
mod labels;
mod networks;
mod pull;
mod refusal;
mod seen;
mod streams;
mod volumes;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::models::{ContainerInspectResponse, SystemInfo};
use bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StopContainerOptionsBuilder,
};
use drover_domain::ResourceId;
use drover_domain::resource::{HealthCheck, HostFacts, HttpProbe, Probe, TcpProbe};
use drover_domain::stream::{ExecRequest, LogsRequest, StatsRequest};
use drover_proto::v1::{CreateContainer, MakeVolume, PullImage, SeenContainer, SeenVolume};
use futures::stream::BoxStream;
use tokio::sync::Semaphore;

use self::create::Created;
use self::labels::Labels;
use self::networks::Bridges;
use self::refusal::{explain, status_of};
use super::streams::{Exec, OutputStream, UsageStream};
use super::{HostPaths, Progress, Runtime, RuntimeError, RuntimeEvent, missing};
use crate::backoff::Backoff;
use crate::generations::Generations;
use crate::health::probe;
use crate::machine;
use crate::usage::{self, Disk};

/// Where the engine is if nothing else is said.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// An engine answers within this time, or is said to be away.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// A container that the engine is taking away already is gone within this time.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// Containers of which it is known what Docker calls them, at most.
const KNOWN: usize = 4_096;
/// Containers that are made or started at a time.
const AT_A_TIME: usize = 8;

/// The Docker engine at one address. Clones are the same.
#[derive(Clone)]
pub struct DockerRuntime {
    engine: Arc<Engine>,
}

struct Engine {
    host: String,
    client: RwLock<Option<Docker>>,
    agent: RwLock<Option<ResourceId>>,
    paths: RwLock<HostPaths>,
    bridges: Bridges,
    /// Where it said last that it keeps its data.
    storage: RwLock<Option<PathBuf>>,
    /// What it calls the containers that it has made for this program.
    made: Mutex<Generations<ResourceId, String>>,
    /// Who may have it make or start a container now.
    turns: Semaphore,
}

impl Engine {
    fn made(&self) -> MutexGuard<'_, Generations<ResourceId, String>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DockerRuntime {
    /// The engine at `unix://…`, `tcp://…` or `http://…`. It need not answer yet.
    ///
    /// # Errors
    /// [`RuntimeError::Refused`] when no engine can be reached by such an address.
    pub fn new(host: impl Into<String>) -> Result<Self, RuntimeError> {
        let host = host.into();
        if !["unix://", "tcp://", "http://"]
            .iter()
            .any(|scheme| host.starts_with(scheme))
        {
            let message =
                format!("`{host}` is no address of a Docker engine that the agent can use");
            return Err(RuntimeError::Refused(message));
        }
        Ok(Self {
            engine: Arc::new(Engine {
                host,
                client: RwLock::new(None),
                agent: RwLock::new(None),
                paths: RwLock::default(),
                bridges: Bridges::default(),
                storage: RwLock::new(None),
                made: Mutex::new(Generations::new(KNOWN)),
                turns: Semaphore::new(AT_A_TIME),
            }),
        })
    }

    /// The same, on a machine of which containers may mount these paths.
    #[must_use]
    pub fn with_host_paths(self, paths: HostPaths) -> Self {
        let known = self.engine.paths.write();
        *known.unwrap_or_else(PoisonError::into_inner) = paths;
        self
    }

    /// The paths that containers may mount; none if the engine is on another machine.
    fn paths(&self) -> Option<HostPaths> {
        let paths = self.engine.paths.read();
        let paths = paths.unwrap_or_else(PoisonError::into_inner).clone();
        self.engine.host.starts_with("unix://").then_some(paths)
    }

    fn client(&self) -> Result<Docker, RuntimeError> {
        let known = self.engine.client.read();
        if let Some(client) = known.unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Ok(client.clone());
        }
        let client = Docker::connect_with_host(&self.engine.host)
            .map_err(|error| explain(&error))?
            .with_timeout(ANSWER_WITHIN);
        let slot = self.engine.client.write();
        *slot.unwrap_or_else(PoisonError::into_inner) = Some(client.clone());
        Ok(client)
    }

    fn labels(&self) -> Result<Labels, RuntimeError> {
        let agent = self.engine.agent.read();
        agent
            .unwrap_or_else(PoisonError::into_inner)
            .map(Labels::of_agent)
            .ok_or_else(|| RuntimeError::Unavailable("the agent is not registered yet".into()))
    }

    /// The container of that id, if it is there and ours.
    async fn find(
        &self,
        docker: &Docker,
        id: ResourceId,
    ) -> Result<Option<ContainerInspectResponse>, RuntimeError> {
        match docker.inspect_container(&labels::name(id), None).await {
            Ok(found) if labels::is_ours(&found, id) => Ok(Some(found)),
            Ok(_) => Ok(None),
            Err(error) if status_of(&error) == Some(404) => Ok(None),
            Err(error) => Err(explain(&error)),
        }
    }

    async fn look(&self, docker: &Docker, id: ResourceId) -> Result<SeenContainer, RuntimeError> {
        let found = self.find(docker, id).await?;
        Ok(found.map_or_else(|| missing(id), |found| seen::inspected(id, &found)))
    }

    /// Starts a container that was made a moment ago. Whoever asked for it learns of a failure when he asks
    /// for the start alone.
    async fn start_new(&self, docker: &Docker, runtime_id: &str) -> bool {
        let started = docker.start_container(runtime_id, None).await;
        let started = started
            .inspect_err(|error| tracing::debug!(%error, runtime_id, "made, and not started yet"));
        started.is_ok()
    }

    /// Waits until a container that the engine is removing is gone.
    async fn wait_until_gone(&self, docker: &Docker, id: ResourceId) -> Result<(), RuntimeError> {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(500));
        let gone = async {
            while self.find(docker, id).await?.is_some() {
                tokio::time::sleep(backoff.next()).await;
            }
            Ok(())
        };
        tokio::time::timeout(GONE_WITHIN, gone)
            .await
            .unwrap_or_else(|_| {
                let message =
                    format!("the engine has been removing the container for {GONE_WITHIN:?}");
                Err(RuntimeError::Runtime(message))
            })
    }
}

#[async_trait]
impl Runtime for DockerRuntime {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn bind(&self, agent: ResourceId) {
        let bound = self.engine.agent.write();
        *bound.unwrap_or_else(PoisonError::into_inner) = Some(agent);
    }

    async fn facts(&self) -> Result<HostFacts, RuntimeError> {
        let info = self
            .client()?
            .info()
            .await
            .map_err(|error| explain(&error))?;
        let storage = info.docker_root_dir.as_ref().map(PathBuf::from);
        let disk = usage::disk(storage.as_deref());
        let known = self.engine.storage.write();
        *known.unwrap_or_else(PoisonError::into_inner) = storage;
        Ok(with_info(machine::facts(), info, disk))
    }

    fn storage(&self) -> Option<PathBuf> {
        let known = self.engine.storage.read();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn find_image(&self, wanted: &PullImage) -> Result<Option<String>, RuntimeError> {
        pull::find(&self.client()?, &wanted.image).await
    }

    async fn pull(&self, wanted: &PullImage, progress: &Progress) -> Result<(), RuntimeError> {
        pull::pull(&self.client()?, wanted, progress).await
    }

    async fn create(
        &self,
        id: ResourceId,
        wanted: &CreateContainer,
    ) -> Result<SeenContainer, RuntimeError> {
        let docker = self.client()?;
        let labels = self.labels()?;
        // Docker makes no second one of a name, so nobody has to look first; but what it refers to may be gone
        // by now if it was made before.
        let refers = !wanted.mounts.is_empty() || !wanted.networks.is_empty();
        if refers && let Some(found) = self.find(&docker, id).await? {
            return Ok(seen::inspected(id, &found));
        }
        let turn = self.engine.turns.acquire().await;
        let paths = self.paths();
        let mounts = volumes::mounts(&docker, wanted, paths.as_ref()).await?;
        let made = create::Made {
            wanted,
            mounts,
            bridges: &self.engine.bridges,
        };
        if let Created::New(runtime_id) = create::create(&docker, id, made, &labels).await? {
            self.engine.made().insert(id, runtime_id.clone());
            let is_started = wanted.start && self.start_new(&docker, &runtime_id).await;
            drop(turn);
            return match is_started {
                true => self.look(&docker, id).await,
                false => Ok(seen::made(id, runtime_id)),
            };
        }
        drop(turn);
        let found = self.find(&docker, id).await?.ok_or_else(|| {
            let name = labels::name(id);
            RuntimeError::Refused(format!("the name {name} is taken by a container of others"))
        })?;
        Ok(seen::inspected(id, &found))
    }

    async fn start(&self, id: ResourceId) -> Result<SeenContainer, RuntimeError> {
        let docker = self.client()?;
        let known = self.engine.made().get(id);
        let runtime_id = match known {
            Some(known) => Some(known),
            None => self.find(&docker, id).await?.and_then(|found| found.id),
        };
        let runtime_id = runtime_id.ok_or_else(|| {
            RuntimeError::NotFound(format!("there is no container {}", labels::name(id)))
        })?;
        let turn = self.engine.turns.acquire().await;
        let started = docker.start_container(&runtime_id, None).await;
        drop(turn);
        // One that runs is answered with 304, which is a success.
        match started {
            Ok(()) => self.look(&docker, id).await,
            Err(error)
                if status_of(&error) == Some(404) && self.find(&docker, id).await?.is_none() =>
            {
                Err(RuntimeError::NotFound(refusal::words_of(&error)))
            }
            Err(error) => Err(explain(&error)),
        }
    }

    async fn stop(&self, id: ResourceId, grace: Duration) -> Result<SeenContainer, RuntimeError> {
        let docker = self.client()?;
        let Some(runtime_id) = self.find(&docker, id).await?.and_then(|found| found.id) else {
            return Ok(missing(id));
        };
        let seconds = grace.as_millis().div_ceil(1_000);
        let options = StopContainerOptionsBuilder::new()
            .t(i32::try_from(seconds).unwrap_or(i32::MAX))
            .build();
        let patient = docker.clone().with_timeout(grace + ANSWER_WITHIN);
        match patient.stop_container(&runtime_id, Some(options)).await {
            Ok(()) => self.look(&docker, id).await,
            Err(error) if status_of(&error) == Some(404) => Ok(missing(id)),
            Err(error) => Err(explain(&error)),
        }
    }

    async fn remove(&self, id: ResourceId) -> Result<SeenContainer, RuntimeError> {
        let docker = self.client()?;
        let found = self.find(&docker, id).await?;
        let may_leave_networks = found.as_ref().is_none_or(seen::is_in_a_project);
        if let Some(runtime_id) = found.and_then(|found| found.id) {
            let options = RemoveContainerOptionsBuilder::new()
                .force(true)
                .v(true)
                .build();
            match docker.remove_container(&runtime_id, Some(options)).await {
                Ok(()) => {}
                Err(error) if status_of(&error) == Some(404) => {}
                Err(error) if refusal::is_being_removed(&error) => {
                    self.wait_until_gone(&docker, id).await?;
                }
                Err(error) => return Err(explain(&error)),
            }
        }
        if may_leave_networks {
            self.engine.bridges.prune(&docker, &self.labels()?).await?;
        }
        Ok(missing(id))
    }

    async fn inspect(&self, id: ResourceId) -> Result<SeenContainer, RuntimeError> {
        let docker = self.client()?;
        self.look(&docker, id).await
    }

    async fn health_check(&self, id: ResourceId) -> Result<Option<HealthCheck>, RuntimeError> {
        let found = self.find(&self.client()?, id).await?;
        Ok(found.as_ref().and_then(health::read))
    }

    async fn probe(&self, id: ResourceId, probe: &Probe, address: &str) -> Result<(), String> {
        match probe {
            Probe::Tcp(TcpProbe { port }) => probe::tcp(address, *port).await,
            Probe::Http(HttpProbe { port, path }) => probe::http(address, *port, path).await,
            Probe::Command(command) => {
                let docker = self.client().map_err(|error| error.to_string())?;
                health::command(&docker, &labels::name(id), command).await
            }
        }
    }

    async fn make_volume(
        &self,
        id: ResourceId,
        wanted: &MakeVolume,
    ) -> Result<SeenVolume, RuntimeError> {
        volumes::make(&self.client()?, id, wanted, &self.labels()?).await
    }

    async fn remove_volume(&self, id: ResourceId) -> Result<SeenVolume, RuntimeError> {
        volumes::remove(&self.client()?, id).await
    }

    async fn list(&self) -> Result<Vec<SeenContainer>, RuntimeError> {
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&self.labels()?.filter())
            .build();
        let found = self.client()?.list_containers(Some(options)).await;
        let found = found.map_err(|error| explain(&error))?;
        Ok(found.iter().filter_map(seen::listed).collect())
    }

    async fn logs(&self, id: ResourceId, logs: &LogsRequest) -> Result<OutputStream, RuntimeError> {
        streams::logs(self, id, logs).await
    }

    async fn exec(&self, id: ResourceId, exec: &ExecRequest) -> Result<Exec, RuntimeError> {
        streams::exec(self, id, exec).await
    }

    async fn stats(
        &self,
        id: ResourceId,
        stats: &StatsRequest,
    ) -> Result<UsageStream, RuntimeError> {
        streams::stats(self, id, stats).await
    }

    fn watch(&self) -> BoxStream<'static, RuntimeEvent> {
        events::watch(self.clone())
    }
}

fn with_info(machine: HostFacts, info: SystemInfo, disk: Disk) -> HostFacts {
    let or =
        |told: Option<String>, own: String| told.filter(|told| !told.is_empty()).unwrap_or(own);
    let count = |told: Option<i64>| told.and_then(|count| u64::try_from(count).ok());
    HostFacts {
        hostname: or(info.name, machine.hostname),
        operating_system: or(info.operating_system, machine.operating_system),
        kernel: or(info.kernel_version, machine.kernel),
        architecture: or(info.architecture, machine.architecture),
        cpus: count(info.ncpu)
            .and_then(|cpus| u32::try_from(cpus).ok())
            .unwrap_or(machine.cpus),
        memory_mib: count(info.mem_total).map_or(machine.memory_mib, |bytes| bytes >> 20),
        runtime: "docker".to_owned(),
        runtime_version: info.server_version.unwrap_or_default(),
        storage_driver: info.driver.unwrap_or_default(),
        disk_mib: machine::whole_gib(disk.all),
        agent_version: machine.agent_version,
    }
}
