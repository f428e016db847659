//! `/v1/networks`: which containers of a project find one another.
//!
//! A network needs no work to be there: each host makes its part of it for the first container there that
//! joins it, and takes it away with the last one.

use std::sync::Arc;

use axum::extract::State;
use drover_domain::resource::{Details, validate_reference};
use drover_domain::{ResourceType, State as ResourceState};
use drover_store::NetworkRemoval;

use super::Id;
use super::containers::project;
use super::removal::Removal;
use super::volumes::insert;
use crate::Shared;
use crate::answer::{Made, NoContent, Reply};
use crate::authorization::Caller;
use crate::body::JsonBody;
use crate::conditional::Precondition;
use crate::new::New;
use crate::problem::Problem;
use crate::problem::catalogue::{IN_USE, NAME_TAKEN};
use crate::query::{Nothing, Strict};
use crate::recording::Repeatable;
use crate::representation::{Kind, Network, Shown};
use crate::routes::{Needs, Routes, about};

/// The addresses to make and remove networks at.
pub(crate) fn routes(routes: Routes) -> Routes {
    let needs = Needs::to_change(ResourceType::Network);
    let tag = Network::NAMES;
    let create = about(needs, tag, "createNetwork", "Makes a network");
    let remove = about(
        needs,
        tag,
        "deleteNetwork",
        "Removes a network that no container joins",
    );
    routes
        .post("/networks", create.fails(&[&NAME_TAKEN]), self::create)
        .delete("/networks/{id}", remove.fails(&[&IN_USE]), self::remove)
}

async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(Nothing {}): Strict<Nothing>,
    _: Repeatable,
    JsonBody(new): JsonBody<New<Network>>,
) -> Result<Reply<Made, Shown<Network>>, Problem> {
    let New { given, spec } = new;
    given.validate()?;
    validate_reference(&given.name)?;
    let project = project(&shared, &caller, given.project_id).await?;
    let now = shared.clock.now();
    let network = given.resource(
        Some(project),
        (ResourceState::Active, Details::Network { spec }),
        now,
    );
    insert(&shared, &caller, network).await
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
    read: Precondition,
) -> Result<NoContent, Problem> {
    let kind = ResourceType::Network;
    let removal = Removal::begin((&shared, &caller), (kind, id), &read).await?;
    let Removal { target, now, .. } = removal;
    let removed = shared.store.remove_network(target, now, removal.attached());
    match removed.await? {
        NetworkRemoval::Removed(_) => removal.end(true).await,
        NetworkRemoval::Missing => removal.end(false).await,
        NetworkRemoval::InUse(users) => Err(Problem::in_use(kind, &users)),
    }
}
