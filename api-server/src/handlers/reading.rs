//! Reading resources of any type.

use std::sync::Arc;

use axum::http::Uri;
use drover_domain::ResourceId;
use drover_domain::listing::{self, Listed, Listing};
use drover_store::Marker;

use super::{beside, including};
use crate::Shared;
use crate::answer::{Read, Reply, Told};
use crate::authorization::Caller;
use crate::conditional::Known;
use crate::problem::Problem;
use crate::representation::{Collection, Item, Kind, Shown};

/// One resource.
pub(super) async fn read<K: Kind>(
    shared: &Shared,
    caller: &Caller,
    id: ResourceId,
    wanted: &listing::Shown,
    known: Known,
) -> Result<Reply<Read, Item<Shown<K>>>, Problem> {
    let found = shared.store.shared_resource(K::TYPE, id).await?;
    let found = found.ok_or_else(|| Problem::not_found(K::TYPE.as_str()))?;
    // Mostly nobody else reads the same one at the same moment, and nothing is copied.
    let resource = caller.seen(Arc::unwrap_or_clone(found))?;
    let version = resource.version;
    let mut shown = vec![Shown::new(resource, caller)];
    beside::add(shared, &mut shown).await?;
    let shown = including::tailor(shared, caller, wanted, shown, |shown| shown).await?;
    let shown = shown.into_iter().next().ok_or_else(Problem::internal)?;
    Ok(Reply::new(shown).tagged(version).unless(known))
}

/// A page of a collection.
pub(super) async fn list<K: Kind>(
    shared: &Shared,
    caller: &Caller,
    listing: Listing,
    address: &Uri,
) -> Result<Reply<Told, Collection<Item<Shown<K>>>>, Problem> {
    let Listing {
        mut selection,
        shown: wanted,
        limit,
        marker,
    } = listing;
    let after = marker.map(|marker| Marker::parse(&marker, selection.order));
    let after = after.transpose()?;
    let horizon = caller.horizon(Listed::Resource(K::TYPE));
    selection.conditions.extend(horizon);
    let page = shared
        .store
        .list_resources(K::TYPE, &selection, after.as_ref(), limit)
        .await?;
    let show = |resource| Shown::new(resource, caller);
    let mut shown: Vec<Shown<K>> = page.items.into_iter().map(show).collect();
    beside::add(shared, &mut shown).await?;
    let data = including::tailor(shared, caller, &wanted, shown, |shown| shown).await?;
    let next = page.next.map(|marker| marker.to_string());
    let collection = Collection::new(K::TYPE.as_str(), data, &full(address), limit, next);
    Ok(Reply::new(collection))
}

/// The address of a request with the part that every address of the API begins with.
pub(super) fn full(address: &Uri) -> String {
    let address = address.path_and_query();
    format!("/v1{}", address.map_or("", |address| address.as_str()))
}
