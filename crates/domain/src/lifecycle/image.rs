//! The lifecycle of an image that hosts are to have before a container needs it.
//!
//! ```text
//!  requested -> creating -> active -> activating -> active -> removing -> removed -> purging -> purged
//!                  |                      |
//!                  +-------> error <------+   a host could not be given it; `pull` tries all again
//! ```
//!
//! Both processes that fetch it have one step, which asks the hosts a few at a time
//! ([`prefetch`](crate::prefetch)). A removal takes away what was asked, and nothing of what hosts have
//! fetched: containers may be made of that, and hosts clear up by their own rules. Asked for while an image
//! is fetched, it supersedes that.

use std::time::Duration;

use super::{Backoff, Lifecycle, Policy, ProcessDefinition, Request, Step};
use crate::{ResourceType, State};

/// Thousands of hosts are asked, a few at a time. Each is tried so often.
const PATIENT: Policy = Policy {
    deadline: Duration::from_secs(2 * 60 * 60),
    attempts: 5,
    backoff: Backoff {
        first: Duration::from_secs(1),
        longest: Duration::from_secs(30),
    },
    ..Policy::USUAL
};

pub(super) static LIFECYCLE: Lifecycle = Lifecycle {
    resource_type: ResourceType::Image,
    initial: State::Requested,
    processes: &[
        ProcessDefinition {
            request: Request::Create,
            // From `error` only by a retry: it is no action.
            from: &[State::Requested, State::Error],
            may_be_forced: false,
            via: State::Creating,
            done: State::Active,
            steps: &[Step::PullOnHosts],
            is_atomic: false,
            policy: PATIENT,
            is_action: false,
        },
        ProcessDefinition {
            request: Request::Pull,
            from: &[State::Active, State::Error],
            may_be_forced: false,
            via: State::Activating,
            done: State::Active,
            steps: &[Step::PullOnHosts],
            is_atomic: false,
            policy: PATIENT,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Remove,
            from: &[
                State::Creating,
                State::Active,
                State::Activating,
                State::Error,
            ],
            may_be_forced: false,
            via: State::Removing,
            done: State::Removed,
            steps: &[],
            is_atomic: false,
            policy: Policy::URGENT,
            is_action: true,
        },
        ProcessDefinition::PURGE,
    ],
    reports: &[],
};
