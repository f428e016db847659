//! What every type of resource has in common: a collection, its members, and, where its lifecycle
//! offers actions, these and the removal.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::routing::{delete, get, post};
use drover_domain::lifecycle::Request;
use drover_domain::{ResourceType, lifecycle};

use super::{Action, Id, reading};
use crate::Shared;
use crate::authentication::Caller;
use crate::intents;
use crate::query::{Force, ListResources, Nothing, Strict};

type Stated = State<Arc<Shared>>;

/// The addresses of a type: those to read, and those of its actions if it has any.
pub(crate) fn routes(resource_type: ResourceType) -> Router<Arc<Shared>> {
    let collection = format!("/{}", resource_type.plural());
    let member = format!("{collection}/{{id}}");
    let list = move |State(shared): Stated, Strict(query): Strict<ListResources>, address: Uri| async move {
        reading::list(&shared, resource_type, query, &address).await
    };
    let read = move |State(shared): Stated, Id(id): Id, Strict(Nothing {}): Strict<Nothing>| async move {
        reading::read(&shared, resource_type, id).await
    };
    let routes = Router::new()
        .route(&collection, get(list))
        .route(&member, get(read));
    let has_actions = lifecycle::of(resource_type)
        .processes
        .iter()
        .any(|definition| definition.is_action);
    match has_actions {
        true => routes.merge(actions(resource_type, &member)),
        false => routes,
    }
}

fn actions(resource_type: ResourceType, member: &str) -> Router<Arc<Shared>> {
    let act = move |State(shared): Stated,
                    caller: Caller,
                    action: Action,
                    Strict(Force { force }): Strict<Force>,
                    headers: HeaderMap| async move {
        let (id, request) = action.of(resource_type)?;
        intents::change(
            &shared,
            caller,
            &headers,
            (resource_type, id),
            request,
            force,
        )
        .await
    };
    let remove = move |State(shared): Stated,
                       caller: Caller,
                       Id(id): Id,
                       Strict(Force { force }): Strict<Force>,
                       headers: HeaderMap| async move {
        let resource = (resource_type, id);
        intents::change(&shared, caller, &headers, resource, Request::Remove, force).await
    };
    Router::new()
        .route(member, delete(remove))
        .route(&format!("{member}/{{action}}"), post(act))
}
