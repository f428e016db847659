//! The lifecycle of a host.
//!
//! ```text
//!  registering -> active <-> inactive -> removing -> removed
//! ```
//!
//! A host on which containers live is not removed, unless it is forced: then what runs there is
//! stopped first, as far as it can be reached, each container by a process of its own that is a
//! child of the removal.

use std::time::Duration;

use super::{Lifecycle, Policy, ProcessDefinition, Request, Step};
use crate::{ResourceType, State};

/// A host that registered has ten minutes to connect.
const POLICY: Policy = Policy {
    deadline: Duration::from_secs(10 * 60),
    ..Policy::URGENT
};

pub(super) static LIFECYCLE: Lifecycle = Lifecycle {
    resource_type: ResourceType::Host,
    initial: State::Registering,
    processes: &[
        ProcessDefinition {
            request: Request::Register,
            from: &[State::Registering, State::Error],
            may_be_forced: false,
            via: State::Registering,
            done: State::Active,
            steps: &[Step::TakeInventory],
            is_atomic: false,
            policy: POLICY,
            is_action: false,
        },
        ProcessDefinition {
            request: Request::Deactivate,
            from: &[State::Active],
            may_be_forced: false,
            via: State::Deactivating,
            done: State::Inactive,
            steps: &[],
            is_atomic: false,
            policy: POLICY,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Activate,
            from: &[State::Inactive, State::Error],
            may_be_forced: false,
            via: State::Activating,
            done: State::Active,
            steps: &[Step::TakeInventory],
            is_atomic: false,
            policy: POLICY,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Remove,
            from: &[State::Inactive, State::Disconnected, State::Error],
            may_be_forced: true,
            via: State::Removing,
            done: State::Removed,
            steps: &[
                Step::StopOccupants,
                Step::RefuseWhileOccupied,
                Step::RetireAgent,
            ],
            is_atomic: false,
            policy: POLICY,
            is_action: true,
        },
    ],
    reports: &[],
};
