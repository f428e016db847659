//! The lifecycle of a container.
//!
//! ```text
//!  requested -> creating -> created -> starting -> running -> stopping -> stopped
//!                                         ^          |  ^                    |
//!                                         |          +--+ restarting         |
//!                                         +----------------------------------+
//!  running -> stopped -> restarting -> running     it ended by itself, and its policy speaks
//!  any settled state, or any at all by force -> removing -> removed -> purging -> purged
//! ```
//!
//! A container whose host is lost or evacuated is replaced, if its policy says so: another host is chosen
//! and reserved on, and the container is made there. Before it is started there, it is stopped where it was,
//! unless that host was given up; `formerHostId` says where that is until then.
//!
//! A container that is to be started once it is made is started by the host that makes it, if it can; then
//! it passes `created`, `starting` and `running` in one write.
//!
//! A create is atomic: one that fails takes away what it made and gives back what it reserved. A
//! start places and creates the container if that has not been done, or has been undone, so that a
//! container in `error` can be started whatever it was that failed. What gives room back is urgent.
//!
//! A container that mounts volumes is placed where they are; those that live nowhere yet are attached to the
//! host that is chosen ([`volume`](super::volume)). When the last container that mounts one is removed, it
//! is detached.
//!
//! `restarting` is the state of two processes: of a restart that somebody asked for, and of a
//! recovery, which may wait in it for its moment ([`recovery`](crate::recovery)). Whoever asks for a
//! start, a stop or a removal meanwhile supersedes it.

use std::time::Duration;

use super::{Lifecycle, Policy, ProcessDefinition, Report, ReportDefinition, Request, Step};
use crate::{ResourceType, State};

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
            is_atomic: true,
            policy: Policy::USUAL,
            is_action: false,
        },
        ProcessDefinition {
            request: Request::Start,
            from: &[
                State::Created,
                State::Stopped,
                State::Error,
                State::Restarting,
            ],
            may_be_forced: false,
            via: State::Starting,
            done: State::Running,
            steps: &[Step::Place, Step::CreateOnHost, Step::StartOnHost],
            is_atomic: false,
            policy: Policy::USUAL,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Stop,
            from: &[
                State::Starting,
                State::Running,
                State::Restarting,
                State::Replacing,
            ],
            may_be_forced: false,
            via: State::Stopping,
            done: State::Stopped,
            steps: &[Step::StopOnHost],
            is_atomic: false,
            policy: Policy::URGENT,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Restart,
            from: &[State::Running],
            may_be_forced: false,
            via: State::Restarting,
            done: State::Running,
            steps: &[Step::StopOnHost, Step::StartOnHost],
            is_atomic: false,
            policy: Policy::USUAL,
            is_action: true,
        },
        ProcessDefinition {
            request: Request::Replace,
            from: &[State::Starting, State::Running, State::Restarting],
            may_be_forced: false,
            via: State::Replacing,
            done: State::Running,
            steps: &[Step::PlaceElsewhere, Step::CreateOnHost, Step::StartOnHost],
            is_atomic: false,
            // Nobody has asked for it: it waits for room as long as it takes.
            policy: Policy {
                deadline: Duration::from_secs(24 * 60 * 60),
                ..Policy::URGENT
            },
            is_action: false,
        },
        ProcessDefinition {
            request: Request::Recover,
            // From `running` if it is unhealthy, from `error` by a retry.
            from: &[State::Stopped, State::Running, State::Error],
            may_be_forced: false,
            via: State::Restarting,
            done: State::Running,
            steps: &[
                Step::StopOnHost,
                Step::Place,
                Step::CreateOnHost,
                Step::StartOnHost,
            ],
            is_atomic: false,
            policy: Policy::USUAL,
            is_action: false,
        },
        ProcessDefinition {
            request: Request::Remove,
            from: &[
                State::Created,
                State::Running,
                State::Restarting,
                State::Stopped,
                State::Error,
            ],
            may_be_forced: true,
            via: State::Removing,
            done: State::Removed,
            steps: &[Step::RemoveFromHost, Step::LeaveVolumes, Step::Release],
            is_atomic: false,
            policy: Policy::URGENT,
            is_action: true,
        },
        ProcessDefinition::PURGE,
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
        ReportDefinition {
            report: Report::GaveUp,
            from: State::Running,
            to: State::Error,
        },
    ],
};
