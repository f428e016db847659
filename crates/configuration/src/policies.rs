//! What an operator changes about how long and how hard processes try.

use std::time::Duration;

use drover_domain::lifecycle::{Adjustment, Policies};
use drover_domain::process::Priority;
use serde::{Deserialize, Serialize};

use crate::{ConfigurationError, Settings};

/// What is changed about one process. What is absent stays as its lifecycle says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessPolicy {
    /// How long it may take in all, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u64>,
    /// How often one step is tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// The wait before the second try, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_first_millis: Option<u64>,
    /// The longest wait between tries, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff_longest_millis: Option<u64>,
    /// How urgent it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
}

impl Settings {
    /// The policies of all processes.
    ///
    /// # Errors
    /// When a name is that of no process, or nothing could be done with what is left.
    pub fn policies(&self) -> Result<Policies, ConfigurationError> {
        let mut policies = Policies::default();
        for (name, policy) in &self.policies {
            let adjustment = Adjustment {
                deadline: policy.deadline_seconds.map(Duration::from_secs),
                attempts: policy.attempts,
                backoff_first: policy.backoff_first_millis.map(Duration::from_millis),
                backoff_longest: policy.backoff_longest_millis.map(Duration::from_millis),
                priority: policy.priority,
            };
            policies
                .adjust(name, adjustment)
                .map_err(ConfigurationError::Policy)?;
        }
        Ok(policies)
    }
}
