//! The addresses of the API.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};
use drover_domain::ResourceType;
use tower_http::catch_panic::CatchPanicLayer;

use crate::Shared;
use crate::authentication;
use crate::handlers::{
    containers, health, index, lifecycles, processes, registration_tokens, resources, watch,
};
use crate::meter;
use crate::problem::Problem;
use crate::request_id;
use crate::serving::limits;

/// All addresses, with what every request passes through.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let resources = ResourceType::ALL
        .iter()
        .fold(Router::new(), |router, known| {
            router.merge(resources::routes(*known))
        });
    let api = resources
        .route("/", get(index::index))
        .route("/containers", post(containers::create))
        .route("/registrationTokens", post(registration_tokens::create))
        .route(
            "/registrationTokens/{id}",
            delete(registration_tokens::remove),
        )
        .route("/processes", get(processes::list))
        .route("/processes/{id}", get(processes::read))
        .route("/processes/{id}/cancel", post(processes::cancel))
        .route("/processes/{id}/retry", post(processes::retry))
        .route("/lifecycles", get(lifecycles::list))
        .route("/lifecycles/{type}", get(lifecycles::read))
        .route("/watch", get(watch::watch))
        .fallback(|| async { Problem::no_route() })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(from_fn_with_state(shared.clone(), authentication::require));
    Router::new()
        .nest("/v1", api)
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
