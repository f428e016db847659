//! What shall happen when a container ends by itself, as it was asked.
//!
//! The decision stands in [`recovery`](crate::recovery).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::validation::Invalid;

/// No wait is longer than a day, in seconds.
const A_DAY: u32 = 24 * 60 * 60;

/// When and how a container is started again after it ended by itself, or was taken away by
/// somebody else than Drover. A stop that was asked for is none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestartPolicy {
    /// Which ends it is started again after.
    #[serde(default)]
    pub condition: RestartCondition,
    /// How often in a row it is started again before Drover gives up and leaves it in `error`; for ever
    /// if absent. A run of `resetAfterSeconds` begins a new row.
    #[serde(default)]
    pub maximum_retries: Option<u32>,
    /// The wait before the first start of a row, in seconds; doubled with each further one. Up to half of a wait
    /// is left to chance.
    #[serde(default = "delay")]
    #[schemars(range(min = 1, max = 86_400))]
    pub delay_seconds: u32,
    /// No wait is longer, in seconds.
    #[serde(default = "longest_delay")]
    #[schemars(range(min = 1, max = 86_400))]
    pub maximum_delay_seconds: u32,
    /// A run that took so long, in seconds, was a good one: what comes after it is the first end again.
    #[serde(default = "reset_after")]
    #[schemars(range(min = 1, max = 86_400))]
    pub reset_after_seconds: u32,
}

const fn delay() -> u32 {
    1
}

const fn longest_delay() -> u32 {
    300
}

const fn reset_after() -> u32 {
    60
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            condition: RestartCondition::No,
            maximum_retries: None,
            delay_seconds: delay(),
            maximum_delay_seconds: longest_delay(),
            reset_after_seconds: reset_after(),
        }
    }
}

impl RestartPolicy {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        for (field, seconds) in [
            ("delaySeconds", self.delay_seconds),
            ("maximumDelaySeconds", self.maximum_delay_seconds),
            ("resetAfterSeconds", self.reset_after_seconds),
        ] {
            if !(1..=A_DAY).contains(&seconds) {
                let field = format!("restartPolicy.{field}");
                return Err(Invalid::new(
                    field,
                    format!("is not a number from 1 to {A_DAY}"),
                ));
            }
        }
        Ok(())
    }
}

/// Which ends of a container it is started again after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RestartCondition {
    /// None: it stays as it ended.
    #[default]
    No,
    /// Those with an exit code other than 0, and being taken away.
    OnFailure,
    /// All.
    Always,
}
