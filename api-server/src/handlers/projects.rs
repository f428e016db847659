//! `/v1/projects`: what belongs together, is hidden from others, and shares a quota.
//!
//! There always is one of the name `default`: it is looked up by that name.

use std::sync::Arc;

use axum::extract::State;
use drover_domain::resource::Details;
use drover_domain::{Resource, ResourceType, State as ResourceState};
use drover_store::{Attached, Mutated, ProjectRemoval};

use super::accounts::named;
use super::removal::Removal;
use super::updates::Changeable;
use super::{Id, made};
use crate::Shared;
use crate::answer::{Made, NoContent, Reply};
use crate::authorization::Caller;
use crate::body::JsonBody;
use crate::bootstrap::DEFAULT_PROJECT;
use crate::conditional::Precondition;
use crate::new::New;
use crate::problem::catalogue::{PROJECT_DEFAULT, PROJECT_IN_USE};
use crate::problem::{Problem, catalogue};
use crate::query::{Nothing, Strict};
use crate::recording::Repeatable;
use crate::representation::{Kind, Project, Shown};
use crate::routes::{Needs, Routes, about};

/// The addresses to make, change and remove projects at.
pub(crate) fn routes(routes: Routes) -> Routes {
    let needs = Needs::to_change(ResourceType::Project);
    let tag = Project::NAMES;
    let create = about(needs, tag, "createProject", "Makes a project");
    let remove = about(
        needs,
        tag,
        "deleteProject",
        "Removes a project that has nothing any more, and the keys that are good for it alone",
    );
    routes
        .post("/projects", create.fails(&[&PROJECT_DEFAULT]), self::create)
        .delete(
            "/projects/{id}",
            remove.fails(&[&PROJECT_DEFAULT, &PROJECT_IN_USE]),
            self::remove,
        )
}

async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(Nothing {}): Strict<Nothing>,
    _: Repeatable,
    JsonBody(new): JsonBody<New<Project>>,
) -> Result<Reply<Made, Shown<Project>>, Problem> {
    let New { given, spec } = new;
    given.validate()?;
    named(&given.name)?;
    if given.project_id.is_some() {
        return Err(Problem::invalid("projectId", "a project belongs to none"));
    }
    if given.name == DEFAULT_PROJECT {
        return Err(default_project("there is one project of this name"));
    }
    let now = shared.clock.now();
    let details = Details::Project { spec };
    let project = given.resource(None, (ResourceState::Active, details), now);
    let (reply, attached) = made(&caller, &project)?;
    match shared.store.insert(&project, attached).await? {
        Mutated::Repeated => Err(Problem::repeated()),
        Mutated::Done | Mutated::Moved => {
            shared.announcer.changed().await;
            Ok(reply)
        }
    }
}

async fn remove(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Id(id): Id,
    Strict(Nothing {}): Strict<Nothing>,
    read: Precondition,
) -> Result<NoContent, Problem> {
    let of = (ResourceType::Project, id);
    let removal = Removal::begin((&shared, &caller), of, &read).await?;
    if removal.found.name == DEFAULT_PROJECT {
        return Err(default_project(
            "what is asked for without a project belongs here",
        ));
    }
    let Removal { target, now, .. } = removal;
    let removed = shared.store.remove_project(target, now, removal.attached());
    match removed.await? {
        ProjectRemoval::Removed(_) => removal.end(true).await,
        ProjectRemoval::Missing => removal.end(false).await,
        ProjectRemoval::InUse => Err(Problem::new(
            &catalogue::PROJECT_IN_USE,
            "the project still has containers, volumes, networks, images or credentials for registries",
        )
        .with_hint("remove them first: GET /v1/containers?projectId=… lists them")),
    }
}

impl Changeable for Project {
    const FIELDS: &'static [&'static str] = &["quota"];
    const PROBLEMS: &'static [&'static crate::problem::Kind] = &[&PROJECT_DEFAULT];

    async fn write(
        shared: &Shared,
        before: &Resource,
        changed: &Resource,
        attached: Attached,
    ) -> Result<bool, Problem> {
        named(&changed.name)?;
        let is_default = |project: &Resource| project.name == DEFAULT_PROJECT;
        if is_default(before) != is_default(changed) {
            return Err(default_project("there always is one project of this name"));
        }
        let rewritten = shared.store.rewrite(changed, before.version, attached);
        Ok(rewritten.await?.is_done())
    }
}

fn default_project(detail: &str) -> Problem {
    Problem::new(&catalogue::PROJECT_DEFAULT, detail)
        .with_hint("make another project, and leave this one alone")
}
