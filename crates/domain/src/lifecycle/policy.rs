//! Policies: how long and how hard a process tries.
//!
//! Each process of each lifecycle has a [`Policy`] in its table. An operator can change parts of it
//! with an [`Adjustment`] under the name of the process, as `container.start`; [`Policies`] are the
//! tables with these changes. The API server reads from them how long a new process has, the
//! process server how often and when its steps are tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Request, of};
use crate::ResourceType;
use crate::process::Priority;

/// No time of a policy is longer.
const A_YEAR: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// How long and how hard a process tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long it may take in all, undoing included, before it fails.
    pub deadline: Duration,
    /// How much of the deadline is kept for undoing. Only atomic processes use it.
    pub undo_within: Duration,
    /// How often one step may be tried before the process fails. At least 1.
    pub attempts: u32,
    /// How long it waits between tries.
    pub backoff: Backoff,
    /// How urgent it is.
    pub priority: Priority,
}

/// How long to wait between tries: doubled each time, from the first to the longest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait before the second try.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

impl Backoff {
    /// What serves where nothing else is said.
    pub const USUAL: Self = Self {
        first: Duration::from_millis(250),
        longest: Duration::from_secs(30),
    };
}

impl Policy {
    /// What serves where nothing else is said: 15 minutes, long enough to pull an image of some
    /// GiB, of which one is kept for undoing.
    pub const USUAL: Self = Self {
        deadline: Duration::from_secs(15 * 60),
        undo_within: Duration::from_secs(60),
        attempts: 4,
        backoff: Backoff::USUAL,
        priority: Priority::Normal,
    };

    /// The same for what others wait for.
    pub const URGENT: Self = Self {
        priority: Priority::Urgent,
        ..Self::USUAL
    };

    fn adjusted(mut self, adjustment: Adjustment) -> Self {
        let Adjustment {
            deadline,
            attempts,
            backoff_first,
            backoff_longest,
            priority,
        } = adjustment;
        self.deadline = deadline.unwrap_or(self.deadline);
        self.undo_within = self.undo_within.min(self.deadline / 2);
        self.attempts = attempts.unwrap_or(self.attempts);
        self.backoff.first = backoff_first.unwrap_or(self.backoff.first);
        self.backoff.longest = backoff_longest.unwrap_or(self.backoff.longest);
        self.priority = priority.unwrap_or(self.priority);
        self
    }
}

/// What an operator changes about a policy; what is absent stays as it is in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adjustment {
    /// [`Policy::deadline`].
    pub deadline: Option<Duration>,
    /// [`Policy::attempts`].
    pub attempts: Option<u32>,
    /// [`Backoff::first`].
    pub backoff_first: Option<Duration>,
    /// [`Backoff::longest`].
    pub backoff_longest: Option<Duration>,
    /// [`Policy::priority`].
    pub priority: Option<Priority>,
}

/// The text names no process of any lifecycle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no process: one is named as `container.start`")]
pub struct UnknownProcess(pub String);

/// A policy that could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsoundPolicy {
    /// There is no such process.
    #[error(transparent)]
    Unknown(#[from] UnknownProcess),
    /// A process that may not be tried, or has no time.
    #[error("the policy of `{0}` leaves no try, or no time for one")]
    Nothing(String),
    /// A time that nobody would live to see the end of.
    #[error("the policy of `{0}` has a time of more than a year")]
    Endless(String),
    /// The first wait is longer than the longest.
    #[error("the policy of `{0}` has a first backoff that is longer than its longest")]
    Backoff(String),
}

/// The policies of all processes: those of the tables, some of them adjusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    adjusted: BTreeMap<(ResourceType, Request), Policy>,
}

impl Policies {
    /// Adjusts the policy of a process by its name, as `container.start`.
    ///
    /// # Errors
    /// When there is no such process, or it could not do anything with what is left.
    pub fn adjust(&mut self, name: &str, adjustment: Adjustment) -> Result<(), UnsoundPolicy> {
        let unknown = || UnknownProcess(name.to_owned());
        let (resource_type, request) = name.split_once('.').ok_or_else(unknown)?;
        let resource_type: ResourceType = resource_type.parse().map_err(|_| unknown())?;
        let request: Request = request.parse().map_err(|_| unknown())?;
        let policy = self.of(resource_type, request).ok_or_else(unknown)?;
        let policy = policy.adjusted(adjustment);
        if policy.attempts == 0 || policy.deadline.is_zero() {
            return Err(UnsoundPolicy::Nothing(name.to_owned()));
        }
        if policy.deadline > A_YEAR || policy.backoff.longest > A_YEAR {
            return Err(UnsoundPolicy::Endless(name.to_owned()));
        }
        if policy.backoff.first > policy.backoff.longest {
            return Err(UnsoundPolicy::Backoff(name.to_owned()));
        }
        self.adjusted.insert((resource_type, request), policy);
        Ok(())
    }

    /// The policy of a process; none if the type knows no such request.
    pub fn of(&self, resource_type: ResourceType, request: Request) -> Option<Policy> {
        let adjusted = self.adjusted.get(&(resource_type, request)).copied();
        adjusted.or_else(|| Some(of(resource_type).definition(request)?.policy))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adjustment_changes_what_it_names_and_nothing_else() {
        let mut policies = Policies::default();
        let adjustment = Adjustment {
            deadline: Some(Duration::from_secs(30)),
            attempts: Some(9),
            ..Adjustment::default()
        };
        policies.adjust("container.start", adjustment).unwrap();
        let start = policies.of(ResourceType::Container, Request::Start);
        let start = start.unwrap();
        assert_eq!((start.deadline.as_secs(), start.attempts), (30, 9));
        assert_eq!(start.backoff, Backoff::USUAL);
        assert!(start.undo_within < start.deadline);
        let stop = policies.of(ResourceType::Container, Request::Stop).unwrap();
        assert_eq!(stop.deadline, Policy::USUAL.deadline);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let mut policies = Policies::default();
        let none = Adjustment::default();
        for name in ["start", "container.fly", "cloud.start", "host.start"] {
            assert!(policies.adjust(name, none).is_err(), "{name}");
        }
        let never = Adjustment {
            attempts: Some(0),
            ..none
        };
        assert!(policies.adjust("container.start", never).is_err());
        let endless = Adjustment {
            deadline: Some(Duration::MAX),
            ..none
        };
        assert!(policies.adjust("container.start", endless).is_err());
        let shrinking = Adjustment {
            backoff_first: Some(Duration::from_secs(9)),
            backoff_longest: Some(Duration::from_secs(3)),
            ..none
        };
        assert!(policies.adjust("container.start", shrinking).is_err());
        assert_eq!(policies, Policies::default());
    }
}
