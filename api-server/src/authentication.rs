//! Who asks: every request under `/v1` shows an API key.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use drover_domain::Role;
use drover_store::{CredentialKind, Presented, StoreError};
use tokio::time::timeout;

use crate::Shared;
use crate::authorization::{Caller, Scope};
use crate::problem::Problem;

/// How long the database may take to look up a key before it counts as out of reach.
const PATIENCE: Duration = Duration::from_secs(5);

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

pub(crate) async fn identify(shared: &Shared, headers: &HeaderMap) -> Result<Caller, Problem> {
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
        Some(verified) if verified.role == Role::Operator => Ok(Caller {
            credential: verified.id,
            account: None,
            role: Role::Operator,
            scope: Scope::Everything,
            from: None,
        }),
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
