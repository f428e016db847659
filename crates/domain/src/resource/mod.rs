//! Resources: everything that a person or a program can name over the API.
//!
//! All resources share one set of fields ([`Resource`]); what only one type has stands in its
//! [`Details`]: the `spec` is what was asked, the `status` what was seen. The fields of both are
//! shown side by side by the API, so no name may stand in both.

mod account;
mod agent;
mod api_key;
mod container;
mod health_check;
mod host;
mod image;
mod limits;
mod network;
mod placement;
mod project;
mod registration_token;
mod registry_credential;
mod restart_policy;
mod validation;
mod volume;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use account::{AccountSpec, AccountStatus, Membership, ProjectRole};
pub use agent::{AgentSpec, AgentStatus};
pub use api_key::{ApiKeySpec, ApiKeyStatus};
pub use container::{ContainerSpec, ContainerStatus, Port, Protocol, ResourceLimits};
pub use health_check::{HealthCheck, HealthState, HttpProbe, OnUnhealthy, Probe, TcpProbe};
pub use host::{AskedCapacity, Capacity, HostFacts, HostSpec, HostStatus, Room};
pub use image::{
    AskedHost, DOCKER_HUB, HostFailure, ImageSpec, ImageStatus, PullPolicy, registry_of,
};
pub use limits::{
    DESCRIPTION_LIMIT, labels_schema, metadata_schema, name_schema, reference_schema,
    username_schema,
};
pub use network::{NetworkAttachment, NetworkSpec, validate_reference};
pub use placement::{Affinity, ContainerPlacement, Neighbours, OnHostLoss, Strategy};
pub use project::{ProjectSpec, Quota};
pub use registration_token::{RegistrationTokenSpec, RegistrationTokenStatus};
pub use registry_credential::{RegistryCredentialSpec, check_username};
pub use restart_policy::{RestartCondition, RestartPolicy};
pub use validation::{
    Invalid, validate_description, validate_labels, validate_metadata, validate_name,
};
pub use volume::{Mount, VolumeSpec, VolumeStatus};

use crate::lifecycle::Request;
use crate::{ResourceId, State, Timestamp};

macro_rules! resource_types {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $plural:literal,)*) => {
        /// The type of a resource.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub enum ResourceType {
            $($(#[$doc])* $variant,)*
        }

        impl ResourceType {
            /// Every type there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the singular, as in the `type` field.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The name in the plural, as in the address of the collection.
            pub const fn plural(self) -> &'static str {
                match self { $(Self::$variant => $plural,)* }
            }
        }
    };
}

resource_types! {
    /// A container on a host.
    Container = "container", "containers",
    /// A machine that runs containers.
    Host = "host", "hosts",
    /// The program on a host that acts for Drover.
    Agent = "agent", "agents",
    /// What lets an agent introduce itself.
    RegistrationToken = "registrationToken", "registrationTokens",
    /// A set of resources that belong together and are hidden from other projects.
    Project = "project", "projects",
    /// Somebody who uses Drover: a person, or a program.
    Account = "account", "accounts",
    /// What a program shows instead of a name and a password.
    ApiKey = "apiKey", "apiKeys",
    /// Data on a host that outlives the containers that mount it.
    Volume = "volume", "volumes",
    /// What lets containers of a project on one host find one another.
    Network = "network", "networks",
    /// As whom a project fetches images from a registry.
    RegistryCredential = "registryCredential", "registryCredentials",
    /// An image that hosts have before a container needs it.
    Image = "image", "images",
}

impl fmt::Display for ResourceType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no type of resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a type of resource")]
pub struct UnknownResourceType(pub String);

impl FromStr for ResourceType {
    type Err = UnknownResourceType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|resource_type| resource_type.as_str() == text)
            .ok_or_else(|| UnknownResourceType(text.to_owned()))
    }
}

/// Type and id: all that a lock, a hint or a command needs to name a resource.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub struct ResourceRef {
    /// The type.
    pub resource_type: ResourceType,
    /// The id.
    pub id: ResourceId,
}

impl fmt::Display for ResourceRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.resource_type, self.id)
    }
}

/// Grows by one with every write of a resource: its ETag, and what compare-and-set compares.
pub type Version = i64;

