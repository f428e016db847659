//! Queries and headers of requests. Whatever is malformed or unknown is refused, never ignored.

mod listing;

use std::time::Duration;

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::{OperationInput, ParamLocation, add_parameters, parameters_from_schema};
use axum::extract::{FromRequestParts, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use schemars::{JsonSchema, Schema, json_schema};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::problem::{Problem, catalogue, shape};

pub(crate) use listing::{Items, ListOf, OneOf, ProcessQuery};

/// A query of a known form. Its type refuses unknown fields.
pub(crate) struct Strict<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Strict<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::bad_query("a value has a NUL character"));
        }
        Query::<T>::try_from_uri(&parts.uri)
            .map(|Query(query)| Self(query))
            .map_err(|rejection| Problem::bad_query(rejection.body_text()))
    }
}

impl<T: JsonSchema> OperationInput for Strict<T> {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let mut schema = T::json_schema(&mut context.schema);
        strip_null(&mut schema);
        let parameters = parameters_from_schema(context, schema, ParamLocation::Query);
        add_parameters(context, operation, parameters);
        shape::add(context, operation, &[&catalogue::QUERY]);
    }
}

/// A parameter that is absent is not null.
fn strip_null(schema: &mut Schema) {
    let properties = schema
        .ensure_object()
        .get_mut("properties")
        .and_then(Value::as_object_mut);
    for property in properties.into_iter().flat_map(|all| all.values_mut()) {
        let Some(types) = property.get_mut("type") else {
            continue;
        };
        if let Some(one) = types.as_array().and_then(|types| types.first()) {
            *types = one.clone();
        }
    }
}

/// The query of a request that takes none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// The query of a removal.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Force {
    /// Whether it is to happen in any state, and whatever it leaves behind.
    #[serde(default)]
    pub(crate) force: bool,
}

/// How long `Prefer: wait=SECONDS` asks to hold the answer back; other preferences are not ours.
#[derive(Clone, Copy)]
pub(crate) struct Preferred {
    pub(crate) wait: Option<Duration>,
}

impl<S: Sync> FromRequestParts<S> for Preferred {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let wait = preferred_wait(&parts.headers)?;
        Ok(Self { wait })
    }
}

impl OperationInput for Preferred {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let schema = json_schema!({
            "properties": {
                "Prefer": {
                    "type": "string",
                    "description": "`wait=SECONDS` holds the answer back until the process has ended, at most that long.",
                },
            },
        });
        let parameters = parameters_from_schema(context, schema, ParamLocation::Header);
        add_parameters(context, operation, parameters);
        shape::add(context, operation, &[&catalogue::HEADER]);
    }
}

pub(crate) fn preferred_wait(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    for value in headers.get_all("prefer") {
        let text = value.to_str().unwrap_or_default();
        for preference in text.split(',').map(str::trim) {
            if let Some(seconds) = preference.strip_prefix("wait=") {
                let seconds = seconds.parse().map_err(|_| {
                    Problem::bad_header("Prefer", "`wait` is a whole number of seconds")
                })?;
                return Ok(Some(Duration::from_secs(seconds)));
            }
        }
    }
    Ok(None)
}
