//! `/v1/processes`: why everything is where it is.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use drover_domain::engine;
use drover_domain::listing::{Listed, Listing};
use drover_domain::write::Intent;
use drover_domain::{Phase, Process, ProcessId, Resource};
use drover_store::{Marker, Mutated};
use tokio::time::Instant;

use super::{Id, including, reading};
use crate::Shared;
use crate::answer::{Changed, Read, Reply, Retried, Told};
use crate::authorization::Caller;
use crate::conditional::{self, Known, Precondition};
use crate::intents;
use crate::problem::Problem;
use crate::problem::catalogue::{CONFLICT, PROCESS_FINISHED, STATE};
use crate::query::{ListOf, Nothing, ProcessQuery, Strict};
use crate::recording::Repeatable;
use crate::representation::{Collection, Item, ShownProcess};
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
    query: ListOf<ShownProcess>,
    address: Uri,
) -> Result<Reply<Told, Collection<Item<ShownProcess>>>, Problem> {
    let Listing {
        mut selection,
        shown: wanted,
        limit,
        marker,
    } = query.listing;
    let after = marker.map(|marker| Marker::parse(&marker, selection.order));
    let after = after.transpose()?;
    selection.conditions.extend(caller.horizon(Listed::Process));
    let page = shared
        .store
        .list_processes(&selection, after.as_ref(), limit)
        .await?;
    let show = |process| ShownProcess::new(process, &caller);
    let data = including::tailor(&shared, &caller, &wanted, page.items, show).await?;
    let next = page.next.map(|marker| marker.to_string());
    let address = reading::full(&address);
    let collection = Collection::new("process", data, &address, limit, next);
    Ok(Reply::new(collection))
}

async fn read(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    query: ProcessQuery,
    known: Known,
) -> Result<Reply<Read, Item<ShownProcess>>, Problem> {
    let id = ProcessId::new(id.uuid());
    let longest = shared.live.longest_wait(shared.options.longest_wait).await;
    let until = Instant::now() + query.wait.min(longest);
    // Whose it is is looked at before anything is waited for.
    find(&shared, &caller, id).await?;
    let process = shared
        .waiters
        .wait(&shared.store, id, until, &shared.shutdown)
        .await?;
    let process = process.ok_or_else(|| Problem::not_found("process"))?;
    let version = conditional::version_of_process(&process);
    let show = |process| ShownProcess::new(process, &caller);
    let shown = including::tailor(&shared, &caller, &query.shown, vec![process], show).await?;
    let shown = shown.into_iter().next().ok_or_else(Problem::internal)?;
    Ok(Reply::new(shown).tagged(version).unless(known))
}

/// Ends a process that has not finished.
async fn cancel(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
    _: Repeatable,
    seen: Precondition,
) -> Result<Reply<Changed, ShownProcess>, Problem> {
    let id = ProcessId::new(id.uuid());
    for _ in 0..TRIES {
        let process = find(&shared, &caller, id).await?;
        let resource = changeable(&shared, &caller, &process).await?;
        seen.check(conditional::version_of_process(&process))?;
        let reason = format!("by request {}", caller.cause().request_id);
        let now = shared.clock.now();
        let Some(cancellation) = engine::cancel(&process, &resource, &reason, now) else {
            return Err(Problem::process_finished(process.phase));
        };
        let version = conditional::version_of_process(&cancellation.process);
        let shown = ShownProcess::new(cancellation.process.clone(), &caller);
        let reply = Reply::<Changed, _>::new(shown).tagged(version);
        let attached = caller.attached(now, &process, reply.answered(&caller)?);
        match shared.store.cancel(&cancellation, attached).await? {
            Mutated::Moved => {}
            Mutated::Repeated => return Err(Problem::repeated()),
            Mutated::Done => {
                shared.announcer.ended(id).await;
                shared.announcer.changed().await;
                return Ok(reply);
            }
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
    _: Repeatable,
    seen: Precondition,
) -> Result<Reply<Retried, ShownProcess>, Problem> {
    let id = ProcessId::new(id.uuid());
    let mut process = find(&shared, &caller, id).await?;
    changeable(&shared, &caller, &process).await?;
    seen.check(conditional::version_of_process(&process))?;
    match process.phase {
        Phase::Failed | Phase::Canceled => {
            let resource = (process.resource.resource_type, process.resource.id);
            let asked = (process.request, process.force);
            let any = Precondition::default();
            let told = |caller: &Caller, intent: Intent| retried(caller, intent.process);
            let intent =
                intents::commit_change(&shared, &caller, &any, resource, asked, told).await?;
            process = intent.process;
        }
        Phase::Waiting => {
            let mut hurried = process.clone();
            hurried.run_after = shared.clock.now();
            if hurry(&shared, &caller, &hurried).await? {
                shared
                    .announcer
                    .ready(id, process.resource, process.priority)
                    .await;
                process = hurried;
            }
        }
        Phase::Done => return Err(Problem::process_finished(process.phase)),
        Phase::Queued | Phase::Running => {}
    }
    Ok(retried(&caller, process))
}

/// Has a process that waits go on at once. False if it waits no more.
async fn hurry(shared: &Shared, caller: &Caller, process: &Process) -> Result<bool, Problem> {
    let now = process.run_after;
    let answered = retried(caller, process.clone()).answered(caller)?;
    let attached = caller.attached(now, process, answered);
    match shared.store.hurry(process.id, now, attached).await? {
        Mutated::Done => Ok(true),
        Mutated::Moved => Ok(false),
        Mutated::Repeated => Err(Problem::repeated()),
    }
}

fn retried(caller: &Caller, process: Process) -> Reply<Retried, ShownProcess> {
    let location = format!("/v1/processes/{}", process.id);
    Reply::new(ShownProcess::new(process, caller)).at(&location)
}

/// A process, if it exists for the caller: as its resource does.
async fn find(shared: &Shared, caller: &Caller, id: ProcessId) -> Result<Process, Problem> {
    let process = shared.store.process(id).await?;
    let process = process.filter(|process| caller.sees_process(process));
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
