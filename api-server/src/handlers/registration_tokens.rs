//! `/v1/registrationTokens`: what lets agents introduce themselves.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use drover_domain::resource::{validate_description, validate_name};
use drover_domain::{ResourceType, State as ResourceState};
use serde::Deserialize;
use serde_json::Value;

use super::Id;
use crate::Shared;
use crate::body::{self, JsonObject};
use crate::problem::Problem;
use crate::query::{Nothing, Strict};
use crate::representation::{self, Beside};
use crate::tokens::{self, Token};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Given {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
    maximum_uses: Option<u32>,
    expires_in_seconds: Option<u32>,
}

/// Makes a token. Its text is in this answer and in no other.
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    Strict(Nothing {}): Strict<Nothing>,
    JsonObject(object): JsonObject,
) -> Result<Response, Problem> {
    let given: Given = body::parse(object)?;
    validate_name(&given.name)?;
    validate_description(&given.description)?;
    if given.maximum_uses == Some(0) {
        return Err(Problem::invalid(
            "maximumUses",
            "is 0: the token could never be used",
        ));
    }
    let lifetime = given
        .expires_in_seconds
        .map(|seconds| Duration::from_secs(seconds.into()));
    let asked = Token {
        name: given.name,
        description: given.description,
        maximum_uses: given.maximum_uses,
        lifetime,
    };
    let (resource, issued) = tokens::issue(&shared.store, asked, shared.clock.now()).await?;
    let mut body = representation::resource(&resource, &Beside::default())?;
    if let Value::Object(body) = &mut body {
        body.insert("token".to_owned(), Value::String(issued.into_text()));
    }
    let location = representation::address(ResourceType::RegistrationToken, resource.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, location)],
        Json(body),
    )
        .into_response())
}

/// Ends a token at once. Agents that used it stay.
pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<StatusCode, Problem> {
    let resource = shared
        .store
        .resource(ResourceType::RegistrationToken, id)
        .await?;
    let Some(mut resource) = resource.filter(|resource| resource.removed.is_none()) else {
        return Err(Problem::not_found("registrationToken"));
    };
    shared.store.revoke(id).await?;
    let expected = resource.version;
    let now = shared.clock.now();
    resource.state = ResourceState::Removed;
    resource.removed = Some(now);
    resource.updated = now;
    resource.version += 1;
    if !shared.store.rewrite(&resource, expected).await? {
        return Err(Problem::conflict(
            "the token was used or changed at the same moment",
        ));
    }
    Ok(StatusCode::NO_CONTENT)
}
