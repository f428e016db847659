//! `/v1/hosts`: the machines that run containers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use drover_domain::ResourceType;
use drover_domain::lifecycle::Request;

use super::{Action, Id, reading};
use crate::Shared;
use crate::authentication::Caller;
use crate::intents;
use crate::problem::Problem;
use crate::query::{Force, ListResources, Nothing, Strict};

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Strict(query): Strict<ListResources>,
    address: Uri,
) -> Result<Response, Problem> {
    reading::list(&shared, ResourceType::Host, query, &address).await
}

pub(crate) async fn read(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Problem> {
    reading::read(&shared, ResourceType::Host, id).await
}

pub(crate) async fn act(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    action: Action,
    Strict(Force { force }): Strict<Force>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, request) = action.of(ResourceType::Host)?;
    intents::change(
        &shared,
        caller,
        &headers,
        (ResourceType::Host, id),
        request,
        force,
    )
    .await
}

pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Force { force }): Strict<Force>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let host = (ResourceType::Host, id);
    intents::change(&shared, caller, &headers, host, Request::Remove, force).await
}
