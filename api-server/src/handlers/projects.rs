//! `/v1/projects`: sets of resources that belong together.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use drover_domain::ResourceType;

use super::{Id, reading};
use crate::Shared;
use crate::problem::Problem;
use crate::query::{ListResources, Nothing, Strict};

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Strict(query): Strict<ListResources>,
    address: Uri,
) -> Result<Response, Problem> {
    reading::list(&shared, ResourceType::Project, query, &address).await
}

pub(crate) async fn read(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Problem> {
    reading::read(&shared, ResourceType::Project, id).await
}
