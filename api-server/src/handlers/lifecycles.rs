//! `/v1/lifecycles`: which request is allowed in which state, as data and as pictures.

use axum::Json;
use axum::extract::Path;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use drover_domain::ResourceType;
use drover_domain::lifecycle;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::query::{Nothing, Strict};

const MERMAID: &str = "text/vnd.mermaid";
const DOT: &str = "text/vnd.graphviz";

/// The form of one lifecycle.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Json,
    Mermaid,
    Dot,
}

/// The query of one lifecycle: its form, where the client cannot say it by `Accept`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    format: Option<Form>,
}

pub(crate) async fn list(Strict(Nothing {}): Strict<Nothing>) -> Json<Value> {
    let all: Vec<_> = lifecycle::all()
        .map(lifecycle::Lifecycle::describe)
        .collect();
    Json(json!({
        "type": "collection",
        "resourceType": "lifecycle",
        "data": all,
        "links": { "self": "/v1/lifecycles" },
    }))
}

pub(crate) async fn read(
    Path(name): Path<String>,
    Strict(wanted): Strict<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let resource_type: ResourceType = name.parse().map_err(|_| Problem::not_found("lifecycle"))?;
    let lifecycle = lifecycle::of(resource_type);
    Ok(match wanted.format.unwrap_or_else(|| accepted(&headers)) {
        Form::Json => Json(lifecycle.describe()).into_response(),
        Form::Mermaid => ([(header::CONTENT_TYPE, MERMAID)], lifecycle.mermaid()).into_response(),
        Form::Dot => ([(header::CONTENT_TYPE, DOT)], lifecycle.dot()).into_response(),
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
