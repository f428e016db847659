//! The lifecycle of an agent: it registers and is heard, and its credential can be exchanged for another
//! one. When its host is removed, it is retired with it: that is a step of the host's process.
//!
//! An agent that cannot be given another credential works on with the one that it has, and is `active` again;
//! its `error` says why.

use std::time::Duration;

use super::{Lifecycle, Policy, ProcessDefinition, Request, Step};
use crate::{ResourceType, State};

pub(super) static LIFECYCLE: Lifecycle = Lifecycle {
    resource_type: ResourceType::Agent,
    initial: State::Registering,
    processes: &[
        ProcessDefinition {
            request: Request::Register,
            from: &[State::Registering, State::Error],
            may_be_forced: false,
            via: State::Registering,
            done: State::Active,
            steps: &[Step::Greet],
            is_atomic: false,
            policy: Policy {
                deadline: Duration::from_secs(10 * 60),
                ..Policy::URGENT
            },
            is_action: false,
        },
        ProcessDefinition {
            request: Request::Rotate,
            from: &[State::Active, State::Error],
            may_be_forced: false,
            via: State::Rotating,
            done: State::Active,
            steps: &[Step::RotateCredential],
            is_atomic: false,
            policy: Policy::USUAL,
            is_action: true,
        },
    ],
    reports: &[],
};
