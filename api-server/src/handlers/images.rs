//! `/v1/images`: images that hosts have before a container needs them.

use std::sync::Arc;

use axum::extract::State;
use drover_domain::resource::{Details, ImageStatus};
use drover_domain::{Resource, ResourceType, State as ResourceState};

use super::containers::project;
use crate::answer::{MakingAsked, Reply};
use crate::authorization::Caller;
use crate::body::JsonBody;
use crate::new::New;
use crate::problem::Problem;
use crate::problem::catalogue::CONFLICT;
use crate::query::{Nothing, Preferred, Strict};
use crate::recording::Repeatable;
use crate::representation::{Image, Kind, Shown};
use crate::routes::{Needs, Routes, about};
use crate::{Shared, intents};

/// The address to ask for images at.
pub(crate) fn routes(routes: Routes) -> Routes {
    let about = about(
        Needs::to_change(ResourceType::Image),
        Image::NAMES,
        "createImage",
        "Asks for an image to be fetched by hosts, before a container needs it",
    );
    routes.post("/images", about.fails(&[&CONFLICT]), create)
}

async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(Nothing {}): Strict<Nothing>,
    _: Repeatable,
    preferred: Preferred,
    JsonBody(new): JsonBody<New<Image>>,
) -> Result<Reply<MakingAsked, Shown<Image>>, Problem> {
    let New { given, spec } = new;
    given.validate()?;
    spec.validate()?;
    let project = project(&shared, &caller, given.project_id).await?;
    let hosts = shared.store.resources_of(spec.host_ids.iter().copied());
    let hosts = hosts.await?;
    for (index, id) in spec.host_ids.iter().enumerate() {
        let is_host = |one: &&Resource| one.resource_type() == ResourceType::Host;
        let host = hosts.get(id).filter(is_host);
        if host.is_none_or(|host| host.removed.is_some()) {
            let field = format!("hostIds[{index}]");
            return Err(Problem::invalid(field, "there is no such host"));
        }
    }
    let details = Details::Image {
        spec,
        status: ImageStatus::default(),
    };
    let now = shared.clock.now();
    let image = given.resource(Some(project), (ResourceState::Requested, details), now);
    intents::create(&shared, &caller, preferred, image).await
}
