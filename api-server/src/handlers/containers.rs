//! `/v1/containers`: what Drover is for.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use drover_domain::resource::{
    ContainerSpec, ContainerStatus, Details, validate_description, validate_labels,
    validate_metadata, validate_name,
};
use drover_domain::{Resource, ResourceId, ResourceType, State as ResourceState};
use drover_store::{ResourceFilter, fresh};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Shared;
use crate::authentication::Caller;
use crate::body::{self, JsonObject};
use crate::bootstrap::DEFAULT_PROJECT;
use crate::intents;
use crate::problem::Problem;
use crate::query::{Nothing, Strict};

/// The fields that every resource has, as a client gives them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Given {
    name: String,
    description: String,
    labels: BTreeMap<String, String>,
    metadata: Map<String, Value>,
    project_id: Option<ResourceId>,
}

const GIVEN: [&str; 5] = ["name", "description", "labels", "metadata", "projectId"];

pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(Nothing {}): Strict<Nothing>,
    headers: HeaderMap,
    JsonObject(mut object): JsonObject,
) -> Result<Response, Problem> {
    let given = GIVEN
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), object.remove(*key)?)));
    let given: Given = body::parse(given.collect())?;
    refuse_other_type(&mut object)?;
    let spec: ContainerSpec = body::parse(object)?;
    validate_name(&given.name)?;
    validate_description(&given.description)?;
    validate_labels(&given.labels)?;
    validate_metadata(&given.metadata)?;
    spec.validate()?;
    let project = project(&shared, given.project_id).await?;
    let details = Details::Container {
        spec: Box::new(spec),
        status: Box::new(ContainerStatus::default()),
    };
    let (id, now) = (fresh::resource_id(), shared.clock.now());
    let resource = Resource {
        project: Some(project),
        description: given.description,
        labels: given.labels,
        metadata: given.metadata,
        ..Resource::new(id, given.name, ResourceState::Requested, details, now)
    };
    intents::create(&shared, caller, &headers, resource).await
}

/// A client may say the type, as it stands in what it was given, but no other.
fn refuse_other_type(object: &mut Map<String, Value>) -> Result<(), Problem> {
    match object.remove("type") {
        None => Ok(()),
        Some(given) if given == "container" => Ok(()),
        Some(_) => Err(Problem::invalid("type", "is not `container`")),
    }
}

/// The project that was named, or the one that there always is.
async fn project(shared: &Shared, named: Option<ResourceId>) -> Result<ResourceId, Problem> {
    if let Some(id) = named {
        let project = shared.store.resource(ResourceType::Project, id).await?;
        return project
            .map(|project| project.id)
            .ok_or_else(|| Problem::invalid("projectId", "there is no such project"));
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
