//! What clients see of a resource.
//!
//! Its own fields, those of its spec and those of its status stand side by side, with the `links` to
//! what belongs to it and the `actions` that its state and the caller's role allow. It is written
//! from the domain's types straight into JSON: nothing in between is built for each of the hundred
//! items of a page.

use std::borrow::Cow;
use std::marker::PhantomData;

use drover_domain::listing::Listed;
use drover_domain::process::Process;
use drover_domain::resource::{
    AccountSpec, AccountStatus, AgentSpec, AgentStatus, ApiKeySpec, ApiKeyStatus, ContainerSpec,
    ContainerStatus, Details, HostStatus, ImageSpec, ImageStatus, NetworkSpec, ProjectSpec,
    RegistrationTokenSpec, RegistrationTokenStatus, RegistryCredentialSpec, VolumeStatus,
    labels_schema, metadata_schema, name_schema,
};
use drover_domain::{
    Resource, ResourceId, ResourceType, State, Timestamp, lifecycle, resource::Version,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::host::{HostRoom, Offer, Room};
use super::{Kind, address};
use crate::authorization::Caller;
use crate::query::Items;

/// What can be asked of an agent beside what its lifecycle offers.
const REVOKE: &str = "revoke";

/// A resource of a type, as a caller sees it.
pub(crate) struct Shown<K> {
    pub(crate) resource: Resource,
    /// Its unfinished process, if it has one.
    pub(crate) process: Option<Process>,
    /// The room of a host.
    pub(crate) room: Option<Room>,
    may_change: bool,
    kind: PhantomData<fn() -> K>,
}

impl<K> Shown<K> {
    /// A resource as a caller sees it, without what stands beside its row.
    pub(crate) fn new(resource: Resource, caller: &Caller) -> Self {
        Self {
            may_change: caller.may_change(&resource),
            resource,
            process: None,
            room: None,
            kind: PhantomData,
        }
    }
}

/// Whether a process is at work on a resource.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Transitioning {
    Yes,
    No,
    Error,
}

/// What every resource shows.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    /// Names it for ever.
    id: ResourceId,
    /// Its type.
    r#type: ResourceType,
    /// The project that it belongs to; null for what belongs to the installation.
    project_id: Option<ResourceId>,
    /// A name for people; need not be unique.
    #[schemars(schema_with = "name_schema")]
    name: &'a str,
    /// What it is for.
    description: &'a str,
    /// Labels to select it by.
    #[schemars(schema_with = "labels_schema")]
    labels: &'a std::collections::BTreeMap<String, String>,
    /// Whatever a client keeps beside it.
    #[schemars(schema_with = "metadata_schema")]
    metadata: &'a Map<String, Value>,
    /// Its state.
    state: State,
    /// Grows with every write.
    version: Version,
    /// When it was asked for.
    created: Timestamp,
    /// When it was last written.
    updated: Timestamp,
    /// When it was removed.
    removed: Option<Timestamp>,
    /// Whether a process is at work on it, or the last one failed.
    transitioning: Transitioning,
    /// What the process does, or why it failed.
    transitioning_message: Option<Cow<'a, str>>,
    /// How much of what the process waits for is done, in percent; null if nobody knows.
    #[schemars(range(max = 100))]
    transitioning_progress: Option<u8>,
}

/// What only one type shows.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Own<'a> {
    Container {
        #[serde(flatten)]
        spec: &'a ContainerSpec,
        #[serde(flatten)]
        status: &'a ContainerStatus,
        host_id: Option<ResourceId>,
    },
    Host {
        agent_id: ResourceId,
        deactivated: bool,
        maximum_containers: Option<u32>,
        #[serde(flatten)]
        status: &'a HostStatus,
        #[serde(flatten)]
        room: Option<HostRoom>,
        #[serde(flatten)]
        offer: Offer,
    },
    Agent {
        #[serde(flatten)]
        spec: &'a AgentSpec,
        #[serde(flatten)]
        status: &'a AgentStatus,
    },
    RegistrationToken {
        #[serde(flatten)]
        spec: &'a RegistrationTokenSpec,
        #[serde(flatten)]
        status: &'a RegistrationTokenStatus,
    },
    Project {
        #[serde(flatten)]
        spec: &'a ProjectSpec,
    },
    Account {
        #[serde(flatten)]
        spec: &'a AccountSpec,
        #[serde(flatten)]
        status: &'a AccountStatus,
    },
    ApiKey {
        #[serde(flatten)]
        spec: &'a ApiKeySpec,
        #[serde(flatten)]
        status: &'a ApiKeyStatus,
    },
    /// Where it shall live and where it lives are one field.
    Volume {
        host_id: Option<ResourceId>,
        #[serde(flatten)]
        status: &'a VolumeStatus,
    },
    Network {
        #[serde(flatten)]
        spec: &'a NetworkSpec,
    },
    RegistryCredential {
        #[serde(flatten)]
        spec: &'a RegistryCredentialSpec,
    },
    Image {
        #[serde(flatten)]
        spec: &'a ImageSpec,
        #[serde(flatten)]
        status: &'a ImageStatus,
    },
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    fields: Fields<'a>,
    #[serde(flatten)]
    own: Own<'a>,
    links: Links<'a>,
    actions: Actions<'a>,
}

