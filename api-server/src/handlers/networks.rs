//! `/v1/networks`: which containers of a project find one another.
//!
//! A network needs no work to be there: each host makes its part of it for the first container there that
//! joins it, and takes it away with the last one.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use drover_domain::resource::{Details, validate_reference};
use drover_domain::{Resource, ResourceType, State as ResourceState};
use drover_store::{NetworkRemoval, fresh};

use super::containers::project;
use super::volumes::insert;
use super::{Id, not_removed, removable};
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
    let (id, now) = (fresh::resource_id(), shared.clock.now());
    let network = Resource {
        project: Some(project),
        description: given.description,
        labels: given.labels,
        metadata: given.metadata,
        ..Resource::new(
            id,
            given.name,
            ResourceState::Active,
            Details::Network { spec },
            now,
        )
    };
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
    let network = removable(&shared, &caller, kind, id).await?;
    let target = read.target(&network)?;
    let now = shared.clock.now();
    let attached = caller.attached(now, &network, StatusCode::NO_CONTENT);
    match shared.store.remove_network(target, now, attached).await? {
        NetworkRemoval::Removed(_) => {
            shared.announcer.changed().await;
            Ok(NoContent)
        }
        NetworkRemoval::InUse(users) => Err(Problem::in_use(kind, &users)),
        NetworkRemoval::Missing => Err(not_removed(&shared, &caller, &read, (kind, id)).await),
    }
}
