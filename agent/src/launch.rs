//! An agent as the settings of its executable say.

use std::sync::Arc;

use drover_configuration::{ConfigurationError, Runtime as RuntimeName, Settings};

use crate::options::ServerAddressError;
use crate::runtime::docker::DockerRuntime;
use crate::runtime::simulated::SimulatedRuntime;
use crate::runtime::{HostPaths, Runtime, RuntimeError};
use crate::{Options, Parts, RegistrationToken};

/// Why an agent cannot be made of the settings.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// A setting is missing.
    #[error(transparent)]
    Configuration(#[from] ConfigurationError),
    /// A server's address is none.
    #[error(transparent)]
    Address(#[from] ServerAddressError),
    /// The runtime cannot be used.
    #[error("the runtime cannot be used")]
    Runtime(#[from] RuntimeError),
}

/// What the agent works with.
///
/// # Errors
/// When the runtime's address cannot be used.
pub fn parts(settings: &Settings) -> Result<Parts, LaunchError> {
    let paths = HostPaths::new(settings.host_paths());
    let runtime: Arc<dyn Runtime> = match settings.runtime {
        RuntimeName::Docker => {
            let docker = DockerRuntime::new(settings.docker_host.clone())?;
            Arc::new(docker.with_host_paths(paths))
        }
        RuntimeName::Simulated => Arc::new(SimulatedRuntime::new().with_host_paths(paths)),
    };
    Ok(Parts { runtime })
}

/// How it behaves.
///
/// # Errors
/// When no server is named, or its address is none.
pub fn options(settings: &Settings) -> Result<Options, LaunchError> {
    let servers = settings.agent_servers()?;
    let servers: Result<_, ServerAddressError> =
        servers.iter().map(|server| server.parse()).collect();
    Ok(Options {
        servers: servers?,
        registration_token: settings
            .registration_token
            .as_deref()
            .map(RegistrationToken::new),
        data_dir: settings.data_dir.join("agent"),
        host_name: settings.host_name.clone(),
        labels: settings.host_labels.clone(),
        allow_plain_http: settings.allow_plain_http,
        ca_file: settings.ca_file.clone(),
    })
}
