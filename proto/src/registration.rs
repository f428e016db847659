//! How an agent introduces itself: `POST /agent/v1/register`, in JSON.
//!
//! The agent shows a registration token and a key that it made up and keeps; it is given its id, the
//! id of its host and a credential. The same key again gives the same agent with a new credential,
//! so that an agent that lost its answer, or its disk but for the key, can ask again.

use std::collections::BTreeMap;
use std::fmt;

use drover_domain::ResourceId;
use drover_domain::resource::HostFacts;
use serde::{Deserialize, Serialize};

/// Where an agent registers.
pub const REGISTER_PATH: &str = "/agent/v1/register";
/// Where an agent is told what to do: by WebSocket, or in lines of JSON.
pub const EVENTS_PATH: &str = "/agent/v1/events";
/// Where an agent that is told in lines posts what it has to say.
pub const REPLIES_PATH: &str = "/agent/v1/replies";

/// What an agent says of itself.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registration {
    /// The registration token, as `drt_<id>_<secret>`.
    pub token: String,
    /// A key that the agent made up at random and keeps: 16 to 128 characters.
    pub agent_key: String,
    /// The name of the host, for people.
    pub name: String,
    /// Labels for the host.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What the host is.
    #[serde(default)]
    pub facts: HostFacts,
}

/// What an agent is given.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// The agent.
    pub agent_id: ResourceId,
    /// Its host.
    pub host_id: ResourceId,
    /// What it shows at each connection, as `Authorization: Bearer dra_<agent id>_<secret>`.
    pub credential: String,
}

impl fmt::Debug for crate::v1::RotateCredential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RotateCredential")
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for crate::v1::RegistryLogin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RegistryLogin")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Registration")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Registered")
            .field("agent_id", &self.agent_id)
            .field("host_id", &self.host_id)
            .finish_non_exhaustive()
    }
}