impl<K> Serialize for Shown<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let resource = &self.resource;
        let process = self.process.as_ref();
        let (transitioning, message) = transitioning(resource, process);
        let whole = Whole {
            fields: Fields {
                id: resource.id,
                r#type: resource.resource_type(),
                project_id: resource.project,
                name: &resource.name,
                description: &resource.description,
                labels: &resource.labels,
                metadata: &resource.metadata,
                state: resource.state,
                version: resource.version,
                created: resource.created,
                updated: resource.updated,
                removed: resource.removed,
                transitioning,
                transitioning_message: message,
                transitioning_progress: process.and_then(Process::progress),
            },
            own: own(resource, self.room),
            links: Links {
                resource,
                process,
                may_change: self.may_change,
            },
            actions: Actions {
                resource,
                are_allowed: self.may_change,
            },
        };
        whole.serialize(serializer)
    }
}

fn own(resource: &Resource, room: Option<Room>) -> Own<'_> {
    match &resource.details {
        Details::Container { spec, status } => Own::Container {
            spec,
            status,
            host_id: resource.host,
        },
        Details::Host { spec, status } => Own::Host {
            agent_id: spec.agent_id,
            deactivated: spec.deactivated,
            maximum_containers: spec.maximum_containers,
            status,
            room: room.map(HostRoom::from),
            offer: Offer::of(resource.state, spec, status, room),
        },
        Details::Agent { spec, status } => Own::Agent { spec, status },
        Details::RegistrationToken { spec, status } => Own::RegistrationToken { spec, status },
        Details::Project { spec } => Own::Project { spec },
        Details::Account { spec, status } => Own::Account { spec, status },
        Details::ApiKey { spec, status } => Own::ApiKey { spec, status },
        Details::Volume { spec, status } => Own::Volume {
            host_id: resource.host.or(spec.host_id),
            status,
        },
        Details::Network { spec } => Own::Network { spec },
        Details::RegistryCredential { spec } => Own::RegistryCredential { spec },
        Details::Image { spec, status } => Own::Image { spec, status },
    }
}

fn transitioning<'a>(
    resource: &'a Resource,
    process: Option<&'a Process>,
) -> (Transitioning, Option<Cow<'a, str>>) {
    if let Some(process) = process {
        let step = || {
            let step = process.next_step()?;
            Some(Cow::Owned(format!("{}: {step}", process.request)))
        };
        let message = process.message.as_deref().map(Cow::Borrowed);
        return (Transitioning::Yes, message.or_else(step));
    }
    if resource.state == State::Error {
        let error = resource.details.error().map(Cow::Borrowed);
        return (Transitioning::Error, error);
    }
    match resource.state.is_transitional() {
        true => (Transitioning::Yes, None),
        false => (Transitioning::No, None),
    }
}

/// Where what belongs to a resource is.
struct Links<'a> {
    resource: &'a Resource,
    process: Option<&'a Process>,
    may_change: bool,
}

impl Serialize for Links<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            resource,
            process,
            may_change,
        } = self;
        let mut links = serializer.serialize_map(None)?;
        let own = address(resource.resource_type(), resource.id);
        links.serialize_entry("self", &own)?;
        let processes = format_args!("/v1/processes?resourceId={}", resource.id);
        links.serialize_entry("processes", &processes)?;
        if let Some(process) = process {
            links.serialize_entry("process", &format_args!("/v1/processes/{}", process.id))?;
        }
        let mut link = |name, resource_type, id: Option<ResourceId>| match id {
            Some(id) => links.serialize_entry(name, &address(resource_type, id)),
            None => Ok(()),
        };
        link("project", ResourceType::Project, resource.project)?;
        link("host", ResourceType::Host, resource.host)?;
        match &resource.details {
            Details::Container { .. } if resource.host.is_some() && resource.removed.is_none() => {
                let runs = resource.state == State::Running;
                for (stream, is_there) in [
                    ("logs", true),
                    ("stats", runs),
                    ("exec", runs && *may_change),
                ] {
                    if is_there {
                        links.serialize_entry(stream, &format_args!("{own}/{stream}"))?;
                    }
                }
            }
            Details::Host { spec, .. } => link("agent", ResourceType::Agent, Some(spec.agent_id))?,
            Details::Agent { spec, .. } => link("host", ResourceType::Host, Some(spec.host_id))?,
            Details::ApiKey { spec, .. } => {
                link("account", ResourceType::Account, Some(spec.account_id))?;
            }
            _ => {}
        }
        for (name, address) in by_name(resource) {
            links.serialize_entry(name, &address)?;
        }
        links.end()
    }
}

