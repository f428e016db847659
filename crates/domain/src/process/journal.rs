//! The journal of a process: what was tried, when, by whom and with what result.
//!
//! It is the memory of the engine, so that a finished step is not run again, and the answer to
//! "why is it where it is", so that it keeps what each try failed of. It is bounded: a step keeps
//! its last [`KEPT`] failures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::lifecycle::Step;
use crate::{ServerId, Timestamp};

/// Failures that a step keeps. Budgets are smaller as a rule, so this is all of them.
const KEPT: usize = 10;

/// The record of a step: finished, or on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JournalEntry {
    /// The step.
    pub step: Step,
    /// When it was first tried.
    pub started: Timestamp,
    /// When it was done; none while it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Timestamp>,
    /// How often it was tried and did not succeed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempts: u32,
    /// The last of these tries, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<FailedAttempt>,
    /// Since when it waits, whatever number of times it was looked at meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_since: Option<Timestamp>,
    /// How much of what it waits for is done, in percent, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u8>,
    /// The server that tried it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerId>,
}

/// A try that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedAttempt {
    /// When it failed.
    pub at: Timestamp,
    /// Why, in words for a person.
    pub error: String,
}

impl JournalEntry {
    /// A step that is begun.
    pub fn begun(step: Step, at: Timestamp) -> Self {
        Self {
            step,
            started: at,
            finished: None,
            attempts: 0,
            failures: Vec::new(),
            waits_since: None,
            progress: None,
            server: None,
        }
    }

    /// Adds a failed try.
    pub fn fail(&mut self, at: Timestamp, error: impl Into<String>) {
        self.attempts += 1;
        self.waits_since = None;
        self.progress = None;
        if self.failures.len() == KEPT {
            self.failures.remove(0);
        }
        self.failures.push(FailedAttempt {
            at,
            error: error.into(),
        });
    }

    /// Why the last try that failed did so; none once the step is done.
    pub fn error(&self) -> Option<&str> {
        if self.finished.is_some() {
            return None;
        }
        self.failures.last().map(|failed| failed.error.as_str())
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_failures_are_kept_and_all_are_counted() {
        let mut entry = JournalEntry::begun(Step::Place, Timestamp::from_millis(0));
        for number in 0..25 {
            entry.fail(Timestamp::from_millis(number), format!("failure {number}"));
        }
        assert_eq!(entry.attempts, 25);
        assert_eq!(entry.failures.len(), KEPT);
        assert_eq!(entry.error(), Some("failure 24"));
        entry.finished = Some(Timestamp::from_millis(30));
        assert_eq!(entry.error(), None);
    }

    #[test]
    fn what_has_nothing_to_tell_takes_no_room() {
        let entry = JournalEntry::begun(Step::Place, Timestamp::from_millis(0));
        let text = serde_json::to_string(&entry).unwrap();
        assert!(
            !text.contains("failures") && !text.contains("finished"),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<JournalEntry>(&text).unwrap(), entry);
    }
}
