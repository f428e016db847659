//! Problems: how the API says that something did not work, after RFC 9457.
//!
//! Each has a `code` that never changes its meaning, for programs; the words are for people and may
//! change. Nothing of the inside (SQL, addresses, stack traces) goes out: that is in the log, under
//! the request's id. Every kind there is stands in the [catalogue].

pub(crate) mod catalogue;
pub(crate) mod shape;

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use drover_domain::lifecycle::Refusal;
use drover_domain::quota::QuotaRefusal;
use drover_domain::resource::{Invalid, Version};
use drover_domain::{Phase, ResourceType, Role};
use drover_store::StoreError;
use serde_json::{Map, Value, json};

pub(crate) use catalogue::Kind;

/// A problem to answer with.
#[derive(Debug)]
pub(crate) struct Problem {
    kind: &'static Kind,
    code: Cow<'static, str>,
    detail: String,
    retry_after: Option<Duration>,
    more: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            code: Cow::Borrowed(kind.code),
            detail: detail.into(),
            retry_after: None,
            more: Map::new(),
        }
    }

    /// The status that it is answered with.
    pub(crate) fn status(&self) -> StatusCode {
        self.kind.status
    }

    /// What programs know it by.
    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// What the client could do about it.
    #[must_use]
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        self.with("hint", hint.into())
    }

    /// When it is worth another try.
    #[must_use]
    pub(crate) fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
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
            &catalogue::UNAUTHORIZED,
            "the request shows no valid API key and no session",
        )
        .with_hint("send `Authorization: Bearer <key>`; the first key is in operator.key")
    }

    /// The role does not allow it, on something that it may see.
    pub(crate) fn role(needed: Role) -> Self {
        Self::new(&catalogue::ROLE, "your role does not allow this")
            .with("neededRole", needed.as_str())
            .with_hint(format!("it takes the role `{needed}` or more"))
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(&catalogue::NOT_FOUND, format!("there is no such {what}"))
    }

    /// The project that something shall belong to is not there, or not for whoever asks.
    pub(crate) fn no_project() -> Self {
        Self::invalid("projectId", "there is no such project")
    }

    pub(crate) fn no_route() -> Self {
        Self::new(&catalogue::NOT_FOUND, "there is nothing at this address")
            .with_hint("GET /v1 lists what there is")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            &catalogue::METHOD_NOT_ALLOWED,
            "the method is not allowed at this address",
        )
    }

    pub(crate) fn bad_query(detail: impl Into<String>) -> Self {
        Self::new(&catalogue::QUERY, detail)
    }

    pub(crate) fn bad_header(name: &str, detail: &str) -> Self {
        Self::new(&catalogue::HEADER, detail).with_field(name)
    }

    pub(crate) fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(&catalogue::INVALID, detail).with_field(field)
    }

    pub(crate) fn conflict(detail: impl Into<String>) -> Self {
        Self::new(&catalogue::CONFLICT, detail)
            .with_hint("read the resource again and repeat the request")
    }

    /// The resource is not what `If-Match` names.
    pub(crate) fn precondition(version: Version) -> Self {
        Self::new(
            &catalogue::PRECONDITION,
            "what `If-Match` names is not what there is: it was changed since it was read",
        )
        .with("version", version)
        .with_hint("read it again, and decide whether the change is still wanted")
    }

    /// Another one of a type in the project has the name.
    pub(crate) fn name_taken(resource_type: ResourceType) -> Self {
        let detail = format!("another {resource_type} of the project has the name");
        Self::new(&catalogue::NAME_TAKEN, detail).with_field("name")
    }

    /// Containers use it, of which some are named.
    pub(crate) fn in_use(resource_type: ResourceType, by: &[String]) -> Self {
        let detail = format!("the {resource_type} is in use by {}", by.join(", "));
        Self::new(&catalogue::IN_USE, detail)
            .with("usedBy", json!(by))
            .with_hint("remove these containers first")
    }

    /// Somebody else was first under the same key.
    pub(crate) fn repeated() -> Self {
        Self::new(
            &catalogue::REPEATED,
            "another request under the same key was under way, and came to nothing",
        )
        .with_field("Idempotency-Key")
        .with_hint("repeat the request")
    }

    pub(crate) fn process_finished(phase: Phase) -> Self {
        Self::new(
            &catalogue::PROCESS_FINISHED,
            format!("the process is {phase}: there is nothing left to do about it"),
        )
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            &catalogue::INTERNAL,
            "the server failed; its log says how, under the request's id",
        )
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let source = std::error::Error::source(&error);
        if error.is_unavailable() {
            tracing::warn!(%error, ?source, "the database is out of reach");
            return Self::new(&catalogue::UNAVAILABLE, "the database is out of reach")
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
                let mut problem = Self::new(&catalogue::STATE, detail);
                problem.code = format!("{resource_type}.state").into();
                problem
                    .with("state", state.as_str())
                    .with("allowedStates", json!(names))
                    .with_hint(hint)
            }
        }
    }
}

impl From<QuotaRefusal> for Problem {
    fn from(refusal: QuotaRefusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            QuotaRefusal::Unstated { field } => Self::invalid(field, detail),
            QuotaRefusal::Exceeded {
                quota,
                used,
                asked,
                allowed,
                ..
            } => Self::new(&catalogue::QUOTA_EXCEEDED, detail)
                .with("quota", quota)
                .with("used", used)
                .with("asked", asked)
                .with("allowed", allowed)
                .with_hint(
                    "remove what is not needed any more, or ask an operator for a larger quota",
                ),
        }
    }
}

impl Problem {
    /// The problem as clients read it.
    pub(crate) fn to_json(&self) -> Value {
        let mut body = self.more.clone();
        body.insert("type".to_owned(), json!("about:blank"));
        body.insert("title".to_owned(), json!(self.kind.title));
        body.insert("status".to_owned(), json!(self.kind.status.as_u16()));
        body.insert("code".to_owned(), json!(self.code));
        body.insert("detail".to_owned(), json!(self.detail));
        if let Some(id) = crate::request_id::current() {
            body.insert("requestId".to_owned(), json!(id));
        }
        Value::Object(body)
    }
}

/// The code of the problem that a response tells of, among its extensions.
#[derive(Clone, Debug)]
pub(crate) struct RefusedWith(pub(crate) Cow<'static, str>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status, Json(self.to_json())).into_response();
        response.extensions_mut().insert(RefusedWith(self.code));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        match self.kind.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::UPGRADE_REQUIRED => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
            }
            _ => {}
        }
        if let Some(pause) = self.retry_after {
            let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
