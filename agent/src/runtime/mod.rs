//! What runs containers, as the agent sees it.
//!
//! Every action looks first and acts then, so each may be repeated: making a container that is
//! there, starting one that runs, stopping one that does not and removing one that is gone are
//! successes. The answer is always what is there afterwards. The ledger sees to it that there is
//! one action at a time on one container; a runtime need not.

pub mod docker;
mod host_paths;
mod progress;
pub mod simulated;
pub mod streams;

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use drover_domain::ResourceId;
use drover_domain::resource::{HealthCheck, HostFacts, Probe};
use drover_domain::stream::{ExecRequest, LogsRequest, StatsRequest};
use drover_proto::v1::{
    CreateContainer, Failure, MakeVolume, Port, PullImage, SeenContainer, SeenVolume, failure,
    seen_container,
};
use futures::stream::BoxStream;

pub use host_paths::HostPaths;
pub use progress::Progress;

use self::streams::{Exec, OutputStream, UsageStream};

/// Something that can run containers.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// `docker` or `simulated`.
    fn name(&self) -> &'static str;

    /// Tells the runtime which agent it works for, so that it can mark what it makes. Called before
    /// any other action, and again when the agent was given another id.
    fn bind(&self, agent: ResourceId);

    /// What the machine is, with what the runtime knows about it.
    async fn facts(&self) -> Result<HostFacts, RuntimeError>;

    /// Where it keeps what containers write, if that is a folder of this machine for all it knows.
    fn storage(&self) -> Option<PathBuf> {
        None
    }

    /// The runtime's own id of an image, if it is there. None of it is fetched.
    async fn find_image(&self, wanted: &PullImage) -> Result<Option<String>, RuntimeError>;

    /// Fetches an image from its registry, whether it is there or not, and tells how far it is. Who logs in
    /// is forgotten afterwards.
    ///
    /// # Errors
    /// [`RuntimeError::ImageMissing`] if it is not to be had.
    async fn pull(&self, wanted: &PullImage, progress: &Progress) -> Result<(), RuntimeError>;

    /// Makes a container, and starts it if that is wanted and works; whoever finds it made and not started
    /// asks for the start. One of that id that is there is left as it is; an image that is not there is
    /// [`RuntimeError::ImageMissing`].
    async fn create(
        &self,
        id: ResourceId,
        wanted: &CreateContainer,
    ) -> Result<SeenContainer, RuntimeError>;

    /// Starts a container, unless it runs.
    async fn start(&self, id: ResourceId) -> Result<SeenContainer, RuntimeError>;

    /// Stops a container, if it runs. It is killed if it has not ended by itself after the grace.
    async fn stop(&self, id: ResourceId, grace: Duration) -> Result<SeenContainer, RuntimeError>;

    /// Takes a container away, running or not, and the networks of its project that nobody else is in.
    async fn remove(&self, id: ResourceId) -> Result<SeenContainer, RuntimeError>;

    /// Describes a container; one that is not there is described as missing.
    async fn inspect(&self, id: ResourceId) -> Result<SeenContainer, RuntimeError>;

    /// Every container that this agent made and that is there.
    async fn list(&self) -> Result<Vec<SeenContainer>, RuntimeError>;

    /// The health check that a container was made with.
    async fn health_check(&self, id: ResourceId) -> Result<Option<HealthCheck>, RuntimeError>;

    /// Tries once whether a container does its work. `address` is its own, empty if it shares that of
    /// the host. Whoever asks may lose patience and drop the future.
    ///
    /// # Errors
    /// Why it does not, in words for a person.
    async fn probe(&self, id: ResourceId, probe: &Probe, address: &str) -> Result<(), String>;

    /// Makes a volume. One of that id that is there is left as it is.
    async fn make_volume(
        &self,
        id: ResourceId,
        wanted: &MakeVolume,
    ) -> Result<SeenVolume, RuntimeError>;

    /// Takes a volume away, with its data; refused while a container mounts it.
    async fn remove_volume(&self, id: ResourceId) -> Result<SeenVolume, RuntimeError>;

    /// What a container has written, and writes. One that is not there is an error.
    async fn logs(&self, _: ResourceId, _: &LogsRequest) -> Result<OutputStream, RuntimeError> {
        Err(RuntimeError::Unsupported(
            "this runtime keeps no logs".into(),
        ))
    }

    /// Starts a command inside a container that runs.
    async fn exec(&self, _: ResourceId, _: &ExecRequest) -> Result<Exec, RuntimeError> {
        Err(RuntimeError::Unsupported(
            "this runtime runs no commands".into(),
        ))
    }

    /// What a container that runs uses: once, or about once a second until it ends.
    async fn stats(&self, _: ResourceId, _: &StatsRequest) -> Result<UsageStream, RuntimeError> {
        Err(RuntimeError::Unsupported(
            "this runtime measures nothing".into(),
        ))
    }

    /// Ends when the connection of the agent is to break, which only a simulation asks for.
    async fn cut(&self) {
        std::future::pending().await
    }

    /// What happens to the containers of this agent from now on. It ends only with the runtime.
    fn watch(&self) -> BoxStream<'static, RuntimeEvent>;
}

/// A hint that something has happened; what is true is asked with [`Runtime::inspect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// A container ended or vanished.
    Ended(ResourceId),
    /// A container was started.
    Began(ResourceId),
    /// Events may have been missed, for any container.
    Gap,
}

/// Why a runtime did not do something. The text is the runtime's own, where it had any.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// The container is not there.
    #[error("{0}")]
    NotFound(String),
    /// The image is neither there nor to be had.
    #[error("{0}")]
    ImageMissing(String),
    /// It will never do this.
    #[error("{0}")]
    Refused(String),
    /// It could not do this now.
    #[error("{0}")]
    Runtime(String),
    /// It does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// It does not know such things.
    #[error("{0}")]
    Unsupported(String),
}

impl From<&RuntimeError> for Failure {
    fn from(error: &RuntimeError) -> Self {
        let code = match error {
            RuntimeError::NotFound(_) => failure::Code::NotFound,
            RuntimeError::ImageMissing(_) => failure::Code::ImageMissing,
            RuntimeError::Refused(_) => failure::Code::Refused,
            RuntimeError::Runtime(_) => failure::Code::Runtime,
            RuntimeError::Unavailable(_) => failure::Code::Unavailable,
            RuntimeError::Unsupported(_) => failure::Code::Unsupported,
        };
        Self {
            code: code.into(),
            message: error.to_string(),
        }
    }
}

/// A container that is not there.
pub(crate) fn missing(id: ResourceId) -> SeenContainer {
    SeenContainer {
        container_id: id.to_string(),
        state: seen_container::State::Missing.into(),
        ..SeenContainer::default()
    }
}

/// A volume that is not there.
pub(crate) fn volume_gone(id: ResourceId) -> SeenVolume {
    SeenVolume {
        volume_id: id.to_string(),
        runtime_id: String::new(),
    }
}

/// The name of a port inside its container, as `80/tcp`.
pub(crate) fn port_key(port: &Port) -> String {
    let protocol = match port.protocol.as_str() {
        "" => "tcp",
        named => named,
    };
    format!("{}/{protocol}", port.container_port)
}
