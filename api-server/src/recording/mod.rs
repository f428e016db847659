//! What is written down of a request that changes something: that it was made, and what it was
//! answered.
//!
//! ```text
//!   request --> layer: names the operation, looks the Idempotency-Key up --> kept? the same answer
//!                 |
//!                 '--> handler --> Caller::attached --> the transaction of the mutation
//!                                                       (audit row, kept answer)
//!   refused   <-- layer: an audit row with the code of the problem
//! ```
//!
//! What is done commits with its audit row and, for a request that bears a key, with its answer. What
//! is refused changes nothing; the layer writes its audit row afterwards, and keeps no answer, so
//! that the request can be repeated once it is mended.

mod layer;
mod operation;
mod repeats;
mod replay;

use std::sync::Arc;

use axum::http::StatusCode;
use drover_domain::{Process, ProcessId, Resource, ResourceId, Timestamp};
use drover_store::{Attached, AuditEntry, KeptAnswer, fresh};
use uuid::Uuid;

use crate::authorization::Caller;
use crate::request_id;

pub(crate) use layer::{refused, watch_over};
pub(crate) use repeats::{Repeatable, is_repeated, kept_item, kept_items};
pub(crate) use replay::check as check_repeated;

/// What is written down of the request under way. Nothing of a request that only reads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Option<Arc<Noted>>);

#[derive(Debug)]
struct Noted {
    method: String,
    path: String,
    operation: String,
    resource_type: Option<&'static str>,
    resource: Option<Uuid>,
    request_id: String,
    key: Option<Key>,
}

/// The key of a request that may be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    caller: Uuid,
    key: String,
    /// Of the method, the address and the body.
    hash: String,
}

impl Key {
    /// The key of one of several things that a request asks for.
    fn of_item(&self, index: usize) -> Self {
        Self {
            key: format!("{}/{index}", self.key),
            ..self.clone()
        }
    }
}

/// What a mutation is about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Subject {
    pub(crate) id: Option<Uuid>,
    pub(crate) project: Option<ResourceId>,
}

impl From<&Resource> for Subject {
    fn from(resource: &Resource) -> Self {
        Self {
            id: Some(resource.id.uuid()),
            project: resource.project,
        }
    }
}

impl From<&Process> for Subject {
    fn from(process: &Process) -> Self {
        Self {
            id: Some(process.id.uuid()),
            project: process.project,
        }
    }
}

/// What a mutation will be answered, if it commits.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    /// For requests that bear a key; without secrets.
    pub(crate) kept: Option<Kept>,
}

/// An answer as it can be given again.
pub(crate) struct Kept {
    pub(crate) location: Option<String>,
    pub(crate) etag: Option<String>,
    pub(crate) body: String,
    pub(crate) process: Option<ProcessId>,
}

impl Answered {
    /// An answer that is nothing but its status, kept like any other.
    pub(crate) fn without_body(status: StatusCode) -> Self {
        let kept = Kept {
            location: None,
            etag: None,
            body: String::new(),
            process: None,
        };
        Self {
            status,
            kept: Some(kept),
        }
    }
}

impl From<StatusCode> for Answered {
    fn from(status: StatusCode) -> Self {
        Self { status, kept: None }
    }
}

impl Caller {
    /// Whether the answer to the request is to be kept.
    pub(crate) fn bears_a_key(&self) -> bool {
        self.key().is_some()
    }

    /// What is written down together with a mutation, in its transaction.
    pub(crate) fn attached(
        &self,
        now: Timestamp,
        subject: impl Into<Subject>,
        answered: impl Into<Answered>,
    ) -> Attached {
        let Answered { status, kept } = answered.into();
        let answer = self.key().zip(kept).map(|(key, kept)| KeptAnswer {
            caller: key.caller,
            key: key.key.clone(),
            hash: key.hash.clone(),
            status: status.as_u16(),
            location: kept.location,
            etag: kept.etag,
            process: kept.process,
            body: kept.body,
            created: now,
        });
        Attached {
            audit: self.entry(now, subject.into(), status, None),
            answer,
        }
    }

    /// The caller as it asks for one of several things in one request.
    pub(crate) fn for_item(&self, index: usize) -> Self {
        let record = self.record.0.as_ref().map(|noted| {
            Arc::new(Noted {
                method: noted.method.clone(),
                path: noted.path.clone(),
                operation: noted.operation.clone(),
                request_id: noted.request_id.clone(),
                key: noted.key.as_ref().map(|key| key.of_item(index)),
                ..**noted
            })
        });
        Self {
            record: Record(record),
            ..self.clone()
        }
    }

    fn key(&self) -> Option<&Key> {
        self.record.0.as_ref()?.key.as_ref()
    }

    /// An audit row.
    fn entry(
        &self,
        now: Timestamp,
        subject: Subject,
        status: StatusCode,
        code: Option<String>,
    ) -> Option<AuditEntry> {
        let noted = self.record.0.as_ref()?;
        Some(AuditEntry {
            id: fresh::audit_id(now),
            at: now,
            account: self.account,
            credential: Some(self.credential),
            from: self.from,
            method: noted.method.clone(),
            path: noted.path.clone(),
            operation: noted.operation.clone(),
            resource_type: noted.resource_type.map(str::to_owned),
            resource: noted.resource.or(subject.id),
            project: subject.project,
            status: status.as_u16(),
            code,
            request_id: noted.request_id.clone(),
        })
    }
}

/// What is noted of a request before it is handled.
fn note(method: &str, path: &str, template: Option<&str>, key: Option<Key>) -> Noted {
    let operation::Operation {
        name,
        resource_type,
        resource,
    } = operation::of(method, path, template);
    Noted {
        method: method.to_owned(),
        path: path.to_owned(),
        operation: name,
        resource_type,
        resource,
        request_id: request_id::current().unwrap_or_default(),
        key,
    }
}