/// Where what a resource refers to by name is, and what refers to it. Such names need no escaping.
fn by_name(resource: &Resource) -> Vec<(&'static str, String)> {
    let Some(project) = resource.project else {
        return Vec::new();
    };
    let of = |plural: &str, field: &str, names: &str| {
        format!("/v1/{plural}?projectId={project}&{field}={names}")
    };
    match &resource.details {
        Details::Container { spec, .. } => {
            let volumes: Vec<&str> = spec.volume_names().collect();
            let networks: Vec<&str> = spec.network_names().collect();
            [("volumes", volumes), ("networks", networks)]
                .into_iter()
                .filter(|(_, names)| !names.is_empty())
                .map(|(plural, names)| (plural, of(plural, "name_in", &names.join(","))))
                .collect()
        }
        Details::Volume { .. } => vec![("containers", of("containers", "volume", &resource.name))],
        Details::Network { .. } => {
            vec![("containers", of("containers", "network", &resource.name))]
        }
        _ => Vec::new(),
    }
}

/// What can be asked of a resource in its state.
struct Actions<'a> {
    resource: &'a Resource,
    are_allowed: bool,
}

impl Serialize for Actions<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            resource,
            are_allowed,
        } = self;
        let resource_type = resource.resource_type();
        let mut actions = serializer.serialize_map(None)?;
        let allowed = lifecycle::of(resource_type).actions(resource.state);
        for request in allowed.filter(|_| *are_allowed) {
            let plural = resource_type.plural();
            let address = format_args!("/v1/{plural}/{}/{request}", resource.id);
            actions.serialize_entry(request.as_str(), &address)?;
        }
        // No process: it is done at once, in any state.
        if *are_allowed && resource_type == ResourceType::Agent && resource.removed.is_none() {
            let address = format_args!("/v1/agents/{}/{REVOKE}", resource.id);
            actions.serialize_entry(REVOKE, &address)?;
        }
        actions.end()
    }
}

impl<K: Kind> Items for Shown<K> {
    const LISTED: Listed = Listed::Resource(K::TYPE);
}

impl<K: Kind> JsonSchema for Shown<K> {
    fn schema_name() -> Cow<'static, str> {
        K::NAME.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = Fields::json_schema(generator);
        let mut parts = vec![
            K::Spec::json_schema(generator),
            K::Status::json_schema(generator),
        ];
        match K::TYPE {
            ResourceType::Container => parts.push(json_schema!({
                "properties": {
                    "hostId": {
                        "type": ["string", "null"],
                        "format": "uuid",
                        "description": "The host that it lives on, once placed.",
                    },
                },
            })),
            ResourceType::Host => {
                let mut room = HostRoom::json_schema(generator);
                room.remove("required");
                parts.extend([room, Offer::json_schema(generator)]);
            }
            _ => {}
        }
        for part in parts {
            add_fields(&mut schema, part);
        }
        let lifecycle = lifecycle::of(K::TYPE);
        let states: Vec<&str> = lifecycle
            .states()
            .iter()
            .map(|state| state.as_str())
            .collect();
        let actions: Map<String, Value> = lifecycle
            .processes
            .iter()
            .filter(|definition| definition.is_action)
            .map(|definition| definition.request.as_str())
            .chain((K::TYPE == ResourceType::Agent).then_some(REVOKE))
            .map(|action| (action.to_owned(), json!({ "type": "string" })))
            .collect();
        let added = json_schema!({
            "properties": {
                "type": { "type": "string", "const": K::TYPE.as_str() },
                "state": { "type": "string", "enum": states, "description": "Its state." },
                "links": links_schema(),
                "included": included_schema(),
                "actions": {
                    "type": "object",
                    "description": "What can be asked of it as it is, by whoever asks.",
                    "properties": actions,
                    "additionalProperties": false,
                },
            },
            "required": ["links", "actions"],
        });
        add_fields(&mut schema, added);
        schema.remove("additionalProperties");
        let description = format!("What there is to see of one of the {}.", K::TYPE.plural());
        schema.insert("description".to_owned(), json!(description));
        schema
    }
}

/// The schema of links: addresses by name.
pub(super) fn links_schema() -> Value {
    json!({
        "type": "object",
        "description": "Where what belongs to it is.",
        "properties": { "self": { "type": "string" } },
        "required": ["self"],
        "additionalProperties": { "type": "string" },
    })
}

/// The schema of what is shown along: the targets of links by their names.
pub(super) fn included_schema() -> Value {
    json!({
        "type": "object",
        "description": "What the links lead to that `include` names; null where there is nothing to see.",
        "additionalProperties": { "type": ["object", "null"] },
    })
}

/// Adds the properties of one object's schema to those of another.
pub(crate) fn add_fields(schema: &mut Schema, mut part: Schema) {
    let whole = schema.ensure_object();
    for key in ["properties", "required"] {
        let given = part.remove(key);
        match (whole.get_mut(key), given) {
            (Some(Value::Object(known)), Some(Value::Object(given))) => known.extend(given),
            (Some(Value::Array(known)), Some(Value::Array(given))) => known.extend(given),
            (None, Some(given)) => {
                whole.insert(key.to_owned(), given);
            }
            _ => {}
        }
    }
}
