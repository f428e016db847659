//! Refusals, as RFC 9457 problems.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use drover_proto::stream::code;
use drover_store::{RegistrationError, StoreError};
use serde_json::json;

/// Why an agent is refused.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It shows no valid credential or token.
    Unauthorized(&'static str),
    /// What it sent is not of the right form.
    Invalid(String),
    /// Its host was removed.
    Removed,
    /// It takes neither form of the protocol.
    NotAcceptable,
    /// What it posted is too large.
    TooLarge,
    /// The session for which it speaks is not held here.
    NoSession,
    /// The session for which it speaks is another agent's.
    ForeignSession,
    /// No stream of this id waits for it.
    NoStream,
    /// What was asked for cannot become a WebSocket.
    NoSocket(String),
    /// A stream cannot be had, for a reason of [`drover_proto::stream::code`].
    Stream(&'static str, String),
    /// The database is out of reach.
    Unavailable,
    /// Something that should not happen did.
    Internal,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let source = std::error::Error::source(&error);
        if error.is_unavailable() {
            tracing::warn!(%error, ?source, "the database is out of reach");
            return Self::Unavailable;
        }
        tracing::error!(%error, ?source, "the database refused a statement");
        Self::Internal
    }
}

impl From<RegistrationError> for Problem {
    fn from(error: RegistrationError) -> Self {
        match error {
            RegistrationError::Token => {
                Self::Unauthorized("the registration token is unknown, used up, expired or removed")
            }
            RegistrationError::Removed => Self::Removed,
            RegistrationError::Store(error) => error.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, title, detail) = match self {
            Self::Unauthorized(detail) => (
                StatusCode::UNAUTHORIZED,
                "agent.unauthorized",
                "Not authorized",
                detail.to_owned(),
            ),
            Self::Invalid(detail) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "agent.invalid",
                "Not valid",
                detail,
            ),
            Self::Removed => (
                StatusCode::GONE,
                "agent.removed",
                "Removed",
                "the host of this agent was removed; register with a new agent key".to_owned(),
            ),
            Self::NotAcceptable => (
                StatusCode::NOT_ACCEPTABLE,
                "agent.notAcceptable",
                "Not acceptable",
                "ask for a WebSocket, or accept application/x-ndjson".to_owned(),
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "agent.tooLarge",
                "Too large",
                "no frame and no POST is larger than 4 MiB".to_owned(),
            ),
            Self::NoSession => (
                StatusCode::CONFLICT,
                "agent.session",
                "No such session",
                "this agent server does not hold the session, or not any more; connect again"
                    .to_owned(),
            ),
            Self::ForeignSession => (
                StatusCode::FORBIDDEN,
                "agent.foreignSession",
                "Another's session",
                "the session is another agent's".to_owned(),
            ),
            Self::NoStream => (
                StatusCode::NOT_FOUND,
                "agent.noStream",
                "No such stream",
                "no stream of this id waits for this agent at this server".to_owned(),
            ),
            Self::NoSocket(detail) => (
                StatusCode::BAD_REQUEST,
                "agent.noSocket",
                "No WebSocket",
                detail,
            ),
            Self::Stream(code, detail) => (status_of(code), code, "No stream", detail),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Unavailable",
                "the database is out of reach; try again later".to_owned(),
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Internal error",
                "the server failed; its log says how".to_owned(),
            ),
        };
        let body = json!({
            "type": "about:blank",
            "title": title,
            "status": status.as_u16(),
            "code": code,
            "detail": detail,
        });
        let headers = [(header::CONTENT_TYPE, "application/problem+json")];
        (status, headers, Json(body)).into_response()
    }
}

/// The status of a reason for which a stream cannot be had.
fn status_of(reason: &str) -> StatusCode {
    match reason {
        code::TICKET => StatusCode::UNAUTHORIZED,
        code::NOT_THERE => StatusCode::NOT_FOUND,
        code::AWAY => StatusCode::MISDIRECTED_REQUEST,
        code::REFUSED => StatusCode::CONFLICT,
        code::TOO_MANY => StatusCode::TOO_MANY_REQUESTS,
        code::UNSUPPORTED => StatusCode::NOT_IMPLEMENTED,
        code::TIMED_OUT => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    }
}
