//! From a request to a committed intent, and the answer to it.

use std::time::Duration;

use axum::http::StatusCode;
use drover_domain::lifecycle::Request;
use drover_domain::write::{self, Intent};
use drover_domain::{Process, ProcessId, Resource, ResourceId, ResourceType};
use drover_store::{Accepted, fresh};
use tokio::time::Instant;

use crate::Shared;
use crate::answer::{Asked, MakingAsked, Outcome, Reply};
use crate::authorization::Caller;
use crate::conditional::Precondition;
use crate::problem::Problem;
use crate::query::Preferred;
use crate::representation::{self, Kind, Shown};

/// How often an intent is decided anew because the resource moved meanwhile.
const TRIES: u32 = 8;

/// Accepts the intent that a new resource be made, and answers.
pub(crate) async fn create<K: Kind>(
    shared: &Shared,
    caller: &Caller,
    preferred: Preferred,
    resource: Resource,
) -> Result<Reply<MakingAsked, Shown<K>>, Problem> {
    let resource_type = resource.resource_type();
    let asked = asked(shared, caller, resource_type, Request::Create, false);
    let intent = Intent::to_create(resource, asked)?;
    match shared.store.accept(intent.clone()).await? {
        Accepted::Committed { .. } => {}
        Accepted::VersionMoved | Accepted::Repeated => {
            return Err(Problem::conflict("the resource exists already"));
        }
        Accepted::OverQuota(refusal) => return Err(refusal.into()),
    }
    announce(shared, &intent).await;
    answer(shared, caller, intent, preferred, StatusCode::CREATED).await
}

/// Accepts the intent that a resource be changed, and answers.
pub(crate) async fn change<K: Kind>(
    shared: &Shared,
    caller: &Caller,
    preferred: Preferred,
    read: &Precondition,
    id: ResourceId,
    request: Request,
    force: bool,
) -> Result<Reply<Asked, Shown<K>>, Problem> {
    let intent = commit_change(shared, caller, read, (K::TYPE, id), request, force).await?;
    answer(shared, caller, intent, preferred, StatusCode::OK).await
}

/// Commits the intent that a resource be changed.
pub(crate) async fn commit_change(
    shared: &Shared,
    caller: &Caller,
    read: &Precondition,
    (resource_type, id): (ResourceType, ResourceId),
    request: Request,
    force: bool,
) -> Result<Intent, Problem> {
    for _ in 0..TRIES {
        let resource = shared
            .store
            .resource(resource_type, id)
            .await?
            .ok_or_else(|| Problem::not_found(resource_type.as_str()))?;
        let resource = caller.changeable(resource)?;
        // The transaction finds this version, or nothing comes of it.
        read.check(resource.version)?;
        let asked = asked(shared, caller, resource_type, request, force);
        let intent = Intent::to_change(resource, asked)?;
        match shared.store.accept(intent.clone()).await? {
            Accepted::VersionMoved | Accepted::Repeated => {}
            Accepted::OverQuota(refusal) => return Err(refusal.into()),
            Accepted::Committed { superseded } => {
                if let Some(superseded) = superseded {
                    shared.announcer.ended(superseded).await;
                }
                announce(shared, &intent).await;
                return Ok(intent);
            }
        }
    }
    Err(Problem::conflict(
        "the resource changes faster than the request can be decided",
    ))
}

/// Tells whoever may want to know of an intent that was committed.
async fn announce(shared: &Shared, intent: &Intent) {
    shared
        .announcer
        .ready(
            intent.process.id,
            intent.process.resource,
            intent.process.priority,
        )
        .await;
    shared.announcer.changed().await;
}

fn asked(
    shared: &Shared,
    caller: &Caller,
    resource_type: ResourceType,
    request: Request,
    force: bool,
) -> write::Asked {
    write::Asked {
        request,
        force,
        process: fresh::process_id(),
        cause: caller.cause(),
        now: shared.clock.now(),
        policy: shared.options.policies.of(resource_type, request),
    }
}

/// `202` with the resource as it was committed; or, where the client prefers to wait and the
/// process ends in time, `ended` with the resource as it is then.
async fn answer<O: Outcome, K: Kind>(
    shared: &Shared,
    caller: &Caller,
    intent: Intent,
    preferred: Preferred,
    ended: StatusCode,
) -> Result<Reply<O, Shown<K>>, Problem> {
    let reference = intent.resource.reference();
    let location = representation::address(reference.resource_type, reference.id);
    if let Some(wait) = preferred.wait {
        let process = wait_for_chain(shared, intent.process.id, wait).await?;
        if process.is_some_and(|process| process.phase.is_finished()) {
            let resource = shared
                .store
                .resource(reference.resource_type, reference.id)
                .await?;
            let Some(resource) = resource else {
                return Ok(Reply::empty(StatusCode::NO_CONTENT));
            };
            let version = resource.version;
            let reply = Reply::new(Shown::new(resource, caller)).with_status(ended);
            return Ok(reply.at(&location).tagged(version));
        }
    }
    let version = intent.resource.version;
    let mut shown = Shown::new(intent.resource, caller);
    shown.process = Some(intent.process);
    Ok(Reply::new(shown).at(&location).tagged(version))
}

/// Waits for a process and for whatever follows from it.
async fn wait_for_chain(
    shared: &Shared,
    process: ProcessId,
    wait: Duration,
) -> Result<Option<Process>, Problem> {
    let until = Instant::now() + wait.min(shared.options.longest_wait);
    let mut id = process;
    loop {
        let row = shared
            .waiters
            .wait(&shared.store, id, until, &shared.shutdown)
            .await?;
        match row.as_ref().and_then(|row| row.successor) {
            Some(successor) => id = successor,
            None => return Ok(row),
        }
    }
}
