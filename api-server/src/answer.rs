//! Answers, typed so that they describe themselves.
//!
//! A [`Reply`] has a body of one type and the statuses of one [`Outcome`]: what an operation may
//! answer when it works. A handler cannot answer with a status that its type does not say.

use std::marker::PhantomData;

use aide::generate::GenContext;
use aide::openapi::{
    Header, MediaType, Operation, ParameterSchemaOrContent, ReferenceOr, Response, SchemaObject,
};
use aide::operation::OperationOutput;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use drover_domain::resource::Version;
use schemars::{JsonSchema, json_schema};
use serde::Serialize;

use crate::authorization::Caller;
use crate::conditional::{self, Known};
use crate::problem::Problem;
use crate::recording::{Answered, Kept};

/// What can come of an operation that works.
pub(crate) trait Outcome: 'static {
    /// Its statuses, each with what it means.
    const STATUSES: &'static [(StatusCode, &'static str)];
    /// The headers that its answers may have.
    const HEADERS: &'static [(HeaderName, &'static str)] = &[];
}

macro_rules! outcomes {
    ($($(#[$doc:meta])* $name:ident: $($status:ident $meaning:literal),* ; $($header:ident $says:literal),* ;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $name;

            impl Outcome for $name {
                const STATUSES: &'static [(StatusCode, &'static str)] =
                    &[$((StatusCode::$status, $meaning)),*];
                const HEADERS: &'static [(HeaderName, &'static str)] =
                    &[$((header::$header, $says)),*];
            }
        )*
    };
}

outcomes! {
    /// Something was read.
    Read: OK "As it stands.", NOT_MODIFIED "It still is what `If-None-Match` names.";
        ETAG "What `If-None-Match` and `If-Match` compare.";
    /// Something was read that has no version.
    Told: OK "As it stands.";;
    /// Something was changed at once.
    Changed: OK "As it stands now."; ETAG "What `If-Match` compares.";
    /// Something was made that needs no work to exist.
    Made: CREATED "Made.";
        LOCATION "Where it is.", ETAG "What `If-Match` compares.";
    /// Something is asked for that needs work to exist.
    MakingAsked: ACCEPTED "Committed; a process makes it true.", CREATED "The process has ended within the time that `Prefer: wait` gave.";
        LOCATION "Where it is.", ETAG "What `If-Match` compares.";
    /// Something is asked of what exists.
    Asked: ACCEPTED "Committed; a process makes it true.", OK "The process has ended within the time that `Prefer: wait` gave.", NO_CONTENT "So it has, and nothing is left to show.";
        LOCATION "Where it is.", ETAG "What `If-Match` compares.";
    /// What was asked before is tried again.
    Retried: ACCEPTED "A process makes it true."; LOCATION "Where the process is.";
    /// What was asked before, and has ended since.
    Repeated: OK "The process has ended.", CREATED "The process has ended."; LOCATION "Where it is.", ETAG "What `If-Match` compares.";
    /// Several things were asked at once, each with an answer of its own.
    Several: MULTI_STATUS "An answer for each.";;
}

/// An answer of an operation that worked.
pub(crate) struct Reply<O, T> {
    status: StatusCode,
    headers: HeaderMap,
    body: Option<T>,
    version: Option<Version>,
    known: Known,
    outcome: PhantomData<fn() -> O>,
}

impl<O: Outcome, T> Reply<O, T> {
    /// An answer with the first status of the outcome.
    pub(crate) fn new(body: T) -> Self {
        let status = O::STATUSES
            .first()
            .map_or(StatusCode::OK, |(status, _)| *status);
        Self {
            status,
            headers: HeaderMap::new(),
            body: Some(body),
            version: None,
            known: Known::default(),
            outcome: PhantomData,
        }
    }

    /// An answer that is nothing but its status.
    pub(crate) fn empty(status: StatusCode) -> Self {
        debug_assert!(O::STATUSES.iter().any(|(known, _)| *known == status));
        Self {
            status,
            headers: HeaderMap::new(),
            body: None,
            version: None,
            known: Known::default(),
            outcome: PhantomData,
        }
    }

