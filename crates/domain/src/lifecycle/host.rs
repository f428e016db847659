//! The lifecycle of a host.
//!
//! ```text
//!  registering -> active <-> inactive -> removing -> removed
//!                    ^          ^            ^
//!                    |          |            |
//!                    reconnecting  <->  disconnected
//! ```
//!
//! A host on which containers live is not removed, unless it is forced: then what runs there is
//! stopped first, as far as it can be reached, each container by a process of its own that is a
//! child of the removal.
//!
//! A host that is evacuated takes no new work either, and what it runs is brought up elsewhere, one after
//! the other, each container by a process of its own. What may not, or cannot, stays, and the host says so.
//!
//! Whether its agent is connected is seen, not asked: [`liveness`](crate::liveness) says when. A short
//! loss is written as it is seen. A host that is given up, and one that is back after it was, have a
//! process: what lived on it may live elsewhere by now, and must be gone from it before it is active.
//! Where the table says that a host ends up `active`, one that a person has deactivated ends up
//! `inactive` ([`Details::settled`](crate::resource::Details::settled)).

use std::time::Duration;

use super::{Lifecycle, Policy, ProcessDefinition, Report, ReportDefinition, Request, Step};
use crate::{ResourceType, State};

/// A host that registered has ten minutes to connect.
const POLICY: Policy = Policy {
    deadline: Duration::from_secs(10 * 60),
    ..Policy::URGENT
};

/// Nobody has asked for it, so nobody is told that it failed: it is waited for.
const PATIENT: Policy = Policy {
    deadline: Duration::from_secs(24 * 60 * 60),
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
            from: &[State::Active, State::Reconnecting, State::Disconnected],
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
            steps: &[Step::TakeInventory, Step::RefuseStrays],
            is_atomic: false,
            policy: POLICY,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Evacuate,
            from: &[State::Active, State::Inactive],
            may_be_forced: false,
            via: State::Evacuating,
            done: State::Inactive,
            steps: &[Step::ReplaceOccupants],
            is_atomic: false,
            policy: PATIENT,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Disconnect,
            from: &[State::Reconnecting],
            may_be_forced: false,
            via: State::Disconnecting,
            done: State::Disconnected,
            steps: &[Step::ReplaceOccupants],
            is_atomic: false,
            policy: PATIENT,
            is_action: false,
        },
        ProcessDefinition {
            request: Request::Reconnect,
            from: &[State::Disconnecting, State::Disconnected],
            may_be_forced: false,
            via: State::Reconnecting,
            done: State::Active,
            steps: &[Step::TakeInventory, Step::RefuseStrays],
            is_atomic: false,
            policy: PATIENT,
            is_action: false,
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
    reports: &[
        ReportDefinition {
            report: Report::Lost,
            from: State::Active,
            to: State::Reconnecting,
        },
        ReportDefinition {
            report: Report::Lost,
            from: State::Inactive,
            to: State::Reconnecting,
        },
        ReportDefinition {
            report: Report::Reconnected,
            from: State::Reconnecting,
            to: State::Active,
        },
    ],
};
