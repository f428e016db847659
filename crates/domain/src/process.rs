//! Processes: one intent each, and the durable work that makes it true.
//!
//! ```text
//!            claim                 step asks to wait, or to be tried again
//!   queued ---------> running  --------------------------------------------> waiting
//!                      |  ^                                                     |
//!                      |  +---------------- claim, once due or woken -----------+
//!                      +--> done | failed | canceled
//! ```
//!
//! A running process is owned by the server that wrote the highest fence to it. Everything that
//! the process needs to go on elsewhere stands in its row; nothing is kept in memory only.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::lifecycle::{self, ProcessDefinition, Request, Step};
use crate::{Fence, ProcessId, ResourceId, ResourceRef, ServerId, State, Timestamp};

/// Where a process stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Accepted; no server has taken it yet.
    Queued,
    /// A server works on it.
    Running,
    /// It waits for a moment or for something to happen; nobody holds anything for it.
    Waiting,
    /// It made its intent true.
    Done,
    /// It gave up, and says why.
    Failed,
    /// A person or a later intent ended it.
    Canceled,
}

impl Phase {
    /// Every phase.
    pub const ALL: &'static [Self] = &[
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Done,
        Self::Failed,
        Self::Canceled,
    ];

    /// The name that people and databases see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
        }
    }

    /// Whether nothing more will happen.
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Canceled)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no phase.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a phase")]
pub struct UnknownPhase(pub String);

impl FromStr for Phase {
    type Err = UnknownPhase;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|phase| phase.as_str() == text)
            .ok_or_else(|| UnknownPhase(text.to_owned()))
    }
}

/// What a waiting process waits for, beside the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitsFor {
    /// The agent of this host is heard again.
    Host(ResourceId),
    /// There is room: a host became active.
    Room,
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(id) => write!(formatter, "host/{id}"),
            Self::Room => formatter.write_str("room"),
        }
    }
}

/// The text names nothing that a process could wait for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nothing that a process waits for")]
pub struct UnknownWait(pub String);

impl FromStr for WaitsFor {
    type Err = UnknownWait;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownWait(text.to_owned());
        match text.split_once('/') {
            None if text == "room" => Ok(Self::Room),
            Some(("host", id)) => id.parse().map(Self::Host).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

/// Who asked, by which request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// The id of the HTTP request, or of the report, that led to the process.
    pub request_id: String,
    /// The API key or agent that made it.
    #[serde(default)]
    pub account_id: Option<String>,
}

/// The record of a step: finished, or on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    /// The step.
    pub step: Step,
    /// When it was first tried.
    pub started: Timestamp,
    /// When it was done; none while it is not.
    #[serde(default)]
    pub finished: Option<Timestamp>,
    /// How often it was tried and did not succeed.
    #[serde(default)]
    pub attempts: u32,
    /// Why it did not succeed the last time.
    #[serde(default)]
    pub error: Option<String>,
}

/// A process as the database has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Its id.
    pub id: ProcessId,
    /// What was asked.
    pub request: Request,
    /// Of what.
    pub resource: ResourceRef,
    /// The project of the resource.
    pub project: Option<ResourceId>,
    /// Where it stands.
    pub phase: Phase,
    /// The state of the resource before.
    pub origin: State,
    /// Whether the request was forced.
    pub force: bool,
    /// Its steps so far, in order; at most the last one is unfinished.
    pub journal: Vec<JournalEntry>,
    /// Nobody but its owner need look at it before this moment.
    pub run_after: Timestamp,
    /// It fails if it is not finished by then.
    pub deadline: Timestamp,
    /// Lower is served first, once there is a choice; nothing orders by it yet.
    pub priority: i16,
    /// The highest fence under which it was claimed.
    pub fence: Fence,
    /// The server that claimed it last.
    pub server: Option<ServerId>,
    /// Who asked.
    pub cause: Cause,
    /// The process that this one is a part of.
    pub parent: Option<ProcessId>,
    /// The process that followed from this one.
    pub successor: Option<ProcessId>,
    /// What it does, waits for or failed of, for a person.
    pub message: Option<String>,
    /// What it waits for beside the clock.
    pub waits_for: Option<WaitsFor>,
    /// When it was accepted.
    pub created: Timestamp,
    /// When it was first claimed.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
}

impl Process {
    /// Its row in the lifecycle of its resource; none if a later release dropped the request.
    pub fn definition(&self) -> Option<&'static ProcessDefinition> {
        lifecycle::of(self.resource.resource_type).definition(self.request)
    }

    /// The first step that is not finished; none if all are.
    pub fn next_step(&self) -> Option<Step> {
        let is_finished = |step: &Step| {
            self.journal
                .iter()
                .any(|entry| entry.step == *step && entry.finished.is_some())
        };
        self.definition()?
            .steps
            .iter()
            .copied()
            .find(|step| !is_finished(step))
    }

    /// Ends it without success, at somebody's wish.
    pub fn cancel(&mut self, message: String, now: Timestamp) {
        self.phase = Phase::Canceled;
        self.message = Some(message);
        self.waits_for = None;
        self.finished = Some(now);
    }

    /// How often the step that is on its way has failed so far.
    pub fn attempts(&self) -> u32 {
        match self.journal.last() {
            Some(entry) if entry.finished.is_none() => entry.attempts,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_survives_its_text() {
        let id = ResourceId::new(uuid::Uuid::from_u128(7));
        for waits_for in [WaitsFor::Room, WaitsFor::Host(id)] {
            assert_eq!(waits_for.to_string().parse(), Ok(waits_for));
        }
        assert!("host/none".parse::<WaitsFor>().is_err());
    }

    #[test]
    fn phases_survive_their_text() {
        for phase in Phase::ALL {
            assert_eq!(phase.as_str().parse(), Ok(*phase));
        }
    }
}
