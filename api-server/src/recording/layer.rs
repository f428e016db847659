//! What surrounds every request that may change something.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, OriginalUri, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::{Noted, Record, Subject, note, repeats, replay};
use crate::Shared;
use crate::authorization::Caller;
use crate::problem::{Problem, RefusedWith, catalogue};

/// How long an answer waits for its audit row.
const PATIENCE: Duration = Duration::from_secs(2);

/// Has mutations written down, and repeated ones answered as they were before.
pub(crate) async fn watch_over(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let is_safe = request.method().is_safe();
    if is_safe && !runs_a_command(&request) {
        return next.run(request).await;
    }
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return next.run(request).await;
    };
    // A command is run as often as it is asked for.
    let found = match is_safe {
        true => Ok((request, None, None)),
        false => repeats::look_up(&shared, &caller, request).await,
    };
    let (request, key, kept) = match found {
        Ok(found) => found,
        Err((parts, problem)) => {
            let caller = with_record(&caller, note_of(&parts, None));
            refused(&shared, &caller, &problem).await;
            return problem.into_response();
        }
    };
    let (mut parts, body) = request.into_parts();
    let caller = with_record(&caller, note_of(&parts, key));
    if let Some(kept) = kept {
        return replay::answer(&shared, &caller, &parts.headers, kept).await;
    }
    let headers = caller.bears_a_key().then(|| parts.headers.clone());
    parts.extensions.insert(caller.clone());
    let response = next.run(Request::from_parts(parts, body)).await;

    let code = response.extensions().get::<RefusedWith>();
    if let Some(RefusedWith(code)) = code
        && code == catalogue::REPEATED.code
        && let Some(headers) = headers
        // Somebody else was first.
        && let Some(kept) = repeats::kept_now(&shared, &caller).await
    {
        return match kept {
            Ok(kept) => replay::answer(&shared, &caller, &headers, kept).await,
            Err(problem) => problem.into_response(),
        };
    }
    let code = code.map(|RefusedWith(code)| code.to_string());
    if response.status().as_u16() >= 400 {
        record(&shared, &caller, response.status(), code).await;
    }
    response
}

/// Whether a request is a GET that changes something after all: what becomes a WebSocket is one.
fn runs_a_command(request: &Request) -> bool {
    let template = request.extensions().get::<MatchedPath>();
    template.is_some_and(|template| template.as_str().ends_with("/containers/{id}/exec"))
}

fn note_of(parts: &axum::http::request::Parts, key: Option<super::Key>) -> Noted {
    let template = parts.extensions.get::<MatchedPath>();
    let template = template.map(MatchedPath::as_str);
    // Without what nesting has taken off it.
    let original = parts.extensions.get::<OriginalUri>();
    let path = original.map_or(parts.uri.path(), |uri| uri.path());
    note(parts.method.as_str(), path, template, key)
}

fn with_record(caller: &Caller, noted: Noted) -> Caller {
    Caller {
        record: Record(Some(Arc::new(noted))),
        ..caller.clone()
    }
}

/// Writes down that something was refused which is not the answer to a request of its own.
pub(crate) async fn refused(shared: &Shared, caller: &Caller, problem: &Problem) {
    let code = Some(problem.code().to_owned());
    record(shared, caller, problem.status(), code).await;
}

async fn record(shared: &Shared, caller: &Caller, status: StatusCode, code: Option<String>) {
    // What cannot reach the database cannot be written down there either.
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return;
    }
    let now = shared.clock.now();
    let Some(entry) = caller.entry(now, Subject::default(), status, code) else {
        return;
    };
    let operation = entry.operation.clone();
    match timeout(PATIENCE, shared.store.record(entry)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, operation, "a refusal was not written down"),
        Err(_) => tracing::warn!(operation, "a refusal was not written down in time"),
    }
}
