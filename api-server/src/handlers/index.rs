//! `/v1`: what there is, for whoever asks.

use std::collections::BTreeMap;

use drover_domain::{ResourceType, Role};
use schemars::JsonSchema;
use serde::Serialize;

use crate::answer::{Reply, Told};
use crate::authorization::Caller;
use crate::query::{Nothing, Strict};
use crate::routes::{Needs, Routes, about};

/// A version of the API.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ApiVersion {
    /// Always `apiVersion`.
    #[schemars(extend("const" = "apiVersion"))]
    r#type: &'static str,
    /// Always `v1`.
    id: &'static str,
    /// The version of the server.
    version: &'static str,
    /// The collections that exist for whoever asks, and what else there is.
    links: BTreeMap<&'static str, String>,
}

/// What there is beside the types of resources, and the least role that sees it.
const BESIDE: [(&str, Role); 8] = [
    ("self", Role::Agent),
    ("schemas", Role::Agent),
    ("lifecycles", Role::Agent),
    ("openapi", Role::Agent),
    ("processes", Role::Viewer),
    ("watch", Role::Agent),
    ("auditLogs", Role::Operator),
    ("settings", Role::Operator),
];

/// The address of the index.
pub(crate) fn routes(routes: Routes) -> Routes {
    let about = about(Needs::ANY, "Index", "readIndex", "Says what there is");
    routes.get("/", about, index)
}

async fn index(caller: Caller, Strict(Nothing {}): Strict<Nothing>) -> Reply<Told, ApiVersion> {
    let types = ResourceType::ALL.iter().copied();
    let types = types
        .filter(|known| caller.role.may_see(*known))
        .map(ResourceType::plural);
    let beside = BESIDE.iter().filter(|(_, role)| caller.role >= *role);
    let links = types.chain(beside.map(|(name, _)| *name)).map(|name| {
        let address = match name {
            "self" => "/v1".to_owned(),
            "openapi" => "/v1/openapi.json".to_owned(),
            _ => format!("/v1/{name}"),
        };
        (name, address)
    });
    Reply::new(ApiVersion {
        r#type: "apiVersion",
        id: "v1",
        version: env!("CARGO_PKG_VERSION"),
        links: links.collect(),
    })
}
