//! The addresses of the API.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;

use crate::Shared;
use crate::authentication;
use crate::handlers::{
    agents, containers, health, hosts, index, lifecycles, processes, projects, registration_tokens,
    watch,
};
use crate::problem::Problem;
use crate::request_id;

/// All addresses, with what every request passes through.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let api = Router::new()
        .route("/", get(index::index))
        .route(
            "/containers",
            get(containers::list).post(containers::create),
        )
        .route(
            "/containers/{id}",
            get(containers::read).delete(containers::remove),
        )
        .route("/containers/{id}/{action}", post(containers::act))
        .route("/hosts", get(hosts::list))
        .route("/hosts/{id}", get(hosts::read).delete(hosts::remove))
        .route("/hosts/{id}/{action}", post(hosts::act))
        .route("/agents", get(agents::list))
        .route("/agents/{id}", get(agents::read))
        .route("/projects", get(projects::list))
        .route("/projects/{id}", get(projects::read))
        .route(
            "/registrationTokens",
            get(registration_tokens::list).post(registration_tokens::create),
        )
        .route(
            "/registrationTokens/{id}",
            get(registration_tokens::read).delete(registration_tokens::remove),
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
        .layer(from_fn(request_id::assign))
        .with_state(shared)
}
