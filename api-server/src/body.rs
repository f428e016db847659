//! Bodies: JSON objects of bounded size, taken apart with the name of whatever field is wrong.

use std::sync::Arc;
use std::time::Duration;

use aide::generate::GenContext;
use aide::openapi::{Operation, RequestBody};
use aide::operation::{OperationInput, set_body};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use futures::StreamExt;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::Shared;
use crate::answer::media;
use crate::objects::Objects;
use crate::problem::{Kind, Problem, catalogue, shape};

/// How much of a body that is too large is read and dropped, so that the client, which is still
/// sending, gets to see the answer.
const DISCARDED: usize = 64 * 1024 * 1024;

/// How long a body may take to arrive.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// What a body can be read as. Its schema says what is taken.
pub(crate) trait FromObject: JsonSchema + Sized {
    /// Takes an object apart.
    ///
    /// # Errors
    /// A problem that names the field which does not fit.
    fn from_object(object: Map<String, Value>) -> Result<Self, Problem>;

    /// Takes whatever was sent apart.
    ///
    /// # Errors
    /// A problem that names the field which does not fit, or that it is no object.
    fn from_json(value: Value) -> Result<Self, Problem> {
        match value {
            Value::Object(object) => Self::from_object(object),
            _ => Err(no_object()),
        }
    }
}

/// The body of a request, checked; an empty body is an empty object.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: FromObject> FromRequest<Arc<Shared>> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        T::from_json(json(request, shared).await?).map(Self)
    }
}

impl<T: FromObject> OperationInput for JsonBody<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let json_schema = context.schema.subschema_for::<T>();
        let schema = T::json_schema(&mut context.schema);
        let needs_nothing = |required: &Value| required == &Value::Array(Vec::new());
        let may_be_left_out =
            schema.get("required").is_none_or(needs_nothing) && schema.get("oneOf").is_none();
        let body = RequestBody {
            content: [("application/json".to_owned(), media(json_schema))]
                .into_iter()
                .collect(),
            required: !may_be_left_out,
            ..RequestBody::default()
        };
        set_body(context, operation, body);
        shape::add(context, operation, PROBLEMS);
    }
}

/// What can be wrong with a body.
const PROBLEMS: &[&Kind] = &[
    &catalogue::BODY,
    &catalogue::BODY_TOO_SLOW,
    &catalogue::BODY_TOO_LARGE,
    &catalogue::INVALID,
];

/// The body is something else than an object.
pub(crate) fn no_object() -> Problem {
    not_json("the body is JSON, but no object")
}

/// The bytes of a body, of bounded size and in bounded time.
pub(crate) async fn bytes(body: Body, shared: &Shared) -> Result<Bytes, Problem> {
    let reading = read(body, shared.options.body_limit);
    timeout(READ_WITHIN, reading)
        .await
        .map_err(|_| too_slow())?
}

/// The body of a request as JSON; an empty body is an empty object.
async fn json(request: Request, shared: &Shared) -> Result<Value, Problem> {
    let bytes = bytes(request.into_body(), shared).await?;
    if bytes.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let mut body = serde_json::from_slice(&bytes)
        .map_err(|error| not_json(&format!("the body is no JSON: {error}")))?;
    without_fractions(&mut body);
    Ok(body)
}

/// The numbers up to which every integer is a float of its own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// To JSON `5.0` is the integer 5, which some languages write so; to Rust it is not.
fn without_fractions(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(without_fractions),
        Value::Object(fields) => fields.values_mut().for_each(without_fractions),
        Value::Number(number) if number.is_f64() => {
            let whole = number
                .as_f64()
                .filter(|number| number.fract() == 0.0 && number.abs() <= EXACT);
            if let Some(whole) = whole {
                #[expect(clippy::cast_possible_truncation, reason = "it is whole and in range")]
                let whole = whole as i64;
                *number = whole.into();
            }
        }
        _ => {}
    }
}

fn not_json(detail: &str) -> Problem {
    Problem::new(&catalogue::BODY, detail)
        .with_hint("send a JSON object, with `Content-Type: application/json`")
}

fn too_slow() -> Problem {
    Problem::new(
        &catalogue::BODY_TOO_SLOW,
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
            &catalogue::BODY_TOO_LARGE,
            format!("the body is larger than {limit} bytes"),
        ));
    }
    Ok(bytes.into())
}

/// Takes an object apart; what does not fit is a problem that names the field.
pub(crate) fn parse<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Objects(Value::Object(object))).map_err(|error| {
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
            (
                json!({"image": "x", "resources": [64, 500]}),
                "\"resources\"",
            ),
        ] {
            let problem = problem_of(value);
            assert!(problem.contains(field), "{problem} names {field}");
        }
    }
}
