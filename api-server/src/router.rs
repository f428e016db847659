//! The addresses of the API.

use std::sync::Arc;

use aide::axum::ApiRouter;
use axum::Router;
use axum::extract::{Extension, MatchedPath, State};
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;

use crate::authorization::Caller;
use crate::handlers::{
    accounts, agents, api_keys, audit_logs, containers, health, host_stats, images, index,
    lifecycles, logins, networks, processes, projects, registration_tokens, registry_credentials,
    resources, schemas, sessions, settings, streams, updates, volumes, watch,
};
use crate::limits;
use crate::problem::Problem;
use crate::representation::{
    Account, Agent, ApiKey, Container, Host, Image, Network, Project, RegistrationToken,
    RegistryCredential, Volume,
};
use crate::routes::Routes;
use crate::{Shared, authentication, meter, openapi, rate_limits, recording, request_id};

/// Every operation of the API that takes a key.
pub(crate) fn api() -> Routes {
    Routes::new()
        .and(index::routes)
        .and(resources::routes::<Container>)
        .and(containers::routes)
        .and(streams::routes)
        .and(resources::routes::<Host>)
        .and(host_stats::routes)
        .and(resources::routes::<Agent>)
        .and(agents::routes)
        .and(resources::routes::<RegistrationToken>)
        .and(registration_tokens::routes)
        .and(resources::routes::<Project>)
        .and(projects::routes)
        .and(resources::routes::<Account>)
        .and(accounts::routes)
        .and(resources::routes::<ApiKey>)
        .and(resources::routes::<Volume>)
        .and(volumes::routes)
        .and(resources::routes::<Network>)
        .and(networks::routes)
        .and(resources::routes::<RegistryCredential>)
        .and(registry_credentials::routes)
        .and(resources::routes::<Image>)
        .and(images::routes)
        .and(updates::routes::<Volume>)
        .and(updates::routes::<Network>)
        .and(updates::routes::<RegistryCredential>)
        .and(updates::routes::<Image>)
        .and(updates::routes::<Container>)
        .and(updates::routes::<Host>)
        .and(updates::routes::<RegistrationToken>)
        .and(updates::routes::<Project>)
        .and(updates::routes::<Account>)
        .and(updates::routes::<ApiKey>)
        .and(api_keys::routes)
        .and(sessions::routes)
        .and(logins::routes)
        .and(processes::routes)
        .and(schemas::routes)
        .and(audit_logs::routes)
        .and(settings::routes)
        .and(lifecycles::routes)
        .and(watch::routes)
}

/// Tells the methods that there are at an address for whoever asks.
async fn not_allowed(
    State(shared): State<Arc<Shared>>,
    caller: Option<Extension<Caller>>,
    path: MatchedPath,
) -> Response {
    // Who shows nothing comes no further than to what is open, by the method by which it is.
    let Some(Extension(caller)) = caller else {
        return Problem::method_not_allowed().into_response();
    };
    match shared.descriptions.allowed(caller.role, path.as_str()) {
        Some(methods) => {
            let allow = [(header::ALLOW, methods.to_owned())];
            (allow, Problem::method_not_allowed()).into_response()
        }
        None => Problem::no_route().into_response(),
    }
}

/// All addresses, with what every request passes through. `api` is the router of [`api`].
pub(crate) fn router(api: ApiRouter<Arc<Shared>>, shared: Arc<Shared>) -> Router {
    let api = Router::from(api)
        .fallback(|| async { Problem::no_route() })
        .method_not_allowed_fallback(not_allowed)
        .layer(from_fn_with_state(shared.clone(), recording::watch_over))
        .layer(from_fn_with_state(shared.clone(), rate_limits::limit))
        .layer(from_fn_with_state(shared.clone(), authentication::require));
    Router::new()
        .nest("/v1", api)
        .merge(openapi::routes())
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(|| async { Problem::no_route() })
        .layer(CatchPanicLayer::custom(|_| {
            tracing::error!("a handler panicked");
            axum::response::IntoResponse::into_response(Problem::internal())
        }))
        .layer(from_fn(limits::hold))
        .layer(from_fn(meter::measure))
        .layer(from_fn(request_id::assign))
        .with_state(shared)
}
