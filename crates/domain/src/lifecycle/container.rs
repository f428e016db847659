//! The lifecycle of a container.
//!
//! ```text
//!  requested -> creating -> created -> starting -> running -> stopping -> stopped
//!                                         ^          |  ^                    |
//!                                         |          +--+ restarting         |
//!                                         +----------------------------------+
//!  any settled state, or any at all by force -> removing -> removed -> purging -> purged
//! ```
//!
//! A start places and creates the container if that has not been done, or has been undone, so that
//! a container in `error` can be started whatever it was that failed.

use std::time::Duration;

use super::{Lifecycle, ProcessDefinition, Report, ReportDefinition, Request, Step};
use crate::{ResourceType, State};

/// Long enough to pull an image of some GiB.
const DEADLINE: Duration = Duration::from_secs(15 * 60);
const ATTEMPTS: u32 = 4;

pub(super) static LIFECYCLE: Lifecycle = Lifecycle {
    resource_type: ResourceType::Container,
    initial: State::Requested,
    processes: &[
        ProcessDefinition {
            request: Request::Create,
            // From `error` only by a retry: it is no action.
            from: &[State::Requested, State::Error],
            may_be_forced: false,
            via: State::Creating,
            done: State::Created,
            steps: &[Step::Place, Step::CreateOnHost],
            deadline: DEADLINE,
            attempts: ATTEMPTS,
            is_action: false,
        },
        ProcessDefinition {
            request: Request::Start,
            from: &[State::Created, State::Stopped, State::Error],
            may_be_forced: false,
            via: State::Starting,
            done: State::Running,
            steps: &[Step::Place, Step::CreateOnHost, Step::StartOnHost],
            deadline: DEADLINE,
            attempts: ATTEMPTS,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Stop,
            from: &[State::Starting, State::Running, State::Restarting],
            may_be_forced: false,
            via: State::Stopping,
            done: State::Stopped,
            steps: &[Step::StopOnHost],
            deadline: DEADLINE,
            attempts: ATTEMPTS,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Restart,
            from: &[State::Running],
            may_be_forced: false,
            via: State::Restarting,
            done: State::Running,
            steps: &[Step::StopOnHost, Step::StartOnHost],
            deadline: DEADLINE,
            attempts: ATTEMPTS,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Remove,
            from: &[State::Created, State::Running, State::Stopped, State::Error],
            may_be_forced: true,
            via: State::Removing,
            done: State::Removed,
            steps: &[Step::RemoveFromHost, Step::Release],
            deadline: DEADLINE,
            attempts: ATTEMPTS,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Purge,
            from: &[State::Removed],
            may_be_forced: false,
            via: State::Purging,
            done: State::Purged,
            steps: &[],
            deadline: DEADLINE,
            attempts: ATTEMPTS,
            is_action: true,
        },
    ],
    reports: &[
        ReportDefinition {
            report: Report::Exited,
            from: State::Running,
            to: State::Stopped,
        },
        ReportDefinition {
            report: Report::Vanished,
            from: State::Running,
            to: State::Stopped,
        },
    ],
};
