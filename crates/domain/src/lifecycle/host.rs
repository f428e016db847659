//! The lifecycle of a host.
//!
//! ```text
//!  registering -> active <-> inactive -> removing -> removed
//! ```

use std::time::Duration;

use super::{Lifecycle, ProcessDefinition, Request, Step};
use crate::{ResourceType, State};

/// How long a host that registered may take to connect.
const DEADLINE: Duration = Duration::from_secs(10 * 60);
const ATTEMPTS: u32 = 4;

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
            deadline: DEADLINE,
            attempts: ATTEMPTS,
            is_action: false,
        },
        ProcessDefinition {
            request: Request::Deactivate,
            from: &[State::Active],
            may_be_forced: false,
            via: State::Deactivating,
            done: State::Inactive,
            steps: &[],
            deadline: DEADLINE,
            attempts: ATTEMPTS,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Activate,
            from: &[State::Inactive, State::Error],
            may_be_forced: false,
            via: State::Activating,
            done: State::Active,
            steps: &[Step::TakeInventory],
            deadline: DEADLINE,
            attempts: ATTEMPTS,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Remove,
            from: &[State::Inactive, State::Disconnected, State::Error],
            may_be_forced: true,
            via: State::Removing,
            done: State::Removed,
            steps: &[Step::RefuseWhileOccupied, Step::RetireAgent],
            deadline: DEADLINE,
            attempts: ATTEMPTS,
            is_action: true,
        },
    ],
    reports: &[],
};
