//! From a request to a committed intent, and the answer to it.

use std::time::Duration;

use axum::http::StatusCode;
use drover_domain::lifecycle::Request;
use drover_domain::write::{self, Intent};
use drover_domain::{Process, ProcessId, Resource, ResourceId, ResourceType};
use drover_store::{Accepted, Attached, Submitted, fresh};
use serde::Serialize;
use tokio::time::Instant;

use crate::Shared;
use crate::answer::{Asked, MakingAsked, Outcome, Reply};
use crate::authorization::Caller;
use crate::conditional::Precondition;
use crate::problem::Problem;
use crate::query::Preferred;
use crate::references;
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
    let attached = attached(caller, &intent, told::<MakingAsked, K>)?;
    let submitted = Submitted::new(intent.clone(), attached);
    match shared.store.accept(submitted).await? {
        Accepted::Committed { .. } => {}
        Accepted::VersionMoved => return Err(Problem::conflict("the resource exists already")),
        Accepted::Repeated => return Err(Problem::repeated()),
        Accepted::OverQuota(refusal) => return Err(refusal.into()),
        Accepted::NoProject => return Err(Problem::no_project()),
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
    let resource = (K::TYPE, id);
    let told = told::<Asked, K>;
    let intent = commit_change(shared, caller, read, resource, (request, force), told).await?;
    answer(shared, caller, intent, preferred, StatusCode::OK).await
}

/// Commits the intent that a resource be changed; `told` makes what is answered then.
pub(crate) async fn commit_change<O: Outcome, T: Serialize>(
    shared: &Shared,
    caller: &Caller,
    read: &Precondition,
    (resource_type, id): (ResourceType, ResourceId),
    (request, force): (Request, bool),
    told: impl Fn(&Caller, Intent) -> Reply<O, T>,
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
        if request == Request::Remove {
            references::refuse_while_used(shared, &resource).await?;
        }
        let asked = asked(shared, caller, resource_type, request, force);
        let intent = Intent::to_change(resource, asked)?;
        let attached = attached(caller, &intent, &told)?;
        let submitted = Submitted::new(intent.clone(), attached);
        match shared.store.accept(submitted).await? {
            Accepted::VersionMoved => {}
            Accepted::Repeated => return Err(Problem::repeated()),
            Accepted::OverQuota(refusal) => return Err(refusal.into()),
            Accepted::NoProject => return Err(Problem::no_project()),
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

/// What is written down with an intent. The answer is made beforehand for requests that may be
/// repeated only.
fn attached<O: Outcome, T: Serialize>(
    caller: &Caller,
    intent: &Intent,
    told: impl Fn(&Caller, Intent) -> Reply<O, T>,
) -> Result<Attached, Problem> {
    let answered = match caller.bears_a_key() {
        true => told(caller, intent.clone()).answered(caller)?,
        false => StatusCode::ACCEPTED.into(),
    };
    let now = intent.process.created;
    let mut attached = caller.attached(now, &intent.resource, answered);
    if let Some(answer) = &mut attached.answer {
        answer.process = Some(intent.process.id);
    }
    Ok(attached)
}

/// `202` with the resource as it was committed.
fn told<O: Outcome, K: Kind>(caller: &Caller, intent: Intent) -> Reply<O, Shown<K>> {
    let reference = intent.resource.reference();
    let location = representation::address(reference.resource_type, reference.id);
    let version = intent.resource.version;
    let mut shown = Shown::new(intent.resource, caller);
    shown.process = Some(intent.process);
    Reply::new(shown).at(&location).tagged(version)
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
            let location = representation::address(reference.resource_type, reference.id);
            let version = resource.version;
            let reply = Reply::new(Shown::new(resource, caller)).with_status(ended);
            return Ok(reply.at(&location).tagged(version));
        }
    }
    Ok(told(caller, intent))
}

/// Waits for a process and for whatever follows from it.
pub(crate) async fn wait_for_chain(
    shared: &Shared,
    process: ProcessId,
    wait: Duration,
) -> Result<Option<Process>, Problem> {
    let longest = shared.live.longest_wait(shared.options.longest_wait).await;
    let until = Instant::now() + wait.min(longest);
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
