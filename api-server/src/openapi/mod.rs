//! The description of the API, in OpenAPI 3.1, and a browser for it.
//!
//! It is made from the types of the handlers, once, when the server starts; nothing is written by
//! hand beside them. A role is a filter over it: whoever shows a key is told of the operations that
//! its role allows, and whoever shows none, of all: what the API looks like is no secret, what is
//! in it is.

mod alternatives;
mod document;

use std::collections::BTreeMap;
use std::sync::Arc;

use aide::swagger::Swagger;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use drover_domain::Role;
use serde_json::Value;

use crate::routes::ROLE;
use crate::schemas::{self, TypeSchema};
use crate::{Shared, authentication};

pub(crate) use document::describe;

/// The descriptions, by the role that they are for.
pub(crate) struct Descriptions {
    whole: Bytes,
    by_role: BTreeMap<Role, ForRole>,
}

/// What a role is told.
struct ForRole {
    document: Bytes,
    schemas: Vec<TypeSchema>,
    /// The methods of each address.
    allowed: BTreeMap<String, String>,
}

impl Descriptions {
    /// The descriptions for every role.
    pub(crate) fn of(document: &Value) -> Self {
        let of_role = |role| {
            let document = for_role(document.clone(), role);
            let told = ForRole {
                document: encode(&document),
                schemas: schemas::of(&document),
                allowed: allowed(&document),
            };
            (role, told)
        };
        Self {
            whole: encode(document),
            by_role: Role::ALL.iter().copied().map(of_role).collect(),
        }
    }

    /// The types that exist for a role.
    pub(crate) fn schemas(&self, role: Role) -> &[TypeSchema] {
        self.by_role.get(&role).map_or(&[], |told| &told.schemas)
    }

    /// What `Allow` says to a role of an address (`/v1/hosts/{id}`); nothing of one that does not exist
    /// for it.
    pub(crate) fn allowed(&self, role: Role, path: &str) -> Option<&str> {
        let told = self.by_role.get(&role)?;
        told.allowed.get(path).map(String::as_str)
    }

    fn document(&self, role: Role) -> &Bytes {
        self.by_role
            .get(&role)
            .map_or(&self.whole, |told| &told.document)
    }
}

fn encode(document: &Value) -> Bytes {
    document.to_string().into()
}

fn allowed(document: &Value) -> BTreeMap<String, String> {
    let paths = document["paths"].as_object().into_iter().flatten();
    let allowed = paths.map(|(path, operations)| {
        let operations = operations.as_object().into_iter().flatten();
        let mut methods: Vec<String> = operations
            .filter(|(_, operation)| operation.is_object())
            .map(|(method, _)| method.to_ascii_uppercase())
            .collect();
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".to_owned());
        }
        (path.clone(), methods.join(","))
    });
    allowed.collect()
}

/// The operations that a role allows.
fn for_role(mut document: Value, role: Role) -> Value {
    let Some(paths) = document["paths"].as_object_mut() else {
        return document;
    };
    for operations in paths.values_mut().filter_map(Value::as_object_mut) {
        operations.retain(|_, operation| {
            let needed = operation[ROLE].as_str();
            let needed = needed.and_then(|needed| needed.parse::<Role>().ok());
            needed.is_none_or(|needed| needed <= role)
        });
    }
    paths.retain(|_, operations| {
        operations
            .as_object()
            .is_some_and(|operations| !operations.is_empty())
    });
    document
}

/// The addresses that need no key.
pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/v1/openapi.json", get(read))
        .route("/v1/ui", get(browser))
}

async fn read(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let descriptions = &shared.descriptions;
    let shows_something =
        headers.contains_key(header::AUTHORIZATION) || headers.contains_key(header::COOKIE);
    let description = match shows_something {
        false => &descriptions.whole,
        true => match authentication::identify(&shared, &headers).await {
            Ok(caller) => descriptions.document(caller.role),
            Err(problem) => return problem.into_response(),
        },
    };
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], description.clone()).into_response()
}

/// What the browser of the API may do: nothing but to ask this server.
const POLICY: &str = "default-src 'self'; script-src 'self' 'unsafe-inline'; \
                      style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

async fn browser() -> Response {
    let page = Swagger::new("/v1/openapi.json")
        .with_title("Drover API")
        .html();
    let headers = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, Html(page)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router;

    const SNAPSHOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

    #[test]
    fn the_description_in_the_repository_is_that_of_the_handlers() {
        let document = describe(router::api).document;
        let made = serde_json::to_string_pretty(&document).unwrap() + "\n";
        if std::env::var_os("DROVER_WRITE_OPENAPI").is_some() {
            std::fs::write(SNAPSHOT, &made).unwrap();
        }
        let kept = std::fs::read_to_string(SNAPSHOT).unwrap_or_default();
        assert!(
            kept == made,
            "the API changed: look at the difference that `DROVER_WRITE_OPENAPI=1 cargo nextest run \
             -p drover-api-server the_description` makes in docs/openapi.json"
        );
    }

    #[test]
    fn a_schema_tells_fields_actions_and_filters_as_the_role_has_them() {
        let document = describe(router::api).document;
        let descriptions = Descriptions::of(&document);
        let container_of = |role| {
            let schemas = descriptions.schemas(role);
            let found = schemas.iter().find(|schema| schema.id == "container");
            serde_json::to_value(found.unwrap()).unwrap()
        };
        let member = container_of(Role::Member);
        let image = &member["resourceFields"]["image"];
        assert_eq!(image["type"], "string");
        assert_eq!(image["required"], true);
        assert_eq!(image["create"], true);
        assert_eq!(image["update"], false);
        let state = &member["resourceFields"]["state"];
        assert_eq!(state["type"], "enum");
        assert_eq!(state["create"], false);
        assert_eq!(member["resourceActions"]["start"]["output"], "container");
        assert!(member["collectionFilters"]["name"]["modifiers"].is_array());
        assert_eq!(member["collectionMethods"][1], "POST");
        let viewer = container_of(Role::Viewer);
        assert_eq!(viewer["resourceFields"]["image"]["create"], false);
        assert_eq!(viewer["resourceActions"], serde_json::json!({}));
        let seen_by_agents = descriptions.schemas(Role::Agent);
        assert!(seen_by_agents.iter().all(|schema| schema.id != "container"));
    }

    #[test]
    fn a_viewer_is_told_of_nothing_that_it_may_not_do() {
        let document = describe(router::api).document;
        let seen = for_role(document, Role::Viewer);
        let containers = &seen["paths"]["/v1/containers"];
        assert!(containers["get"].is_object());
        assert!(containers["post"].is_null());
        assert!(seen["paths"]["/v1/registrationTokens"].is_null());
    }
}
