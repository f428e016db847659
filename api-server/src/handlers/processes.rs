//! `/v1/processes`: why everything is where it is.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::Uri;
use drover_domain::engine;
use drover_domain::{Phase, Process, ProcessId, Resource};
use drover_store::ProcessFilter;
use tokio::time::Instant;

use super::Id;
use crate::Shared;
use crate::answer::{Changed, Read, Reply, Retried, Told};
use crate::authorization::Caller;
use crate::intents;
use crate::problem::Problem;
use crate::problem::catalogue::{CONFLICT, PROCESS_FINISHED, STATE};
use crate::query::{ListProcesses, Nothing, Strict, Wait};
use crate::representation::{Collection, ShownProcess};
use crate::routes::{Needs, Routes, about};

/// How often a cancellation is decided anew because the process moved meanwhile.
const TRIES: u32 = 8;

const TAG: &str = "Processes";

/// The addresses of processes.
pub(crate) fn routes(routes: Routes) -> Routes {
    let list = about(Needs::VIEWER, TAG, "listProcesses", "Lists processes");
    let read = about(Needs::VIEWER, TAG, "readProcess", "Reads one process");
    let cancel = about(Needs::MEMBER, TAG, "cancelProcess", "Ends a process");
    let retry = about(
        Needs::MEMBER,
        TAG,
        "retryProcess",
        "Has a process go on at once, or asks again for what it was for",
    );
    let process = "/processes/{id}";
    routes
        .get("/processes", list, self::list)
        .get(process, read, self::read)
        .post(
            &format!("{process}/cancel"),
            cancel.fails(&[&PROCESS_FINISHED, &CONFLICT]),
            self::cancel,
        )
        .post(
            &format!("{process}/retry"),
            retry.fails(&[&PROCESS_FINISHED, &STATE, &CONFLICT]),
            self::retry,
        )
}

async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(query): Strict<ListProcesses>,
    address: Uri,
) -> Result<Reply<Told, Collection<ShownProcess>>, Problem> {
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
    let next = processes
        .last()
        .filter(|_| has_more)
        .map(|process| process.id.to_string());
    let data = processes
        .into_iter()
        .map(|process| ShownProcess::new(process, &caller))
        .collect();
    let address = address
        .path_and_query()
        .map_or("", |address| address.as_str());
    let address = format!("/v1{address}");
    let collection = Collection::new("process", data, &address, page.limit, next);
    Ok(Reply::new(collection))
}

async fn read(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Wait { wait }): Strict<Wait>,
) -> Result<Reply<Read, ShownProcess>, Problem> {
    let id = ProcessId::new(id.uuid());
    let wait = Duration::from_secs(wait.unwrap_or(0)).min(shared.options.longest_wait);
    let until = Instant::now() + wait;
    // Whose it is is looked at before anything is waited for.
    find(&shared, &caller, id).await?;
    let process = shared
        .waiters
        .wait(&shared.store, id, until, &shared.shutdown)
        .await?;
    let process = process.ok_or_else(|| Problem::not_found("process"))?;
    Ok(Reply::new(ShownProcess::new(process, &caller)))
}

/// Ends a process that has not finished.
async fn cancel(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Reply<Changed, ShownProcess>, Problem> {
    let id = ProcessId::new(id.uuid());
    for _ in 0..TRIES {
        let process = find(&shared, &caller, id).await?;
        let resource = changeable(&shared, &caller, &process).await?;
        let reason = format!("by request {}", caller.cause().request_id);
        let now = shared.clock.now();
        let Some(cancellation) = engine::cancel(&process, &resource, &reason, now) else {
            return Err(Problem::process_finished(process.phase));
        };
        if shared.store.cancel(&cancellation).await? {
            shared.announcer.ended(id).await;
            shared.announcer.changed().await;
            return Ok(Reply::new(ShownProcess::new(cancellation.process, &caller)));
        }
    }
    Err(Problem::conflict(
        "the process moves faster than it can be canceled",
    ))
}

/// Has a process that waits go on at once, or what a process that did not succeed was for asked
/// again, as a new process.
async fn retry(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Reply<Retried, ShownProcess>, Problem> {
    let id = ProcessId::new(id.uuid());
    let mut process = find(&shared, &caller, id).await?;
    changeable(&shared, &caller, &process).await?;
    match process.phase {
        Phase::Failed | Phase::Canceled => {
            let resource = (process.resource.resource_type, process.resource.id);
            let (request, force) = (process.request, process.force);
            let intent = intents::commit_change(&shared, &caller, resource, request, force).await?;
            process = intent.process;
        }
        Phase::Waiting if shared.store.hurry(id, shared.clock.now()).await? => {
            shared
                .announcer
                .ready(id, process.resource, process.priority)
                .await;
            process = find(&shared, &caller, id).await?;
        }
        Phase::Done => return Err(Problem::process_finished(process.phase)),
        Phase::Queued | Phase::Running | Phase::Waiting => {}
    }
    let location = format!("/v1/processes/{}", process.id);
    Ok(Reply::new(ShownProcess::new(process, &caller)).at(&location))
}

/// A process, if it exists for the caller: as its resource does.
async fn find(shared: &Shared, caller: &Caller, id: ProcessId) -> Result<Process, Problem> {
    let process = shared.store.process(id).await?;
    let process = process.filter(|process| {
        let role = match process.project {
            Some(project) => caller.role_in(project),
            None => Some(caller.role),
        };
        role.is_some_and(|role| role.may_see(process.resource.resource_type))
    });
    process.ok_or_else(|| Problem::not_found("process"))
}

/// The resource of a process, if the caller may change it.
async fn changeable(
    shared: &Shared,
    caller: &Caller,
    process: &Process,
) -> Result<Resource, Problem> {
    let reference = process.resource;
    let resource = shared
        .store
        .resource(reference.resource_type, reference.id)
        .await?;
    caller.changeable(resource.ok_or_else(|| Problem::not_found("resource"))?)
}
