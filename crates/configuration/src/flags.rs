//! Flags, in groups that an executable can flatten into its own. A flag that is not given is not
//! serialized, and so overrides nothing.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use drover_telemetry::logs::Format;
use serde::Serialize;

use crate::Runtime;

/// What is logged, and where the file of settings is.
#[derive(Args, Clone, Serialize)]
pub struct General {
    /// The file of settings; drover.toml in this directory if it is there
    #[arg(long, global = true)]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// What is logged, as `info` or `info,drover_store=debug`
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The form of the log
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_format: Option<Format>,
}

/// Where health and metrics are served.
#[derive(Args, Clone, Serialize)]
pub struct Health {
    /// Where /healthz, /readyz and /metrics of the whole program are; 127.0.0.1:9090 if absent
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_listen: Option<SocketAddr>,
}

/// Where files are kept.
#[derive(Args, Clone, Serialize)]
pub struct DataDir {
    /// Where files are kept
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
}

/// Where the API listens, and with which certificate.
#[derive(Args, Clone, Serialize)]
pub struct Listen {
    /// Where the API and the dashboard listen
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// The certificate of the API in PEM, with those that lead to a root; read again when it changes
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_certificate: Option<PathBuf>,
    /// The key of that certificate in PEM
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_key: Option<PathBuf>,
}

/// Where the agent server listens, and with which certificate.
#[derive(Args, Clone, Serialize)]
pub struct AgentListen {
    /// Where the agent server listens
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_listen: Option<SocketAddr>,
    /// The certificate of the agent server in PEM, with those that lead to a root; read again when it
    /// changes
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_tls_certificate: Option<PathBuf>,
    /// The key of that certificate in PEM
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_tls_key: Option<PathBuf>,
    /// Where API servers dial the agent server for streams, as https://host:8090; made of where it listens
    /// if absent
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_advertise: Option<String>,
}

/// How an API server dials agent servers for streams.
#[derive(Args, Clone, Serialize)]
pub struct Dialling {
    /// Speak to servers elsewhere without encryption
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_plain_http: bool,
    /// Certificates in PEM to trust instead of the platform's
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// The database of a cluster.
#[derive(Args, Clone, Serialize)]
pub struct Database {
    /// The database, as postgres://user@host/drover
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url: Option<String>,
}

/// The keys of secrets.
#[derive(Args, Clone, Serialize)]
pub struct Secrets {
    /// The file with the keys by which secrets in the database are sealed
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets_key_file: Option<PathBuf>,
}

/// The event bus of a cluster.
#[derive(Args, Clone, Serialize)]
pub struct Bus {
    /// The event bus, as nats://host:4222; several with commas between them
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats_url: Option<String>,
}

/// The lock service of a cluster.
#[derive(Args, Clone, Serialize)]
pub struct Locks {
    /// The lock service, as http://host:2379; several with commas between them
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etcd_url: Option<String>,
    /// How long a server may be silent, in seconds, before its work is taken up by others; 4 or more
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lease_seconds: Option<u64>,
}

/// How long history is kept.
#[derive(Args, Clone, Serialize)]
pub struct History {
    /// How long finished processes are kept, in seconds
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_retention_seconds: Option<u64>,
    /// How long change records are kept, in seconds
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_retention_seconds: Option<u64>,
    /// How long the audit log is kept, in seconds
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit_retention_seconds: Option<u64>,
}

/// What runs the containers of a host.
#[derive(Args, Clone, Serialize)]
pub struct HostRuntime {
    /// What runs the containers
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Runtime>,
    /// Where the Docker engine is
    #[arg(long, env = "DOCKER_HOST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub docker_host: Option<String>,
    /// The name of this host; the machine's own if absent
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// Folders of which containers may mount what is in them; several with commas between them
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_paths: Option<String>,
}

/// What an agent needs to find its servers.
#[derive(Args, Clone, Serialize)]
pub struct AgentConnection {
    /// An agent server, as https://host:8090; several with commas between them
    #[arg(long = "server")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_server: Option<String>,
    /// What the agent introduces itself with; needed once
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_token: Option<String>,
    /// Speak to servers elsewhere without encryption
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_plain_http: bool,
    /// Certificates in PEM to trust instead of the platform's
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}
