//! All settings there are.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use drover_telemetry::logs::Format;
use serde::{Deserialize, Serialize};

use crate::{ConfigurationError, ProcessPolicy};

/// The settings of every service. There is no `Debug`: some of them are secrets.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where files are kept: the SQLite database, the operator's key, an agent's credential.
    pub data_dir: PathBuf,
    /// Where the API and the dashboard listen.
    pub listen: SocketAddr,
    /// The certificate of the API, with those that lead to a root, in PEM; plain HTTP if absent.
    pub tls_certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    pub tls_key: Option<PathBuf>,
    /// Where the agent server listens.
    pub agent_listen: SocketAddr,
    /// The certificate of the agent server, with those that lead to a root, in PEM; plain HTTP if
    /// absent.
    pub agent_tls_certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    pub agent_tls_key: Option<PathBuf>,
    /// Where API servers dial the agent server for streams, as `https://host:8090`; made of where it
    /// listens if absent.
    pub agent_advertise: Option<String>,
    /// Where `/healthz`, `/readyz` and `/metrics` of the whole program are; port 9090 of this machine
    /// if absent, unless somebody else has it.
    pub health_listen: Option<SocketAddr>,
    /// The database of a cluster: `postgres://…`.
    pub database_url: Option<String>,
    /// The file with the keys by which secrets in the database are sealed: one in base64 a line, of which the
    /// first seals.
    pub secrets_key_file: Option<PathBuf>,
    /// The event bus of a cluster: `nats://…`, several with commas between them.
    pub nats_url: Option<String>,
    /// The lock service of a cluster: `http://…`, several with commas between them.
    pub etcd_url: Option<String>,
    /// How long a server may be silent, in seconds, before its work is taken up by others.
    pub lease_seconds: u64,
    /// How long finished processes are kept, in seconds.
    pub process_retention_seconds: u64,
    /// How long change records are kept, in seconds.
    pub change_retention_seconds: u64,
    /// How long the audit log is kept, in seconds.
    pub audit_retention_seconds: u64,
    /// How long and how hard processes try, where it is not as their lifecycles say; by the name of
    /// the process, as `container.start`.
    pub policies: BTreeMap<String, ProcessPolicy>,
    /// What runs the containers of this host.
    pub runtime: Runtime,
    /// Where the Docker engine is.
    pub docker_host: String,
    /// The agent servers, for an agent; several with commas between them.
    pub agent_server: Option<String>,
    /// What an agent introduces itself with; needed once.
    pub registration_token: Option<String>,
    /// The name of this host; the machine's own if absent.
    pub host_name: Option<String>,
    /// Labels of this host.
    pub host_labels: BTreeMap<String, String>,
    /// Folders of this host of which containers may mount what is in them; several with commas between
    /// them, none if absent.
    pub host_paths: Option<String>,
    /// Whether an agent may speak to servers elsewhere without encryption, and an API server to agent
    /// servers.
    pub allow_plain_http: bool,
    /// Certificates in PEM that an agent, or an API server that dials agent servers, trusts instead of the
    /// platform's.
    pub ca_file: Option<PathBuf>,
    /// What is logged, as `info` or `info,drover_store=debug`.
    pub log: String,
    /// The form of the log.
    pub log_format: Format,
}

/// What runs containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// The Docker engine.
    #[default]
    Docker,
    /// Nothing: containers are pretended to run.
    Simulated,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("/var/lib/drover"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            tls_certificate: None,
            tls_key: None,
            agent_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8090)),
            agent_tls_certificate: None,
            agent_tls_key: None,
            agent_advertise: None,
            health_listen: None,
            database_url: None,
            secrets_key_file: None,
            nats_url: None,
            etcd_url: None,
            lease_seconds: 10,
            process_retention_seconds: 7 * 24 * 60 * 60,
            change_retention_seconds: 24 * 60 * 60,
            audit_retention_seconds: 90 * 24 * 60 * 60,
            policies: BTreeMap::new(),
            runtime: Runtime::Docker,
            docker_host: "unix:///var/run/docker.sock".to_owned(),
            agent_server: None,
            registration_token: None,
            host_name: None,
            host_labels: BTreeMap::new(),
            host_paths: None,
            allow_plain_http: false,
            ca_file: None,
            log: "info".to_owned(),
            log_format: Format::Text,
        }
    }
}

