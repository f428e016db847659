//! The lifecycle of a volume.
//!
//! ```text
//!  detached -> attaching -> active -> detaching -> detached -> removing -> removed -> purging -> purged
//! ```
//!
//! A volume is detached from the first moment: nothing has to be done for it before a container mounts
//! it. The process that places the first one has it attached, which chooses its host and makes it there; the
//! removal of the last one has it detached. Its data stays until it is removed, and it is removed only
//! while it is detached.

use super::{Lifecycle, Policy, ProcessDefinition, Request, Step};
use crate::{ResourceType, State};

pub(super) static LIFECYCLE: Lifecycle = Lifecycle {
    resource_type: ResourceType::Volume,
    initial: State::Detached,
    processes: &[
        ProcessDefinition {
            request: Request::Attach,
            from: &[State::Detached, State::Error],
            may_be_forced: false,
            via: State::Attaching,
            done: State::Active,
            steps: &[Step::MakeVolume],
            is_atomic: false,
            policy: Policy::USUAL,
            is_action: false,
        },
        ProcessDefinition {
            request: Request::Detach,
            from: &[State::Active],
            may_be_forced: false,
            via: State::Detaching,
            done: State::Detached,
            steps: &[],
            is_atomic: false,
            policy: Policy::URGENT,
            is_action: false,
        },
        ProcessDefinition {
            request: Request::Remove,
            from: &[State::Detached, State::Error],
            may_be_forced: true,
            via: State::Removing,
            done: State::Removed,
            steps: &[Step::RefuseWhileMounted, Step::RemoveVolume],
            is_atomic: false,
            policy: Policy::URGENT,
            is_action: true,
        },
        ProcessDefinition::PURGE,
    ],
    reports: &[],
};
