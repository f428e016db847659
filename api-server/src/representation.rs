//! What clients see: rows and lifecycle turned into JSON.
//!
//! A resource shows its own fields, those of its spec and those of its status side by side, the
//! `links` to what belongs to it, and the `actions` that its state allows.

use std::collections::HashMap;

use drover_domain::process::{JournalEntry, Process};
use drover_domain::resource::Capacity;
use drover_domain::{Phase, Resource, ResourceId, ResourceType, State, lifecycle};
use serde_json::{Map, Value, json};

use crate::problem::Problem;

/// What a host has, what is taken of it, and by how many containers.
pub(crate) type Room = (Capacity, Capacity, u32);

/// What is shown of resources beside their own rows.
#[derive(Default)]
pub(crate) struct Beside {
    /// The unfinished process of each resource that has one.
    pub(crate) processes: HashMap<ResourceId, Process>,
    /// The rooms of hosts.
    pub(crate) rooms: HashMap<ResourceId, Room>,
}

/// A resource.
pub(crate) fn resource(resource: &Resource, beside: &Beside) -> Result<Value, Problem> {
    let mut object = own_fields(resource)?;
    let own = |key: &str, value: Value, object: &mut Map<String, Value>| {
        object.insert(key.to_owned(), value);
    };
    let address = address(resource.resource_type(), resource.id);
    let process = beside.processes.get(&resource.id);
    let (transitioning, message) = transitioning(resource, process);
    own("id", json!(resource.id), &mut object);
    own("type", json!(resource.resource_type()), &mut object);
    own("projectId", json!(resource.project), &mut object);
    own("name", json!(resource.name), &mut object);
    own("description", json!(resource.description), &mut object);
    own("labels", json!(resource.labels), &mut object);
    own(
        "metadata",
        Value::Object(resource.metadata.clone()),
        &mut object,
    );
    own("state", json!(resource.state), &mut object);
    own("version", json!(resource.version), &mut object);
    own("created", json!(resource.created), &mut object);
    own("updated", json!(resource.updated), &mut object);
    own("removed", json!(resource.removed), &mut object);
    own("transitioning", json!(transitioning), &mut object);
    own("transitioningMessage", json!(message), &mut object);
    if resource.resource_type() == ResourceType::Container {
        own("hostId", json!(resource.host), &mut object);
    }
    if let Some((capacity, reserved, containers)) = beside.rooms.get(&resource.id) {
        own("capacity", json!(capacity), &mut object);
        let reserved = json!({
            "cpuMillis": reserved.cpu_millis,
            "memoryMiB": reserved.memory_mib,
            "containers": containers,
        });
        own("reserved", reserved, &mut object);
    }
    let mut links = Map::new();
    links.insert("self".to_owned(), json!(address));
    links.insert(
        "processes".to_owned(),
        json!(format!("/v1/processes?resourceId={}", resource.id)),
    );
    if let Some(process) = process {
        links.insert(
            "process".to_owned(),
            json!(format!("/v1/processes/{}", process.id)),
        );
    }
    if let Some(host) = resource.host {
        links.insert(
            "host".to_owned(),
            json!(self::address(ResourceType::Host, host)),
        );
    }
    own("links", Value::Object(links), &mut object);
    let actions: Map<String, Value> = lifecycle::of(resource.resource_type())
        .actions(resource.state)
        .map(|request| (request.to_string(), json!(format!("{address}/{request}"))))
        .collect();
    own("actions", Value::Object(actions), &mut object);
    Ok(Value::Object(object))
}

/// The address of a resource.
pub(crate) fn address(resource_type: ResourceType, id: ResourceId) -> String {
    format!("/v1/{}/{id}", resource_type.plural())
}

fn own_fields(resource: &Resource) -> Result<Map<String, Value>, Problem> {
    let encoded = resource.details.encode().map_err(|error| {
        tracing::error!(%error, resource = %resource.reference(), "cannot be shown");
        Problem::internal()
    })?;
    let (Value::Object(mut fields), Value::Object(status)) = encoded else {
        return Err(Problem::internal());
    };
    fields.extend(status);
    Ok(fields)
}

