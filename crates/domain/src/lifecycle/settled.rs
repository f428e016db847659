//! Lifecycles of what needs no work to exist: it is active from the first moment, and its removal
//! is one transaction of the API.

use super::Lifecycle;
use crate::{ResourceType, State};

pub(super) static REGISTRATION_TOKEN: Lifecycle = Lifecycle {
    resource_type: ResourceType::RegistrationToken,
    initial: State::Active,
    processes: &[],
    reports: &[],
};

pub(super) static PROJECT: Lifecycle = Lifecycle {
    resource_type: ResourceType::Project,
    initial: State::Active,
    processes: &[],
    reports: &[],
};
