//! `/v1/processes`: why everything is where it is.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use drover_domain::ProcessId;
use drover_store::ProcessFilter;
use serde_json::Value;
use tokio::time::Instant;

use super::Id;
use crate::Shared;
use crate::problem::Problem;
use crate::query::{ListProcesses, Strict, Wait};
use crate::representation;

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Strict(query): Strict<ListProcesses>,
    address: Uri,
) -> Result<Json<Value>, Problem> {
    let page = query.page()?;
    let filter = ProcessFilter {
        resource: query.resource_id,
        project: query.project_id,
        phases: query.phases()?,
        after: page.after,
        // One more than asked for tells whether there is a next page.
        limit: page.limit + 1,
    };
    let mut processes = shared.store.processes(&filter).await?;
    let has_more = processes.len() as u64 > page.limit;
    processes.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
    let data = processes.iter().map(representation::process).collect();
    let next = processes
        .last()
        .filter(|_| has_more)
        .map(|process| process.id.to_string());
    let address = address
        .path_and_query()
        .map_or("", |address| address.as_str());
    let address = format!("/v1{address}");
    Ok(Json(representation::collection(
        "process", data, &address, page.limit, next,
    )))
}

pub(crate) async fn read(
    State(shared): State<Arc<Shared>>,
    Id(id): Id,
    Strict(Wait { wait }): Strict<Wait>,
) -> Result<Json<Value>, Problem> {
    let id = ProcessId::new(id.uuid());
    let wait = Duration::from_secs(wait.unwrap_or(0)).min(shared.options.longest_wait);
    let until = Instant::now() + wait;
    let process = shared
        .waiters
        .wait(&shared.store, id, until, &shared.shutdown)
        .await?;
    let process = process.ok_or_else(|| Problem::not_found("process"))?;
    Ok(Json(representation::process(&process)))
}
