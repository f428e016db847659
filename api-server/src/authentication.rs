//! Who asks: every request under `/v1` shows an API key.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use drover_domain::Role;
use drover_domain::process::Cause;
use drover_store::{CredentialKind, Presented, StoreError};
use tokio::time::timeout;
use uuid::Uuid;

use crate::problem::Problem;
use crate::{Shared, request_id};

/// How long the database may take to look up a key before it counts as out of reach.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whoever made the request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    key: Uuid,
}

impl Caller {
    /// What is written down as the cause of what follows from the request.
    pub(crate) fn cause(self) -> Cause {
        Cause {
            request_id: request_id::current().unwrap_or_default(),
            account_id: Some(self.key.to_string()),
        }
    }
}

/// Lets only those pass who show a key that is allowed to use the API.
pub(crate) async fn require(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    match identify(&shared, request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn identify(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Problem> {
    let presented = bearer(headers)
        .and_then(|text| Presented::parse(CredentialKind::ApiKey, text))
        .ok_or_else(Problem::unauthorized)?;
    // A database that hangs is told of here, before anything else is begun.
    let now = shared.clock.now();
    let verifying = shared.store.verify(CredentialKind::ApiKey, &presented, now);
    let verified = timeout(PATIENCE, verifying)
        .await
        .unwrap_or(Err(StoreError::TimedOut(PATIENCE)))?;
    match verified {
        Some(verified) if verified.role == Role::Operator => Ok(Caller { key: verified.id }),
        _ => Err(Problem::unauthorized()),
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, text) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| text.trim())
}

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        parts
            .extensions
            .get()
            .copied()
            .ok_or_else(Problem::unauthorized)
    }
}
