//! How urgent a process is.
//!
//! There are few classes, so that each can be asked for by an index and given a share of its own:
//! what is urgent comes first, and what is not still comes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How urgent a process is, most urgent first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub enum Priority {
    /// Others wait for it: hosts and agents, and what gives room back.
    Urgent,
    /// What people and programs ask for.
    #[default]
    Normal,
    /// Nobody waits for it.
    Background,
}

impl Priority {
    /// Every class, most urgent first.
    pub const ALL: &'static [Self] = &[Self::Urgent, Self::Normal, Self::Background];

    /// The name that people see.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Normal => "normal",
            Self::Background => "background",
        }
    }

    /// The number that the database sorts by: the lower, the more urgent.
    pub const fn rank(self) -> i16 {
        match self {
            Self::Urgent => -1,
            Self::Normal => 0,
            Self::Background => 1,
        }
    }

    /// The class of a number; one that a later release wrote counts as the nearest.
    pub const fn of_rank(rank: i16) -> Self {
        match rank {
            ..0 => Self::Urgent,
            0 => Self::Normal,
            1.. => Self::Background,
        }
    }
}

impl std::fmt::Display for Priority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_keep_the_order_and_are_understood() {
        assert!(Priority::ALL.is_sorted_by_key(|priority| priority.rank()));
        for priority in Priority::ALL {
            assert_eq!(Priority::of_rank(priority.rank()), *priority);
        }
        assert_eq!(Priority::of_rank(-9), Priority::Urgent);
    }
}
