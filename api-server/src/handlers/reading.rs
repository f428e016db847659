//! Reading resources of any type.

use axum::Json;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use drover_domain::{Resource, ResourceId, ResourceType};
use drover_store::ResourceFilter;
use serde_json::Value;

use crate::Shared;
use crate::problem::Problem;
use crate::query::ListResources;
use crate::representation::{self, Beside};

/// One resource.
pub(super) async fn read(
    shared: &Shared,
    resource_type: ResourceType,
    id: ResourceId,
) -> Result<Response, Problem> {
    let resource = shared.store.resource(resource_type, id).await?;
    let resource = resource.ok_or_else(|| Problem::not_found(resource_type.as_str()))?;
    let beside = beside(shared, std::slice::from_ref(&resource)).await?;
    Ok(Json(representation::resource(&resource, &beside)?).into_response())
}

/// A page of a collection.
pub(super) async fn list(
    shared: &Shared,
    resource_type: ResourceType,
    query: ListResources,
    address: &Uri,
) -> Result<Response, Problem> {
    let page = query.page()?;
    let states = query.states()?;
    let with_removed = query.removed || states.iter().any(|state| is_after_removal(*state));
    let filter = ResourceFilter {
        resource_type,
        project: query.project_id,
        name: query.name,
        states,
        host: query.host_id,
        with_removed,
        after: page.after,
        // One more than asked for tells whether there is a next page.
        limit: page.limit + 1,
    };
    let mut resources = shared.store.resources(&filter).await?;
    let has_more = resources.len() as u64 > page.limit;
    resources.truncate(usize::try_from(page.limit).unwrap_or(usize::MAX));
    let beside = beside(shared, &resources).await?;
    let data: Result<Vec<Value>, Problem> = resources
        .iter()
        .map(|resource| representation::resource(resource, &beside))
        .collect();
    let last = resources.last().filter(|_| has_more);
    let next = last.map(|resource| resource.id.to_string());
    let address = address
        .path_and_query()
        .map_or("", |address| address.as_str());
    let collection = representation::collection(
        resource_type.as_str(),
        data?,
        &format!("/v1{address}"),
        page.limit,
        next,
    );
    Ok(Json(collection).into_response())
}

fn is_after_removal(state: drover_domain::State) -> bool {
    use drover_domain::State;
    matches!(state, State::Removed | State::Purging)
}

/// What is shown beside the rows: two queries at most, whatever the number of resources.
async fn beside(shared: &Shared, resources: &[Resource]) -> Result<Beside, Problem> {
    let mut beside = Beside::default();
    let moving: Vec<ResourceId> = resources
        .iter()
        .filter(|resource| resource.state.is_transitional())
        .map(|resource| resource.id)
        .collect();
    if !moving.is_empty() {
        for process in shared.store.unfinished(moving).await? {
            beside.processes.insert(process.resource.id, process);
        }
    }
    let hosts: Vec<ResourceId> = resources
        .iter()
        .filter(|resource| resource.resource_type() == ResourceType::Host)
        .map(|resource| resource.id)
        .collect();
    if !hosts.is_empty() {
        beside.rooms = shared.store.rooms(hosts).await?;
    }
    Ok(beside)
}
