//! Giving an answer again.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use drover_domain::lifecycle::Request;
use drover_domain::{ResourceType, Role};
use drover_store::KeptAnswer;
use serde_json::Value;

use crate::Shared;
use crate::answer::{Repeated, Reply};
use crate::authorization::Caller;
use crate::intents;
use crate::problem::Problem;
use crate::query::preferred_wait;
use crate::representation::Shown;

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The answer to a request that is repeated.
pub(super) async fn answer(
    shared: &Shared,
    caller: &Caller,
    headers: &HeaderMap,
    kept: KeptAnswer,
) -> Response {
    let answered = again(shared, caller, headers, &kept).await;
    let mut response = match answered {
        Ok(response) => response,
        Err(problem) => return problem.into_response(),
    };
    let replayed = HeaderValue::from_static("true");
    response.headers_mut().insert(REPLAYED, replayed);
    response
}

async fn again(
    shared: &Shared,
    caller: &Caller,
    headers: &HeaderMap,
    kept: &KeptAnswer,
) -> Result<Response, Problem> {
    check(caller, kept)?;
    if let Some(wait) = preferred_wait(headers)?
        && let Some(ended) = wait_again(shared, caller, kept, wait).await?
    {
        return Ok(ended);
    }
    Ok(replay(kept))
}

/// Whether what an answer tells of still exists for the caller, who may have less than before.
///
/// # Errors
/// That it does not.
pub(crate) fn check(caller: &Caller, kept: &KeptAnswer) -> Result<(), Problem> {
    let body: Value = serde_json::from_str(&kept.body).unwrap_or_default();
    let parsed = |field: &str| body.get(field).and_then(Value::as_str);
    let project = parsed("projectId").and_then(|id| id.parse().ok());
    let role = match project {
        Some(project) => caller.role_in(project),
        None => Some(caller.role),
    };
    // What is told of a process is a matter of its resource.
    let told = parsed("resourceType").or(parsed("type"));
    let told: Option<ResourceType> = told.and_then(|told| told.parse().ok());
    let sees = |role: Role| told.is_none_or(|told| role.may_see(told));
    match role.is_some_and(sees) {
        true => Ok(()),
        false => Err(Problem::not_found(
            told.map_or("resource", |told| told.as_str()),
        )),
    }
}

fn replay(kept: &KeptAnswer) -> Response {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut response = match kept.body.is_empty() {
        true => status.into_response(),
        false => {
            let json = HeaderValue::from_static("application/json");
            (status, [(header::CONTENT_TYPE, json)], kept.body.clone()).into_response()
        }
    };
    for (name, value) in [
        (header::LOCATION, &kept.location),
        (header::ETAG, &kept.etag),
    ] {
        let value = value.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(value)) = value {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Any type of resource.
struct Anything;

/// Waits for the process of the first request. None if it has not ended in time, or there is none.
async fn wait_again(
    shared: &Shared,
    caller: &Caller,
    kept: &KeptAnswer,
    wait: Duration,
) -> Result<Option<Response>, Problem> {
    let Some(id) = kept.process else {
        return Ok(None);
    };
    let Some(process) = intents::wait_for_chain(shared, id, wait).await? else {
        return Ok(None);
    };
    if !process.phase.is_finished() {
        return Ok(None);
    }
    let reference = process.resource;
    let resource = shared
        .store
        .resource(reference.resource_type, reference.id)
        .await?;
    let Some(resource) = resource else {
        return Ok(Some(StatusCode::NO_CONTENT.into_response()));
    };
    let resource = caller.seen(resource)?;
    // What was made has its address; an action is asked of what has one.
    let first = shared.store.process(id).await?;
    let is_new = first.is_some_and(|first| first.request == Request::Create);
    let status = match is_new {
        true => StatusCode::CREATED,
        false => StatusCode::OK,
    };
    let version = resource.version;
    let reply = Reply::<Repeated, _>::new(Shown::<Anything>::new(resource, caller));
    let reply = reply.with_status(status).tagged(version);
    let location = kept.location.as_deref().unwrap_or_default();
    Ok(Some(reply.at(location).into_response()))
}

#[cfg(test)]
mod tests {
    use drover_domain::{ResourceId, Timestamp};
    use uuid::Uuid;

    use super::*;
    use crate::authorization::Scope;
    use crate::recording::Record;

    fn kept(body: Value) -> KeptAnswer {
        KeptAnswer {
            caller: Uuid::nil(),
            key: String::new(),
            hash: String::new(),
            status: 202,
            location: None,
            etag: None,
            process: None,
            body: body.to_string(),
            created: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn an_answer_about_what_exists_no_more_for_the_caller_is_not_given_again() {
        let [own, other] = [1, 2].map(|number| ResourceId::new(Uuid::from_u128(number)));
        let caller = Caller {
            credential: Uuid::nil(),
            account: None,
            role: Role::Member,
            scope: Scope::Projects(vec![(own, Role::Member)]),
            expires: None,
            from: None,
            record: Record::default(),
        };
        let of = |kind: &str, project: Option<ResourceId>| {
            let body = serde_json::json!({ "type": kind, "projectId": project });
            check(&caller, &kept(body)).is_ok()
        };
        assert!(of("container", Some(own)));
        assert!(!of("container", Some(other)));
        assert!(!of("account", None));
        let canceled = serde_json::json!({
            "type": "process", "resourceType": "container", "projectId": other,
        });
        assert!(check(&caller, &kept(canceled)).is_err());
        assert!(check(&caller, &kept(Value::Null)).is_ok());
    }
}
