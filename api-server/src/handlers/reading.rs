//! Reading resources of any type.

use axum::http::Uri;
use drover_domain::{Resource, ResourceId, ResourceType, State};
use drover_store::ResourceFilter;

use crate::Shared;
use crate::answer::{Read, Reply, Told};
use crate::authorization::Caller;
use crate::problem::Problem;
use crate::query::ListResources;
use crate::representation::{Collection, Kind, Shown};

/// One resource.
pub(super) async fn read<K: Kind>(
    shared: &Shared,
    caller: &Caller,
    id: ResourceId,
) -> Result<Reply<Read, Shown<K>>, Problem> {
    let resource = shared.store.resource(K::TYPE, id).await?;
    let resource = resource.ok_or_else(|| Problem::not_found(K::TYPE.as_str()))?;
    let mut shown = [Shown::new(caller.seen(resource)?, caller)];
    add_beside(shared, &mut shown).await?;
    let [shown] = shown;
    Ok(Reply::new(shown))
}

/// A page of a collection.
pub(super) async fn list<K: Kind>(
    shared: &Shared,
    caller: &Caller,
    query: ListResources,
    address: &Uri,
) -> Result<Reply<Told, Collection<Shown<K>>>, Problem> {
    let page = query.page()?;
    let states = query.states()?;
    let with_removed = query.removed || states.iter().any(|state| is_after_removal(*state));
    let filter = ResourceFilter {
        resource_type: K::TYPE,
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
    let last = resources.last().filter(|_| has_more);
    let next = last.map(|resource| resource.id.to_string());
    let show = |resource: Resource| Shown::new(resource, caller);
    let mut data: Vec<Shown<K>> = resources.into_iter().map(show).collect();
    add_beside(shared, &mut data).await?;
    let address = address
        .path_and_query()
        .map_or("", |address| address.as_str());
    let address = format!("/v1{address}");
    let collection = Collection::new(K::TYPE.as_str(), data, &address, page.limit, next);
    Ok(Reply::new(collection))
}

fn is_after_removal(state: State) -> bool {
    matches!(state, State::Removed | State::Purging)
}

/// What is shown beside the rows: two queries at most, whatever the number of resources.
async fn add_beside<K: Kind>(shared: &Shared, shown: &mut [Shown<K>]) -> Result<(), Problem> {
    let moving: Vec<ResourceId> = shown
        .iter()
        .filter(|shown| shown.resource.state.is_transitional())
        .map(|shown| shown.resource.id)
        .collect();
    if !moving.is_empty() {
        for process in shared.store.unfinished(moving).await? {
            let of = shown
                .iter_mut()
                .find(|shown| shown.resource.id == process.resource.id);
            if let Some(of) = of {
                of.process = Some(process);
            }
        }
    }
    if K::TYPE == ResourceType::Host && !shown.is_empty() {
        let hosts: Vec<ResourceId> = shown.iter().map(|shown| shown.resource.id).collect();
        let mut rooms = shared.store.rooms(hosts).await?;
        for shown in shown {
            shown.room = rooms.remove(&shown.resource.id);
        }
    }
    Ok(())
}