fn transitioning(resource: &Resource, process: Option<&Process>) -> (&'static str, Option<String>) {
    if let Some(process) = process {
        let message = process.message.clone();
        let step = || {
            process
                .next_step()
                .map(|step| format!("{}: {step}", process.request))
        };
        return ("yes", message.or_else(step));
    }
    if resource.state == State::Error {
        return ("error", resource.details.error().map(str::to_owned));
    }
    (
        if resource.state.is_transitional() {
            "yes"
        } else {
            "no"
        },
        None,
    )
}

/// A process.
pub(crate) fn process(process: &Process) -> Value {
    let is_waiting = process.phase == Phase::Waiting;
    let resource = address(process.resource.resource_type, process.resource.id);
    let mut links = Map::new();
    links.insert(
        "self".to_owned(),
        json!(format!("/v1/processes/{}", process.id)),
    );
    links.insert("resource".to_owned(), json!(resource));
    links.insert(
        "children".to_owned(),
        json!(format!("/v1/processes?parentId={}", process.id)),
    );
    if let Some(parent) = process.parent {
        links.insert(
            "parent".to_owned(),
            json!(format!("/v1/processes/{parent}")),
        );
    }
    if let Some(successor) = process.successor {
        links.insert(
            "successor".to_owned(),
            json!(format!("/v1/processes/{successor}")),
        );
    }
    json!({
        "id": process.id,
        "type": "process",
        "name": process.request,
        "resourceType": process.resource.resource_type,
        "resourceId": process.resource.id,
        "projectId": process.project,
        "phase": process.phase,
        "step": (!process.phase.is_finished()).then(|| process.next_step()).flatten(),
        "message": process.message,
        "waitingOn": if is_waiting { process.waits_for.map(|on| on.to_string()) } else { None },
        "waitsSince": process.waits_since(),
        "attempt": process.attempts(),
        "undoes": process.failure,
        "journal": process.journal.iter().map(journal_entry).collect::<Vec<_>>(),
        "origin": process.origin,
        "force": process.force,
        "priority": process.priority,
        "created": process.created,
        "started": process.started,
        "finished": process.finished,
        "runAfter": process.run_after,
        "deadline": process.deadline,
        "serverId": process.server,
        "parentId": process.parent,
        "successorId": process.successor,
        "cause": process.cause,
        "links": links,
        "actions": process_actions(process),
    })
}

fn process_actions(process: &Process) -> Map<String, Value> {
    let address = |action: &str| json!(format!("/v1/processes/{}/{action}", process.id));
    let mut actions = Map::new();
    if !process.phase.is_finished() {
        actions.insert("cancel".to_owned(), address("cancel"));
    }
    if matches!(
        process.phase,
        Phase::Waiting | Phase::Failed | Phase::Canceled
    ) {
        actions.insert("retry".to_owned(), address("retry"));
    }
    actions
}

fn journal_entry(entry: &JournalEntry) -> Value {
    json!({
        "step": entry.step,
        "started": entry.started,
        "finished": entry.finished,
        "attempts": entry.attempts,
        "error": entry.error(),
        "failures": entry.failures,
        "waitsSince": entry.waits_since,
        "serverId": entry.server,
    })
}

/// A page of a collection. `address` is where it was asked for, `query` its query without the
/// marker; `next` is the marker of the next page.
pub(crate) fn collection(
    resource_type: &str,
    data: Vec<Value>,
    address: &str,
    limit: u64,
    next: Option<String>,
) -> Value {
    let mut links = Map::new();
    links.insert("self".to_owned(), json!(address));
    if let Some(marker) = &next {
        links.insert("next".to_owned(), json!(with_marker(address, marker)));
    }
    json!({
        "type": "collection",
        "resourceType": resource_type,
        "data": data,
        "links": links,
        "pagination": { "limit": limit, "next": next },
    })
}

fn with_marker(address: &str, marker: &str) -> String {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let mut parts: Vec<&str> = query
        .split('&')
        .filter(|part| !part.is_empty() && !part.starts_with("marker="))
        .collect();
    let marker = format!("marker={marker}");
    parts.push(&marker);
    format!("{path}?{}", parts.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_keeps_the_filter() {
        assert_eq!(
            with_marker("/v1/hosts?state=active&marker=a", "b"),
            "/v1/hosts?state=active&marker=b"
        );
        assert_eq!(with_marker("/v1/hosts", "b"), "/v1/hosts?marker=b");
    }
}
