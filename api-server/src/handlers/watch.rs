//! `/v1/watch`: changes as they happen, in the form that is asked for.

use std::sync::Arc;

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::OperationOutput;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::Shared;
use crate::authorization::Caller;
use crate::problem::Problem;
use crate::problem::catalogue::{FOREIGN_ORIGIN, NOT_ACCEPTABLE, WATCH_GONE, WATCHES};
use crate::query::Strict;
use crate::routes::{Needs, Routes, about};
use crate::upgrade::Upgrade;
use crate::watch::request::{self, Query, Watching};

/// The address of the watch.
pub(crate) fn routes(routes: Routes) -> Routes {
    let about = about(
        Needs::ANY,
        "Watch",
        "watch",
        "Streams changes as they happen",
    );
    let problems = [&WATCH_GONE, &WATCHES, &NOT_ACCEPTABLE, &FOREIGN_ORIGIN];
    routes.get("/watch", about.fails(&problems), watch)
}

async fn watch(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Strict(query): Strict<Query>,
    upgrade: Upgrade,
    headers: HeaderMap,
) -> Result<Watching, Problem> {
    request::begin(&shared, caller, query, upgrade, &headers).await
}

impl IntoResponse for Watching {
    fn into_response(self) -> Response {
        match self {
            Self::Socket(response) => response,
            Self::Stream(form, body) => {
                let headers = [
                    (header::CONTENT_TYPE, form.media_type()),
                    // What stands between must hand on each event at once.
                    (header::CACHE_CONTROL, "no-store"),
                ];
                (headers, [("x-accel-buffering", "no")], body).into_response()
            }
        }
    }
}

impl OperationOutput for Watching {
    type Inner = ();

    fn inferred_responses(
        context: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<u16>, aide::openapi::Response)> {
        crate::watch::described(context)
    }
}
