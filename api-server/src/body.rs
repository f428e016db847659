//! Bodies: JSON objects of bounded size, taken apart with the name of whatever field is wrong.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::Shared;
use crate::problem::Problem;

/// How much of a body that is too large is read and dropped, so that the client, which is still
/// sending, gets to see the answer.
const DISCARDED: usize = 64 * 1024 * 1024;

/// How long a body may take to arrive.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// The body of a request as a JSON object; an empty body is an empty object.
pub(crate) struct JsonObject(pub(crate) Map<String, Value>);

impl FromRequest<Arc<Shared>> for JsonObject {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let reading = read(request.into_body(), shared.options.body_limit);
        let bytes = timeout(READ_WITHIN, reading)
            .await
            .map_err(|_| too_slow())??;
        if bytes.is_empty() {
            return Ok(Self(Map::new()));
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(object)) => Ok(Self(object)),
            Ok(_) => Err(not_json("the body is JSON, but no object")),
            Err(error) => Err(not_json(&format!("the body is no JSON: {error}"))),
        }
    }
}

fn not_json(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "body", "Bad body", detail)
        .with_hint("send a JSON object, with `Content-Type: application/json`")
}

fn too_slow() -> Problem {
    Problem::new(
        StatusCode::REQUEST_TIMEOUT,
        "bodyTooSlow",
        "Body too slow",
        format!(
            "the body has not arrived within {} seconds",
            READ_WITHIN.as_secs()
        ),
    )
}

async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let mut stream = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut length = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| not_json("the body broke off"))?;
        length += chunk.len();
        if length <= limit {
            bytes.extend_from_slice(&chunk);
        } else if length > DISCARDED {
            break;
        }
    }
    if length > limit {
        return Err(Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "bodyTooLarge",
            "Body too large",
            format!("the body is larger than {limit} bytes"),
        ));
    }
    Ok(bytes.into())
}

/// Takes an object apart; what does not fit is a problem that names the field.
pub(crate) fn parse<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Value::Object(object)).map_err(|error| {
        let path = error.path().to_string();
        let message = error.into_inner().to_string();
        let field = field(&path, &message);
        Problem::invalid(field, message)
    })
}

/// The path of a field. What is missing or unknown is named by the message, its parent by the path.
fn field(path: &str, message: &str) -> String {
    let parent = if path == "." { "" } else { path };
    let named = ["missing field `", "unknown field `"]
        .iter()
        .find_map(|start| message.strip_prefix(start)?.split('`').next());
    match named {
        // An unknown field stands at the end of the path already.
        Some(name) if parent == name || parent.ends_with(&format!(".{name}")) => parent.to_owned(),
        Some(name) if parent.is_empty() => name.to_owned(),
        Some(name) => format!("{parent}.{name}"),
        None => parent.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use drover_domain::resource::ContainerSpec;
    use serde_json::json;

    use super::*;

    fn problem_of(value: Value) -> String {
        let Value::Object(object) = value else {
            panic!()
        };
        format!("{:?}", parse::<ContainerSpec>(object).unwrap_err())
    }

    #[test]
    fn the_field_that_is_wrong_is_named() {
        for (value, field) in [
            (json!({}), "\"image\""),
            (json!({"image": "x", "colour": "red"}), "\"colour\""),
            (
                json!({"image": "x", "ports": [{"containerPort": 70_000}]}),
                "\"ports[0].containerPort\"",
            ),
            (
                json!({"image": "x", "ports": [{"containerPort": 1, "a": 2}]}),
                "\"ports[0].a\"",
            ),
            (
                json!({"image": "x", "resources": {"memoryMiB": "much"}}),
                "\"resources.memoryMiB\"",
            ),
        ] {
            let problem = problem_of(value);
            assert!(problem.contains(field), "{problem} names {field}");
        }
    }
}
