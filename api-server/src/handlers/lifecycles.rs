//! `/v1/lifecycles`: which request is allowed in which state, as data and as pictures.

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::{
    OperationInput, OperationOutput, ParamLocation, add_parameters, parameters_from_schema,
};
use axum::Json;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use drover_domain::ResourceType;
use drover_domain::lifecycle::picture::Described;
use drover_domain::lifecycle::{self, Lifecycle};
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Serialize};

use crate::answer::{Reply, Told, media};
use crate::authorization::Caller;
use crate::problem::{Problem, catalogue, shape};
use crate::query::{Nothing, Strict};
use crate::routes::{Needs, Routes, about};

const TAG: &str = "Lifecycles";
const MERMAID: &str = "text/vnd.mermaid";
const DOT: &str = "text/vnd.graphviz";

/// The form of one lifecycle.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Form {
    Json,
    Mermaid,
    Dot,
}

/// The query of one lifecycle: its form, where the client cannot say it by `Accept`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// The form, where it cannot be said by `Accept`.
    format: Option<Form>,
}

/// The addresses of lifecycles.
pub(crate) fn routes(routes: Routes) -> Routes {
    let list = about(Needs::ANY, TAG, "listLifecycles", "Lists lifecycles");
    let read = about(
        Needs::ANY,
        TAG,
        "readLifecycle",
        "Reads one lifecycle, as data or as a picture",
    );
    routes
        .get("/lifecycles", list, self::list)
        .get("/lifecycles/{type}", read, self::read)
}

/// Every lifecycle.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LifecycleCollection {
    /// Always `collection`.
    #[schemars(extend("const" = "collection"))]
    r#type: &'static str,
    /// Always `lifecycle`.
    resource_type: &'static str,
    data: Vec<Described>,
    links: SelfLink,
}

#[derive(Serialize, JsonSchema)]
struct SelfLink {
    #[serde(rename = "self")]
    own: &'static str,
}

async fn list(
    caller: Caller,
    Strict(Nothing {}): Strict<Nothing>,
) -> Reply<Told, LifecycleCollection> {
    let seen = lifecycle::all().filter(|lifecycle| caller.role.may_see(lifecycle.resource_type));
    Reply::new(LifecycleCollection {
        r#type: "collection",
        resource_type: "lifecycle",
        data: seen.map(Lifecycle::describe).collect(),
        links: SelfLink {
            own: "/v1/lifecycles",
        },
    })
}

/// The type of resource in the address of a lifecycle.
struct Named(ResourceType);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let named = path.ok().and_then(|Path(name)| name.parse().ok());
        named
            .map(Self)
            .ok_or_else(|| Problem::not_found("lifecycle"))
    }
}

impl OperationInput for Named {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let names: Vec<&str> = ResourceType::ALL
            .iter()
            .map(|known| known.as_str())
            .collect();
        let schema = json_schema!({
            "properties": { "type": { "type": "string", "enum": names } },
            "required": ["type"],
        });
        let parameters = parameters_from_schema(context, schema, ParamLocation::Path);
        add_parameters(context, operation, parameters);
        shape::add(context, operation, &[&catalogue::NOT_FOUND]);
    }
}

/// One lifecycle in one of its forms.
enum Lifecycled {
    Json(Box<Described>),
    Picture(&'static str, String),
}

impl IntoResponse for Lifecycled {
    fn into_response(self) -> Response {
        match self {
            Self::Json(described) => Json(described).into_response(),
            Self::Picture(form, text) => ([(header::CONTENT_TYPE, form)], text).into_response(),
        }
    }
}

impl OperationOutput for Lifecycled {
    type Inner = Described;

    fn inferred_responses(
        context: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<u16>, aide::openapi::Response)> {
        let described = context.schema.subschema_for::<Described>();
        let text = json_schema!({ "type": "string" });
        let response = aide::openapi::Response {
            description: "As it stands.".to_owned(),
            content: [
                ("application/json".to_owned(), media(described)),
                (MERMAID.to_owned(), media(text.clone())),
                (DOT.to_owned(), media(text)),
            ]
            .into_iter()
            .collect(),
            ..aide::openapi::Response::default()
        };
        vec![(Some(200), response)]
    }
}

async fn read(
    caller: Caller,
    Named(resource_type): Named,
    Strict(wanted): Strict<Wanted>,
    headers: HeaderMap,
) -> Result<Lifecycled, Problem> {
    if !caller.role.may_see(resource_type) {
        return Err(Problem::not_found("lifecycle"));
    }
    let lifecycle = lifecycle::of(resource_type);
    Ok(match wanted.format.unwrap_or_else(|| accepted(&headers)) {
        Form::Json => Lifecycled::Json(Box::new(lifecycle.describe())),
        Form::Mermaid => Lifecycled::Picture(MERMAID, lifecycle.mermaid()),
        Form::Dot => Lifecycled::Picture(DOT, lifecycle.dot()),
    })
}

fn accepted(headers: &HeaderMap) -> Form {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    match accept.unwrap_or_default() {
        accept if accept.contains(MERMAID) => Form::Mermaid,
        accept if accept.contains(DOT) => Form::Dot,
        _ => Form::Json,
    }
}
