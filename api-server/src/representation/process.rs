//! What clients see of a process: where it stands, what it waits for, and all that it tried.

use drover_domain::lifecycle::{Request, Step};
use drover_domain::listing::Listed;
use drover_domain::process::{Cause, FailedAttempt, JournalEntry, Priority, Process};
use drover_domain::{Phase, ProcessId, ResourceId, ResourceType, ServerId, State, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::address;
use crate::authorization::Caller;
use crate::query::Items;

/// One intent and the work that makes it true.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Process")]
pub(crate) struct ShownProcess {
    /// Names it.
    id: ProcessId,
    /// Always `process`.
    #[schemars(extend("const" = "process"))]
    r#type: &'static str,
    /// What was asked.
    name: Request,
    /// The type of what it is about.
    resource_type: ResourceType,
    /// What it is about.
    resource_id: ResourceId,
    /// The project of what it is about.
    project_id: Option<ResourceId>,
    /// Where it stands.
    phase: Phase,
    /// The step that comes next; null once it has ended.
    step: Option<Step>,
    /// What it does, or why it failed.
    message: Option<String>,
    /// What it waits for, beside the clock: `host/<id>`, `room` or `children`.
    waiting_on: Option<String>,
    /// Since when it waits.
    waits_since: Option<Timestamp>,
    /// How often its step was tried without success.
    attempt: u32,
    /// Why it undoes what it did.
    undoes: Option<String>,
    /// What was tried, when, by whom and with what result.
    journal: Vec<ShownEntry>,
    /// The state that the resource was in before.
    origin: State,
    /// Whether it was forced.
    force: bool,
    /// How urgent it is.
    priority: Priority,
    /// When it was asked for.
    created: Timestamp,
    /// When it was first worked on.
    started: Option<Timestamp>,
    /// When it ended.
    finished: Option<Timestamp>,
    /// When it is looked at again.
    run_after: Timestamp,
    /// When it gives up.
    deadline: Timestamp,
    /// The server that works on it, or did.
    server_id: Option<ServerId>,
    /// The process that it is a part of.
    parent_id: Option<ProcessId>,
    /// The process that followed from it.
    successor_id: Option<ProcessId>,
    /// Who asked.
    cause: Cause,
    links: ProcessLinks,
    actions: ProcessActions,
}

/// What a step tried.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "JournalEntry")]
struct ShownEntry {
    /// The step.
    step: Step,
    /// When it was first tried.
    started: Timestamp,
    /// When it was done.
    finished: Option<Timestamp>,
    /// How often it was tried and did not succeed.
    attempts: u32,
    /// What the last try failed of.
    error: Option<String>,
    /// What its last tries failed of, oldest first.
    failures: Vec<FailedAttempt>,
    /// Since when it waits.
    waits_since: Option<Timestamp>,
    /// The server that tried it last.
    server_id: Option<ServerId>,
}

/// Where what belongs to a process is.
#[derive(Serialize, JsonSchema)]
struct ProcessLinks {
    #[serde(rename = "self")]
    own: String,
    resource: String,
    children: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    successor: Option<String>,
}

/// What can be asked of a process as it is, by whoever asks.
#[derive(Serialize, JsonSchema)]
struct ProcessActions {
    /// Ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancel: Option<String>,
    /// Has it go on at once, or asks again for what it was for.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<String>,
}

impl Items for ShownProcess {
    const LISTED: Listed = Listed::Process;
}

impl ShownProcess {
    /// A process as a caller sees it.
    pub(crate) fn new(process: Process, caller: &Caller) -> Self {
        let role = match process.project {
            Some(project) => caller.role_in(project),
            None => Some(caller.role),
        };
        let may_change = role.is_some_and(|role| role.may_change(process.resource.resource_type));
        let Phases {
            is_waiting,
            is_finished,
            can_be_retried,
        } = Phases::of(process.phase);
        let own = |rest: &str| format!("/v1/processes/{}{rest}", process.id);
        let other = |id: ProcessId| format!("/v1/processes/{id}");
        Self {
            id: process.id,
            r#type: "process",
            name: process.request,
            resource_type: process.resource.resource_type,
            resource_id: process.resource.id,
            project_id: process.project,
            phase: process.phase,
            step: process.next_step().filter(|_| !is_finished),
            waiting_on: process
                .waits_for
                .filter(|_| is_waiting)
                .map(|on| on.to_string()),
            waits_since: process.waits_since(),
            attempt: process.attempts(),
            links: ProcessLinks {
                own: own(""),
                resource: address(process.resource.resource_type, process.resource.id),
                children: format!("/v1/processes?parentId={}", process.id),
                parent: process.parent.map(other),
                successor: process.successor.map(other),
            },
            actions: ProcessActions {
                cancel: (may_change && !is_finished).then(|| own("/cancel")),
                retry: (may_change && can_be_retried).then(|| own("/retry")),
            },
            message: process.message,
            undoes: process.failure,
            journal: process.journal.into_iter().map(ShownEntry::from).collect(),
            origin: process.origin,
            force: process.force,
            priority: process.priority,
            created: process.created,
            started: process.started,
            finished: process.finished,
            run_after: process.run_after,
            deadline: process.deadline,
            server_id: process.server,
            parent_id: process.parent,
            successor_id: process.successor,
            cause: process.cause,
        }
    }
}

/// What a phase allows.
struct Phases {
    is_waiting: bool,
    is_finished: bool,
    can_be_retried: bool,
}

impl Phases {
    fn of(phase: Phase) -> Self {
        Self {
            is_waiting: phase == Phase::Waiting,
            is_finished: phase.is_finished(),
            can_be_retried: matches!(phase, Phase::Waiting | Phase::Failed | Phase::Canceled),
        }
    }
}

impl From<JournalEntry> for ShownEntry {
    fn from(entry: JournalEntry) -> Self {
        Self {
            step: entry.step,
            started: entry.started,
            finished: entry.finished,
            attempts: entry.attempts,
            error: entry.error().map(str::to_owned),
            failures: entry.failures,
            waits_since: entry.waits_since,
            server_id: entry.server,
        }
    }
}
