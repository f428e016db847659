//! `/v1/auditLogs`: who changed what, from where, and what came of it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Uri;
use drover_domain::{ResourceId, Timestamp};
use drover_store::{AuditEntry, AuditFilter};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::reading::full;
use crate::Shared;
use crate::answer::{Reply, Told};
use crate::problem::Problem;
use crate::query::{Nothing, Strict};
use crate::representation::Collection;
use crate::routes::{Needs, Routes, about};

const TAG: &str = "AuditLogs";
/// How many rows a page has if the client does not say, and at most.
const USUAL_LIMIT: u64 = 100;
const HIGHEST_LIMIT: u64 = 1_000;

/// The addresses of the audit log.
pub(crate) fn routes(routes: Routes) -> Routes {
    let list = about(
        Needs::OPERATOR,
        TAG,
        "listAuditLogs",
        "Lists who changed what, newest first",
    );
    let read = about(
        Needs::OPERATOR,
        TAG,
        "readAuditLog",
        "Reads one row of the audit log",
    );
    routes
        .get("/auditLogs", list, self::list)
        .get("/auditLogs/{id}", read, self::read)
}

/// Which rows are listed.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Query {
    /// Only what this account did.
    account_id: Option<ResourceId>,
    /// Only what was done to this.
    resource_id: Option<ResourceId>,
    /// Only what was done to things of this type, as `container`.
    resource_type: Option<String>,
    /// Only what was done in this project.
    project_id: Option<ResourceId>,
    /// Only this, as `container.start`.
    operation: Option<String>,
    /// Only what was answered with this status.
    #[schemars(range(min = 200, max = 599))]
    status: Option<u16>,
    /// Only what was done later.
    #[serde(rename = "created_gt")]
    created_gt: Option<Timestamp>,
    /// Only what was done earlier.
    #[serde(rename = "created_lt")]
    created_lt: Option<Timestamp>,
    /// The most rows of the page; 100 if absent.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<u64>,
    /// Where the page begins: `pagination.next` of the one before.
    marker: Option<ResourceId>,
}

impl Query {
    fn filter(self) -> Result<AuditFilter, Problem> {
        let limit = self.limit.unwrap_or(USUAL_LIMIT);
        if !(1..=HIGHEST_LIMIT).contains(&limit) {
            let reason = format!("`limit` is 1 to {HIGHEST_LIMIT}");
            return Err(Problem::bad_query(reason));
        }
        if self
            .status
            .is_some_and(|status| !(200..=599).contains(&status))
        {
            return Err(Problem::bad_query("`status` is 200 to 599"));
        }
        Ok(AuditFilter {
            account: self.account_id,
            resource: self.resource_id.map(ResourceId::uuid),
            resource_type: self.resource_type,
            project: self.project_id,
            operation: self.operation,
            status: self.status,
            after: self.created_gt,
            before: self.created_lt,
            below: self.marker.map(ResourceId::uuid),
            limit,
        })
    }
}

/// One row of the audit log.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuditLog")]
struct AuditLog {
    /// Names it.
    id: Uuid,
    /// Always `auditLog`.
    #[schemars(extend("const" = "auditLog"))]
    r#type: &'static str,
    /// When it was asked.
    created: Timestamp,
    /// The account that asked; null for a key that belongs to none.
    account_id: Option<ResourceId>,
    /// The key or session that was shown.
    credential_id: Option<Uuid>,
    /// The address that the request came from.
    from_address: Option<String>,
    /// The method of the request.
    method: String,
    /// The path of the request, without its query.
    path: String,
    /// What was asked, as `container.start`.
    operation: String,
    /// The type of what it was asked of.
    resource_type: Option<String>,
    /// What it was asked of.
    resource_id: Option<Uuid>,
    /// The project of that.
    project_id: Option<ResourceId>,
    /// The status that was answered.
    status: u16,
    /// The code of the problem, if it was refused.
    code: Option<String>,
    /// The id of the request.
    request_id: String,
    links: Links,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuditLogLinks")]
struct Links {
    #[serde(rename = "self")]
    own: String,
}

impl From<AuditEntry> for AuditLog {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id,
            r#type: "auditLog",
            created: entry.at,
            account_id: entry.account,
            credential_id: entry.credential,
            from_address: entry.from.map(|from| from.to_string()),
            method: entry.method,
            path: entry.path,
            operation: entry.operation,
            resource_type: entry.resource_type,
            resource_id: entry.resource,
            project_id: entry.project,
            status: entry.status,
            code: entry.code,
            request_id: entry.request_id,
            links: Links {
                own: format!("/v1/auditLogs/{}", entry.id),
            },
        }
    }
}

async fn list(
    State(shared): State<Arc<Shared>>,
    Strict(query): Strict<Query>,
    address: Uri,
) -> Result<Reply<Told, Collection<AuditLog>>, Problem> {
    let mut filter = query.filter()?;
    let limit = filter.limit;
    // One more than asked for tells whether there is a next page.
    filter.limit += 1;
    let mut entries = shared.store.audit_log(&filter).await?;
    let has_more = entries.len() as u64 > limit;
    entries.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let last = entries.last().filter(|_| has_more);
    let next = last.map(|entry| entry.id.to_string());
    let data = entries.into_iter().map(AuditLog::from).collect();
    let collection = Collection::new("auditLog", data, &full(&address), limit, next);
    Ok(Reply::new(collection))
}

async fn read(
    State(shared): State<Arc<Shared>>,
    super::Id(id): super::Id,
    Strict(Nothing {}): Strict<Nothing>,
) -> Result<Reply<Told, AuditLog>, Problem> {
    let entry = shared.store.audit_entry(id.uuid()).await?;
    let entry = entry.ok_or_else(|| Problem::not_found("auditLog"))?;
    Ok(Reply::new(entry.into()))
}
