//! `/v1/containers`: what Drover is for.

use std::sync::Arc;

use axum::extract::State;
use drover_domain::resource::{ContainerStatus, Details};
use drover_domain::{ResourceId, ResourceType, Role, State as ResourceState};
use drover_store::ResourceFilter;

use super::bulk::{self, Made, Wanted};
use crate::Shared;
use crate::answer::{MakingAsked, Reply};
use crate::authorization::{Caller, Scope};
use crate::body::JsonBody;
use crate::bootstrap::DEFAULT_PROJECT;
use crate::intents;
use crate::new::New;
use crate::problem::Problem;
use crate::problem::catalogue::{CONFLICT, QUOTA_EXCEEDED};
use crate::query::{Nothing, Preferred, Strict};
use crate::recording::Repeatable;
use crate::references;
use crate::representation::{Container, Kind, Shown};
use crate::routes::{Needs, Routes, about};

/// The address to make containers at.
pub(crate) fn routes(routes: Routes) -> Routes {
    let about = about(
        Needs::to_change(ResourceType::Container),
        Container::NAMES,
        "createContainer",
        "Asks for one container or several, created and, unless they say otherwise, started",
    );
    routes.post(
        "/containers",
        about.fails(&[&CONFLICT, &QUOTA_EXCEEDED]),
        create,
    )
}

async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(Nothing {}): Strict<Nothing>,
    _: Repeatable,
    preferred: Preferred,
    JsonBody(wanted): JsonBody<Wanted>,
) -> Result<Made, Problem> {
    Ok(match wanted {
        Wanted::One(new) => {
            let made = create_one(&shared, &caller, preferred, *new).await?;
            Made::One(Box::new(made))
        }
        Wanted::Several(all) => {
            Made::Several(bulk::create(&shared, &caller, preferred, all).await?)
        }
    })
}

/// Asks for one container.
pub(super) async fn create_one(
    shared: &Shared,
    caller: &Caller,
    preferred: Preferred,
    new: New<Container>,
) -> Result<Reply<MakingAsked, Shown<Container>>, Problem> {
    check(&new)?;
    let New { given, spec } = new;
    let project = project(shared, caller, given.project_id).await?;
    references::check(shared, project, &spec).await?;
    let details = Details::Container {
        spec: Box::new(spec),
        status: Box::new(ContainerStatus::default()),
    };
    let now = shared.clock.now();
    let resource = given.resource(Some(project), (ResourceState::Requested, details), now);
    intents::create(shared, caller, preferred, resource).await
}

/// Checks what the types of the fields alone do not say.
pub(super) fn check(new: &New<Container>) -> Result<(), Problem> {
    new.given.validate()?;
    Ok(new.spec.validate()?)
}

/// The project that was named, or the one that there always is.
pub(super) async fn project(
    shared: &Shared,
    caller: &Caller,
    named: Option<ResourceId>,
) -> Result<ResourceId, Problem> {
    let named = match (&caller.scope, named) {
        // A key of one project means that one.
        (Scope::Projects(projects), None) if projects.len() == 1 => {
            projects.first().map(|(id, _)| *id)
        }
        (_, named) => named,
    };
    if let Some(id) = named {
        let project = shared
            .store
            .shared_resource(ResourceType::Project, id)
            .await?;
        let project = project.filter(|project| project.removed.is_none());
        let role = caller.role_in(id).ok_or_else(Problem::no_project)?;
        if !role.may_change(ResourceType::Container) {
            return Err(Problem::role(Role::Member));
        }
        return project
            .map(|project| project.id)
            .ok_or_else(Problem::no_project);
    }
    if matches!(caller.scope, Scope::Projects(_)) {
        let reason = "is missing: you have more than one project";
        return Err(Problem::invalid("projectId", reason));
    }
    let known = shared.default_project.get_or_try_init(|| async {
        let filter = ResourceFilter {
            name: Some(DEFAULT_PROJECT.to_owned()),
            ..ResourceFilter::all(ResourceType::Project, 1)
        };
        let projects = shared.store.resources(&filter).await?;
        projects.first().map(|project| project.id).ok_or_else(|| {
            tracing::error!("there is no default project: was the database prepared?");
            Problem::internal()
        })
    });
    known.await.copied()
}