    /// The same with another status of the outcome.
    #[must_use]
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        debug_assert!(O::STATUSES.iter().any(|(known, _)| *known == status));
        self.status = status;
        self
    }

    /// The same with a header. A value that no header can have is left out.
    #[must_use]
    pub(crate) fn with_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// The same with an `ETag`, for something of a version.
    #[must_use]
    pub(crate) fn tagged(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// The same, not sent again to a client that has it.
    #[must_use]
    pub(crate) fn unless(mut self, known: Known) -> Self {
        self.known = known;
        self
    }

    /// What is written down of it together with what it tells of: its status, and all of it if the
    /// request may be repeated. No secret may be in it.
    ///
    /// # Errors
    /// When the body cannot be written.
    pub(crate) fn answered(&self, caller: &Caller) -> Result<Answered, Problem>
    where
        T: Serialize,
    {
        let mut answered = Answered::from(self.status);
        if caller.bears_a_key() {
            let body = self.body.as_ref().map(serde_json::to_string).transpose();
            let body = body.map_err(|error| {
                tracing::error!(%error, "an answer cannot be written");
                Problem::internal()
            })?;
            let body = body.unwrap_or_default();
            let location = self.headers.get(header::LOCATION);
            let location = location.and_then(|value| value.to_str().ok());
            answered.kept = Some(Kept {
                location: location.map(str::to_owned),
                etag: self
                    .version
                    .map(|version| conditional::tag(version, body.as_bytes())),
                body,
                process: None,
            });
        }
        Ok(answered)
    }

    /// Its status, its address and its body.
    pub(crate) fn into_parts(self) -> (StatusCode, Option<String>, Option<T>) {
        let location = self.headers.get(header::LOCATION);
        let location = location.and_then(|value| value.to_str().ok());
        (self.status, location.map(str::to_owned), self.body)
    }

    /// The same with the address of what it is about.
    #[must_use]
    pub(crate) fn at(self, location: &str) -> Self {
        self.with_header(header::LOCATION, location)
    }
}

impl<O, T: Serialize> IntoResponse for Reply<O, T> {
    fn into_response(self) -> axum::response::Response {
        let Self {
            status,
            mut headers,
            body,
            version,
            known,
            ..
        } = self;
        let Some(body) = body else {
            return (status, headers).into_response();
        };
        // Into one piece of memory that grows as it must: a list of a hundred is a tenth dearer to write
        // by way of axum's `Json`.
        let bytes = match serde_json::to_vec(&body) {
            Ok(bytes) => bytes,
            Err(error) => {
                tracing::error!(%error, "an answer cannot be written");
                return Problem::internal().into_response();
            }
        };
        if let Some(version) = version {
            let tag = conditional::tag(version, &bytes);
            if let Ok(value) = HeaderValue::from_str(&tag) {
                headers.insert(header::ETAG, value);
            }
            if known.has(&tag) {
                return (StatusCode::NOT_MODIFIED, headers).into_response();
            }
        }
        let json = HeaderValue::from_static("application/json");
        headers.insert(header::CONTENT_TYPE, json);
        (status, headers, bytes).into_response()
    }
}

impl<O: Outcome, T: JsonSchema> OperationOutput for Reply<O, T> {
    type Inner = T;

    fn inferred_responses(
        context: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<u16>, Response)> {
        let json_schema = context.schema.subschema_for::<T>();
        let describe = |(status, meaning): &(StatusCode, &str)| {
            let has_body = !matches!(*status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
            let content =
                has_body.then(|| ("application/json".to_owned(), media(json_schema.clone())));
            let response = Response {
                description: (*meaning).to_owned(),
                headers: O::HEADERS.iter().map(describe_header).collect(),
                content: content.into_iter().collect(),
                ..Response::default()
            };
            (Some(status.as_u16()), response)
        };
        O::STATUSES.iter().map(describe).collect()
    }
}

/// The description of a body in a form of JSON.
pub(crate) fn media(json_schema: schemars::Schema) -> MediaType {
    MediaType {
        schema: Some(SchemaObject {
            json_schema,
            example: None,
            external_docs: None,
        }),
        ..MediaType::default()
    }
}

fn describe_header((name, says): &(HeaderName, &str)) -> (String, ReferenceOr<Header>) {
    let header = Header {
        description: Some((*says).to_owned()),
        style: aide::openapi::HeaderStyle::Simple,
        required: false,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(SchemaObject {
            json_schema: json_schema!({ "type": "string" }),
            example: None,
            external_docs: None,
        }),
        example: None,
        examples: Default::default(),
        extensions: Default::default(),
    };
    (titled(name.as_str()), ReferenceOr::Item(header))
}

/// `content-type` as people write it.
fn titled(name: &str) -> String {
    match name {
        "etag" => "ETag".to_owned(),
        _ => {
            let words = name.split('-').map(|word| {
                let mut letters = word.chars();
                let first = letters.next().map(|first| first.to_ascii_uppercase());
                first.into_iter().chain(letters).collect::<String>()
            });
            words.collect::<Vec<_>>().join("-")
        }
    }
}

/// The answer of an operation that leaves nothing to say.
pub(crate) struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> axum::response::Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl OperationOutput for NoContent {
    type Inner = ();

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Response)> {
        let response = Response {
            description: "Done.".to_owned(),
            ..Response::default()
        };
        vec![(Some(StatusCode::NO_CONTENT.as_u16()), response)]
    }
}
