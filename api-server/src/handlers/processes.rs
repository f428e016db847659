//! `/v1/processes`: why everything is where it is.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use drover_domain::engine;
use drover_domain::{Phase, Process, ProcessId, Resource};
use drover_store::ProcessFilter;
use serde_json::Value;
use tokio::time::Instant;

use super::Id;
use crate::Shared;
use crate::authentication::Caller;
use crate::intents;
use crate::problem::Problem;
use crate::query::{ListProcesses, Nothing, Strict, Wait};
use crate::representation;

/// How often a cancellation is decided anew because the process moved meanwhile.
const TRIES: u32 = 8;

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    Strict(query): Strict<ListProcesses>,
    address: Uri,
) -> Result<Json<Value>, Problem> {
    let page = query.page()?;
    let filter = ProcessFilter {
        resource: query.resource_id,
        project: query.project_id,
        parent: query.parent_id,
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

/// Ends a process that has not finished.
pub(crate) async fn cancel(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Json<Value>, Problem> {
    let id = ProcessId::new(id.uuid());
    for _ in 0..TRIES {
        let (process, resource) = find(&shared, id).await?;
        let reason = format!("by request {}", caller.cause().request_id);
        let resource = resource.ok_or_else(|| Problem::not_found("resource"))?;
        let now = shared.clock.now();
        let Some(cancellation) = engine::cancel(&process, &resource, &reason, now) else {
            return Err(Problem::process_finished(process.phase));
        };
        if shared.store.cancel(&cancellation).await? {
            shared.announcer.ended(id).await;
            shared.announcer.changed().await;
            return Ok(Json(representation::process(&cancellation.process)));
        }
    }
    Err(Problem::conflict(
        "the process moves faster than it can be canceled",
    ))
}

/// Has a process that waits go on at once, or what a process that did not succeed was for asked
/// again, as a new process.
pub(crate) async fn retry(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Response, Problem> {
    let id = ProcessId::new(id.uuid());
    let (process, _) = find(&shared, id).await?;
    match process.phase {
        Phase::Failed | Phase::Canceled => {
            let resource = (process.resource.resource_type, process.resource.id);
            let (request, force) = (process.request, process.force);
            let intent = intents::commit_change(&shared, caller, resource, request, force).await?;
            Ok(accepted(&intent.process))
        }
        Phase::Waiting if shared.store.hurry(id, shared.clock.now()).await? => {
            shared
                .announcer
                .ready(id, process.resource, process.priority)
                .await;
            let (process, _) = find(&shared, id).await?;
            Ok(accepted(&process))
        }
        Phase::Done => Err(Problem::process_finished(process.phase)),
        Phase::Queued | Phase::Running | Phase::Waiting => Ok(accepted(&process)),
    }
}

fn accepted(process: &Process) -> Response {
    let location = format!("/v1/processes/{}", process.id);
    let body = Json(representation::process(process));
    (StatusCode::ACCEPTED, [(header::LOCATION, location)], body).into_response()
}

async fn find(shared: &Shared, id: ProcessId) -> Result<(Process, Option<Resource>), Problem> {
    let process = shared.store.process(id).await?;
    let process = process.ok_or_else(|| Problem::not_found("process"))?;
    let reference = process.resource;
    let resource = shared
        .store
        .resource(reference.resource_type, reference.id)
        .await?;
    Ok((process, resource))
}