impl Settings {
    /// The database of a cluster.
    ///
    /// # Errors
    /// When it is not set.
    pub fn database_url(&self) -> Result<&str, ConfigurationError> {
        self.database_url
            .as_deref()
            .ok_or(ConfigurationError::Missing {
                setting: "database_url",
                hint: "give --database-url or DROVER_DATABASE_URL, as postgres://user@host/drover",
            })
    }

    /// The files of the API's certificate and of its key; none if it speaks plain HTTP.
    ///
    /// # Errors
    /// When one is set and the other is not.
    pub fn tls(&self) -> Result<Option<(PathBuf, PathBuf)>, ConfigurationError> {
        pair(
            (&self.tls_certificate, "tls_certificate"),
            (&self.tls_key, "tls_key"),
        )
    }

    /// The files of the agent server's certificate and of its key; none if it speaks plain HTTP.
    ///
    /// # Errors
    /// When one is set and the other is not.
    pub fn agent_tls(&self) -> Result<Option<(PathBuf, PathBuf)>, ConfigurationError> {
        pair(
            (&self.agent_tls_certificate, "agent_tls_certificate"),
            (&self.agent_tls_key, "agent_tls_key"),
        )
    }

    /// The addresses of the event bus.
    ///
    /// # Errors
    /// When none is set.
    pub fn nats_urls(&self) -> Result<Vec<String>, ConfigurationError> {
        listed(
            self.nats_url.as_deref(),
            "nats_url",
            "give --nats-url or DROVER_NATS_URL, as nats://host:4222",
        )
    }

    /// The addresses of the lock service.
    ///
    /// # Errors
    /// When none is set.
    pub fn etcd_urls(&self) -> Result<Vec<String>, ConfigurationError> {
        listed(
            self.etcd_url.as_deref(),
            "etcd_url",
            "give --etcd-url or DROVER_ETCD_URL, as http://host:2379",
        )
    }

    /// The folders of this host of which containers may mount what is in them.
    pub fn host_paths(&self) -> Vec<PathBuf> {
        let paths = self.host_paths.as_deref().unwrap_or_default();
        let paths = paths.split(',').map(str::trim);
        let paths = paths.filter(|path| !path.is_empty());
        paths.map(PathBuf::from).collect()
    }

    /// The addresses of the agent servers.
    ///
    /// # Errors
    /// When none is set.
    pub fn agent_servers(&self) -> Result<Vec<String>, ConfigurationError> {
        listed(
            self.agent_server.as_deref(),
            "agent_server",
            "give --server or DROVER_AGENT_SERVER, as https://host:8090",
        )
    }
}

/// A certificate and its key, by their settings: both or neither.
fn pair(
    certificate: (&Option<PathBuf>, &'static str),
    key: (&Option<PathBuf>, &'static str),
) -> Result<Option<(PathBuf, PathBuf)>, ConfigurationError> {
    match (certificate.0, key.0) {
        (Some(certificate), Some(key)) => Ok(Some((certificate.clone(), key.clone()))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(ConfigurationError::Missing {
            setting: key.1,
            hint: "a certificate needs its key",
        }),
        (None, Some(_)) => Err(ConfigurationError::Missing {
            setting: certificate.1,
            hint: "a key needs its certificate",
        }),
    }
}

fn listed(
    text: Option<&str>,
    setting: &'static str,
    hint: &'static str,
) -> Result<Vec<String>, ConfigurationError> {
    let parts = text.unwrap_or_default().split(',').map(str::trim);
    let list: Vec<String> = parts
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect();
    if list.is_empty() {
        return Err(ConfigurationError::Missing { setting, hint });
    }
    Ok(list)
}
