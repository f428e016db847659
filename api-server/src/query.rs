//! Queries and headers of requests. Whatever is malformed or unknown is refused, never ignored.

use std::time::Duration;

use axum::extract::{FromRequestParts, Query};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use drover_domain::{Phase, ProcessId, ResourceId, State};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// How many items a page has if the client does not say, and at most.
const USUAL_LIMIT: u64 = 100;
const HIGHEST_LIMIT: u64 = 1_000;

/// A query of a known form. Its type refuses unknown fields.
pub(crate) struct Strict<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Strict<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::bad_query("a value has a NUL character"));
        }
        Query::<T>::try_from_uri(&parts.uri)
            .map(|Query(query)| Self(query))
            .map_err(|rejection| Problem::bad_query(rejection.body_text()))
    }
}

/// The query of a request that takes none.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// The query of a removal.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Force {
    #[serde(default)]
    pub(crate) force: bool,
}

/// The query of one process.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wait {
    /// Seconds.
    pub(crate) wait: Option<u64>,
}

/// The query of a collection of resources.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ListResources {
    pub(crate) name: Option<String>,
    /// One or several, with commas between them.
    state: Option<String>,
    pub(crate) project_id: Option<ResourceId>,
    pub(crate) host_id: Option<ResourceId>,
    #[serde(default)]
    pub(crate) removed: bool,
    limit: Option<u64>,
    marker: Option<ResourceId>,
}

impl ListResources {
    pub(crate) fn states(&self) -> Result<Vec<State>, Problem> {
        listed(self.state.as_deref())
    }

    pub(crate) fn page(&self) -> Result<Page<ResourceId>, Problem> {
        page(self.limit, self.marker)
    }
}

/// The query of the collection of processes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ListProcesses {
    pub(crate) resource_id: Option<ResourceId>,
    pub(crate) project_id: Option<ResourceId>,
    pub(crate) parent_id: Option<ProcessId>,
    /// One or several, with commas between them.
    phase: Option<String>,
    limit: Option<u64>,
    marker: Option<ProcessId>,
}

impl ListProcesses {
    pub(crate) fn phases(&self) -> Result<Vec<Phase>, Problem> {
        listed(self.phase.as_deref())
    }

    pub(crate) fn page(&self) -> Result<Page<ProcessId>, Problem> {
        page(self.limit, self.marker)
    }
}

/// The query of a watch.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Watch {
    pub(crate) after: Option<String>,
    pub(crate) resource_id: Option<ResourceId>,
    pub(crate) project_id: Option<ResourceId>,
}

/// A page of a collection.
pub(crate) struct Page<Id> {
    pub(crate) limit: u64,
    /// The last item of the page before.
    pub(crate) after: Option<Id>,
}

fn page<Id>(limit: Option<u64>, after: Option<Id>) -> Result<Page<Id>, Problem> {
    let limit = limit.unwrap_or(USUAL_LIMIT);
    if !(1..=HIGHEST_LIMIT).contains(&limit) {
        return Err(Problem::bad_query(format!(
            "`limit` is 1 to {HIGHEST_LIMIT}"
        )));
    }
    Ok(Page { limit, after })
}

fn listed<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: Option<&str>,
) -> Result<Vec<T>, Problem> {
    let Some(text) = text else {
        return Ok(Vec::new());
    };
    let parsed = text.split(',').map(|part| part.trim().parse());
    parsed
        .collect::<Result<_, T::Err>>()
        .map_err(|error| Problem::bad_query(error.to_string()))
}

/// How long `Prefer: wait=SECONDS` asks to hold the answer back; other preferences are not ours.
pub(crate) fn preferred_wait(headers: &HeaderMap) -> Result<Option<Duration>, Problem> {
    for value in headers.get_all("prefer") {
        let text = value.to_str().unwrap_or_default();
        for preference in text.split(',').map(str::trim) {
            if let Some(seconds) = preference.strip_prefix("wait=") {
                let seconds = seconds.parse().map_err(|_| {
                    Problem::bad_header("Prefer", "`wait` is a whole number of seconds")
                })?;
                return Ok(Some(Duration::from_secs(seconds)));
            }
        }
    }
    Ok(None)
}