/// A resource as the database has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its id.
    pub id: ResourceId,
    /// The project that it belongs to; none for what belongs to the installation (hosts, agents).
    pub project: Option<ResourceId>,
    /// A name for people; need not be unique.
    pub name: String,
    /// What it is for, in a person's words.
    pub description: String,
    /// Labels to select it by.
    pub labels: BTreeMap<String, String>,
    /// Whatever a client wants to keep beside it; Drover never looks inside.
    pub metadata: serde_json::Map<String, serde_json::Value>,
    /// Its state.
    pub state: State,
    /// Its version.
    pub version: Version,
    /// The host that it lives on, once placed.
    pub host: Option<ResourceId>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When it was last written.
    pub updated: Timestamp,
    /// When it was removed.
    pub removed: Option<Timestamp>,
    /// What only its type has.
    pub details: Details,
}

impl Resource {
    /// A resource that was just asked for, in a state and with nothing said about it but its name.
    pub fn new(
        id: ResourceId,
        name: impl Into<String>,
        state: State,
        details: Details,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            project: None,
            name: name.into(),
            description: String::new(),
            labels: BTreeMap::new(),
            metadata: serde_json::Map::new(),
            state,
            version: 0,
            host: None,
            created: now,
            updated: now,
            removed: None,
            details,
        }
    }

    /// The type.
    pub fn resource_type(&self) -> ResourceType {
        self.details.resource_type()
    }

    /// Type and id.
    pub fn reference(&self) -> ResourceRef {
        ResourceRef {
            resource_type: self.resource_type(),
            id: self.id,
        }
    }
}

/// The fields that only one type of resource has.
#[derive(Clone, Debug, PartialEq)]
pub enum Details {
    /// A container.
    Container {
        /// What was asked.
        spec: Box<ContainerSpec>,
        /// What was seen.
        status: Box<ContainerStatus>,
    },
    /// A host.
    Host {
        /// What was asked.
        spec: HostSpec,
        /// What was seen.
        status: Box<HostStatus>,
    },
    /// An agent.
    Agent {
        /// What was asked.
        spec: AgentSpec,
        /// What was seen.
        status: AgentStatus,
    },
    /// A registration token.
    RegistrationToken {
        /// What was asked.
        spec: RegistrationTokenSpec,
        /// What was seen.
        status: RegistrationTokenStatus,
    },
    /// A project.
    Project {
        /// What was asked.
        spec: ProjectSpec,
    },
    /// An account.
    Account {
        /// What was asked.
        spec: AccountSpec,
        /// What was seen.
        status: AccountStatus,
    },
    /// An API key.
    ApiKey {
        /// What was asked.
        spec: ApiKeySpec,
        /// What was seen.
        status: ApiKeyStatus,
    },
    /// A volume.
    Volume {
        /// What was asked.
        spec: VolumeSpec,
        /// What was seen.
        status: VolumeStatus,
    },
    /// A network.
    Network {
        /// What was asked.
        spec: NetworkSpec,
    },
    /// A credential for a registry.
    RegistryCredential {
        /// What was asked.
        spec: RegistryCredentialSpec,
    },
    /// An image.
    Image {
        /// What was asked.
        spec: ImageSpec,
        /// What was seen.
        status: ImageStatus,
    },
}

impl Details {
    /// The type that has these fields.
    pub fn resource_type(&self) -> ResourceType {
        match self {
            Self::Container { .. } => ResourceType::Container,
            Self::Host { .. } => ResourceType::Host,
            Self::Agent { .. } => ResourceType::Agent,
            Self::RegistrationToken { .. } => ResourceType::RegistrationToken,
            Self::Project { .. } => ResourceType::Project,
            Self::Account { .. } => ResourceType::Account,
            Self::ApiKey { .. } => ResourceType::ApiKey,
            Self::Volume { .. } => ResourceType::Volume,
            Self::Network { .. } => ResourceType::Network,
            Self::RegistryCredential { .. } => ResourceType::RegistryCredential,
            Self::Image { .. } => ResourceType::Image,
        }
    }

