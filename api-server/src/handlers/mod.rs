//! The handlers: one file for what all resources have in common, one for each that has more.

pub(crate) mod accounts;
pub(crate) mod agents;
pub(crate) mod api_keys;
pub(crate) mod audit_logs;
mod beside;
mod bulk;
pub(crate) mod containers;
pub(crate) mod health;
pub(crate) mod host_stats;
pub(crate) mod images;
mod including;
pub(crate) mod index;
pub(crate) mod lifecycles;
pub(crate) mod logins;
pub(crate) mod networks;
pub(crate) mod processes;
pub(crate) mod projects;
mod reading;
pub(crate) mod registration_tokens;
pub(crate) mod registry_credentials;
mod removal;
pub(crate) mod resources;
pub(crate) mod schemas;
pub(crate) mod sessions;
pub(crate) mod settings;
pub(crate) mod streams;
pub(crate) mod updates;
pub(crate) mod volumes;
pub(crate) mod watch;

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::{OperationInput, ParamLocation, add_parameters, parameters_from_schema};
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use drover_domain::{Resource, ResourceId, ResourceType};
use drover_store::Attached;
use schemars::json_schema;

use crate::Shared;
use crate::answer::{Made, Reply};
use crate::authorization::Caller;
use crate::problem::{Problem, catalogue, shape};
use crate::representation::{self, Kind, Shown};

/// The id in the address of a resource. What is no id names nothing.
pub(crate) struct Id(ResourceId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let id = path.ok().and_then(|Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(|| Problem::not_found("resource"))
    }
}

impl OperationInput for Id {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = json_schema!({
            "properties": { "id": { "type": "string", "format": "uuid" } },
            "required": ["id"],
        });
        let parameters = parameters_from_schema(context, schema, ParamLocation::Path);
        add_parameters(context, operation, parameters);
        shape::add(context, operation, &[&catalogue::NOT_FOUND]);
    }
}

/// The answer that something is made with, and what is written down along with it.
fn made<K: Kind>(
    caller: &Caller,
    new: &Resource,
) -> Result<(Reply<Made, Shown<K>>, Attached), Problem> {
    let location = representation::address(K::TYPE, new.id);
    let reply = Reply::new(Shown::new(new.clone(), caller));
    let reply = reply.at(&location).tagged(new.version);
    let attached = caller.attached(new.created, new, reply.answered(caller)?);
    Ok((reply, attached))
}

/// A resource that is to be removed at once, if the caller may and it is there.
async fn removable(
    shared: &Shared,
    caller: &Caller,
    resource_type: ResourceType,
    id: ResourceId,
) -> Result<Resource, Problem> {
    let resource = shared.store.resource(resource_type, id).await?;
    let resource = resource.filter(|resource| resource.removed.is_none());
    caller.changeable(resource.ok_or_else(|| Problem::not_found(resource_type.as_str()))?)
}
