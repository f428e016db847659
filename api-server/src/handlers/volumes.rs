//! `/v1/volumes`: data that outlives containers.
//!
//! A volume needs no work to be there: what a host has of it is made for the first container that mounts it.

use std::sync::Arc;

use axum::extract::State;
use drover_domain::resource::{Details, VolumeStatus, validate_reference};
use drover_domain::{Resource, ResourceType, State as ResourceState};
use drover_store::Mutated;

use super::containers::project;
use super::made;
use crate::answer::{Made, Reply};
use crate::authorization::Caller;
use crate::body::JsonBody;
use crate::new::New;
use crate::problem::Problem;
use crate::problem::catalogue::NAME_TAKEN;
use crate::query::{Nothing, Strict};
use crate::recording::Repeatable;
use crate::representation::{Kind, Shown, Volume};
use crate::routes::{Needs, Routes, about};
use crate::{Shared, references};

/// The address to make volumes at.
pub(crate) fn routes(routes: Routes) -> Routes {
    let needs = Needs::to_change(ResourceType::Volume);
    let about = about(needs, Volume::NAMES, "createVolume", "Makes a volume");
    routes.post("/volumes", about.fails(&[&NAME_TAKEN]), create)
}

async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(Nothing {}): Strict<Nothing>,
    _: Repeatable,
    JsonBody(new): JsonBody<New<Volume>>,
) -> Result<Reply<Made, Shown<Volume>>, Problem> {
    let New { given, spec } = new;
    given.validate()?;
    validate_reference(&given.name)?;
    let project = project(&shared, &caller, given.project_id).await?;
    if let Some(id) = spec.host_id {
        let host = shared.store.resource(ResourceType::Host, id).await?;
        if host.is_none_or(|host| host.removed.is_some()) {
            return Err(Problem::invalid("hostId", "there is no such host"));
        }
    }
    let now = shared.clock.now();
    let host = spec.host_id;
    let details = Details::Volume {
        spec,
        status: VolumeStatus::default(),
    };
    let volume = Resource {
        host,
        ..given.resource(Some(project), (ResourceState::Detached, details), now)
    };
    insert(&shared, &caller, volume).await
}

/// Inserts what needs no work to be there and has a name of its own, and answers.
pub(super) async fn insert<K: Kind>(
    shared: &Shared,
    caller: &Caller,
    new: Resource,
) -> Result<Reply<Made, Shown<K>>, Problem> {
    let (reply, attached) = made(caller, &new)?;
    match shared.store.insert_named(&new, attached).await {
        Ok(Mutated::Repeated) => Err(Problem::repeated()),
        Ok(Mutated::Done | Mutated::Moved) => {
            shared.announcer.changed().await;
            Ok(reply)
        }
        Err(error) => Err(references::refused(K::TYPE, error)),
    }
}