    /// Why the last intent failed, if it did.
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Container { status, .. } => status.error.as_deref(),
            Self::Host { status, .. } => status.error.as_deref(),
            Self::Agent { status, .. } => status.error.as_deref(),
            Self::Volume { status, .. } => status.error.as_deref(),
            Self::Image { status, .. } => status.error.as_deref(),
            _ => None,
        }
    }

    /// Says why the last intent failed, or that it did not. What has no processes has no place
    /// for it.
    pub fn set_error(&mut self, error: Option<String>) {
        match self {
            Self::Container { status, .. } => status.error = error,
            Self::Host { status, .. } => status.error = error,
            Self::Agent { status, .. } => status.error = error,
            Self::Volume { status, .. } => status.error = error,
            Self::Image { status, .. } => status.error = error,
            Self::RegistrationToken { .. }
            | Self::Project { .. }
            | Self::Account { .. }
            | Self::ApiKey { .. }
            | Self::Network { .. }
            | Self::RegistryCredential { .. } => {}
        }
    }

    /// Keeps what a request says for longer than its process lasts: a host that a person takes out of
    /// use stays so, however often its agent is lost and comes back. An image that is fetched once more is
    /// so on every host.
    pub fn ask(&mut self, request: Request) {
        match (self, request) {
            (Self::Host { spec, .. }, Request::Deactivate | Request::Evacuate) => {
                spec.deactivated = true;
            }
            (Self::Host { spec, .. }, Request::Activate) => spec.deactivated = false,
            (Self::Image { status, .. }, Request::Create | Request::Pull) => {
                *status = ImageStatus::default();
            }
            _ => {}
        }
    }

    /// The state in which a resource ends up where its lifecycle says `state`.
    pub fn settled(&self, state: State) -> State {
        match self {
            Self::Host { spec, .. } if spec.deactivated && state == State::Active => {
                State::Inactive
            }
            _ => state,
        }
    }

    /// Spec and status as JSON objects, for a database or for the API.
    ///
    /// # Errors
    /// Never for values that came out of [`Details::decode`] or out of the API; a map with keys
    /// that are no text would be refused.
    pub fn encode(&self) -> Result<(serde_json::Value, serde_json::Value), serde_json::Error> {
        fn both(
            spec: &impl Serialize,
            status: &impl Serialize,
        ) -> Result<(serde_json::Value, serde_json::Value), serde_json::Error> {
            Ok((serde_json::to_value(spec)?, serde_json::to_value(status)?))
        }
        match self {
            Self::Container { spec, status } => both(spec, status),
            Self::Host { spec, status } => both(spec, status),
            Self::Agent { spec, status } => both(spec, status),
            Self::RegistrationToken { spec, status } => both(spec, status),
            Self::Project { spec } => both(spec, &serde_json::json!({})),
            Self::Account { spec, status } => both(spec, status),
            Self::ApiKey { spec, status } => both(spec, status),
            Self::Volume { spec, status } => both(spec, status),
            Self::Network { spec } => both(spec, &serde_json::json!({})),
            Self::RegistryCredential { spec } => both(spec, &serde_json::json!({})),
            Self::Image { spec, status } => both(spec, status),
        }
    }

    /// Restores what [`Details::encode`] wrote.
    ///
    /// # Errors
    /// When the JSON is not of the type's shape.
    pub fn decode(
        resource_type: ResourceType,
        spec: serde_json::Value,
        status: serde_json::Value,
    ) -> Result<Self, serde_json::Error> {
        use serde_json::from_value;
        Ok(match resource_type {
            ResourceType::Container => Self::Container {
                spec: from_value(spec)?,
                status: from_value(status)?,
            },
            ResourceType::Host => Self::Host {
                spec: from_value(spec)?,
                status: from_value(status)?,
            },
            ResourceType::Agent => Self::Agent {
                spec: from_value(spec)?,
                status: from_value(status)?,
            },
            ResourceType::RegistrationToken => Self::RegistrationToken {
                spec: from_value(spec)?,
                status: from_value(status)?,
            },
            ResourceType::Project => Self::Project {
                spec: from_value(spec)?,
            },
            ResourceType::Account => Self::Account {
                spec: from_value(spec)?,
                status: from_value(status)?,
            },
            ResourceType::ApiKey => Self::ApiKey {
                spec: from_value(spec)?,
                status: from_value(status)?,
            },
            ResourceType::Volume => Self::Volume {
                spec: from_value(spec)?,
                status: from_value(status)?,
            },
            ResourceType::Network => Self::Network {
                spec: from_value(spec)?,
            },
            ResourceType::RegistryCredential => Self::RegistryCredential {
                spec: from_value(spec)?,
            },
            ResourceType::Image => Self::Image {
                spec: from_value(spec)?,
                status: from_value(status)?,
            },
        })
    }
}
