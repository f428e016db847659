//! Problems: how the API says that something did not work, after RFC 9457.
//!
//! Each has a `code` that never changes its meaning, for programs; the words are for people and may
//! change. Nothing of the inside (SQL, addresses, stack traces) goes out: that is in the log, under
//! the request's id.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use drover_domain::Phase;
use drover_domain::lifecycle::Refusal;
use drover_domain::resource::Invalid;
use drover_store::StoreError;
use serde_json::{Map, Value, json};

/// A problem to answer with.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: String,
    title: &'static str,
    detail: String,
    more: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<String>,
        title: &'static str,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            title,
            detail: detail.into(),
            more: Map::new(),
        }
    }

    /// What the client could do about it.
    #[must_use]
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        self.with("hint", hint.into())
    }

    /// Which field it is about.
    #[must_use]
    pub(crate) fn with_field(self, field: impl Into<String>) -> Self {
        self.with("field", field.into())
    }

    #[must_use]
    fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.more.insert(key.to_owned(), value.into());
        self
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "Not authorized",
            "the request shows no valid API key",
        )
        .with_hint("send `Authorization: Bearer <key>`; the first key is in operator.key")
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "notFound",
            "Not found",
            format!("there is no such {what}"),
        )
    }

    pub(crate) fn no_route() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "notFound",
            "Not found",
            "there is nothing at this address",
        )
        .with_hint("GET /v1 lists what there is")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "methodNotAllowed",
            "Method not allowed",
            "the method is not allowed at this address",
        )
    }

    pub(crate) fn bad_query(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "query", "Bad query", detail)
    }

    pub(crate) fn bad_header(name: &str, detail: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "header", "Bad header", detail).with_field(name)
    }

    pub(crate) fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "Not valid",
            detail,
        )
        .with_field(field)
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "Conflict", detail)
            .with_hint("read the resource again and repeat the request")
    }

    pub(crate) fn process_finished(phase: Phase) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "process.finished",
            "Finished",
            format!("the process is {phase}: there is nothing left to do about it"),
        )
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Internal error",
            "the server failed; its log says how, under the request's id",
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let source = std::error::Error::source(&error);
        if error.is_unavailable() {
            tracing::warn!(%error, ?source, "the database is out of reach");
            return Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Unavailable",
                "the database is out of reach",
            )
            .with_hint("repeat the request in a few seconds");
        }
        tracing::error!(%error, ?source, "the database refused a statement");
        Self::internal()
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let detail = invalid.to_string();
        Self::invalid(invalid.field, detail)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::Unknown { .. } => Self::no_route(),
            Refusal::State {
                resource_type,
                state,
                allowed,
                may_be_forced,
                ..
            } => {
                let names: Vec<&str> = allowed.iter().map(|state| state.as_str()).collect();
                let mut hint = format!("it is allowed when the state is {}", names.join(", "));
                if may_be_forced {
                    hint.push_str("; or in any state with ?force=true");
                }
                let code = format!("{resource_type}.state");
                Self::new(StatusCode::CONFLICT, code, "Not in this state", detail)
                    .with("state", state.as_str())
                    .with("allowedStates", json!(names))
                    .with_hint(hint)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = self.more;
        body.insert("type".to_owned(), json!("about:blank"));
        body.insert("title".to_owned(), json!(self.title));
        body.insert("status".to_owned(), json!(self.status.as_u16()));
        body.insert("code".to_owned(), json!(self.code));
        body.insert("detail".to_owned(), json!(self.detail));
        if let Some(id) = crate::request_id::current() {
            body.insert("requestId".to_owned(), json!(id));
        }
        let mut response = (self.status, Json(Value::Object(body))).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            _ => {}
        }
        response
    }
}
