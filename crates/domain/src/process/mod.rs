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
//!
//! One that is atomic and fails is not over at once: it keeps why it failed, undoes in reverse what
//! it began, and fails then. One that has children waits for them and holds nothing meanwhile.

mod journal;
mod priority;
mod waits_for;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use journal::{FailedAttempt, JournalEntry};
pub use priority::Priority;
pub use waits_for::{UnknownWait, WaitsFor};

use crate::lifecycle::{self, ProcessDefinition, Request, Step};
use crate::{Fence, ProcessId, ResourceId, ResourceRef, ServerId, State, Timestamp};

/// Where a process stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
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

/// Who asked, by which request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// The id of the HTTP request, or of the report, that led to the process.
    pub request_id: String,
    /// The API key or agent that made it.
    #[serde(default)]
    pub account_id: Option<String>,
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
    /// Its steps so far, in order: those that were to be done, of which at most the last is unfinished,
    /// and once it has failed those that undo them, likewise.
    pub journal: Vec<JournalEntry>,
    /// Nobody but its owner need look at it before this moment.
    pub run_after: Timestamp,
    /// It fails if it is not finished by then.
    pub deadline: Timestamp,
    /// How urgent it is.
    pub priority: Priority,
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
    /// Why it failed, while it undoes what it began.
    pub failure: Option<String>,
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

    /// The first step that is not finished, of those to do or, once it has failed, of those that
    /// undo; none if all are.
    pub fn next_step(&self) -> Option<Step> {
        let definition = self.definition()?;
        if self.failure.is_none() {
            let mut steps = definition.steps.iter().copied();
            return steps.find(|step| !self.has_finished(*step));
        }
        let begun = |step: &Step| self.entry(*step).is_some();
        let backwards = definition.steps.iter().copied().rev();
        backwards
            .filter(begun)
            .filter_map(Step::undo)
            .find(|step| !self.has_finished(*step))
    }

    /// The record of a step, if it was ever tried.
    pub fn entry(&self, step: Step) -> Option<&JournalEntry> {
        self.journal.iter().find(|entry| entry.step == step)
    }

    fn has_finished(&self, step: Step) -> bool {
        self.entry(step)
            .is_some_and(|entry| entry.finished.is_some())
    }

    /// Since when it waits for what it waits for; none if it does not wait.
    pub fn waits_since(&self) -> Option<Timestamp> {
        if self.phase != Phase::Waiting {
            return None;
        }
        self.next_step()
            .and_then(|step| self.entry(step)?.waits_since)
    }

    /// How much of what it waits for is done, in percent; none if it does not wait, or nobody knows.
    pub fn progress(&self) -> Option<u8> {
        if self.phase.is_finished() {
            return None;
        }
        self.next_step().and_then(|step| self.entry(step)?.progress)
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
        let entry = self.next_step().and_then(|step| self.entry(step));
        entry.map_or(0, |entry| entry.attempts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_survive_their_text() {
        for phase in Phase::ALL {
            assert_eq!(phase.as_str().parse(), Ok(*phase));
        }
    }
}
