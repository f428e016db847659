//! Lifecycles of what needs no work to exist: it is active from the first moment, and its removal
//! is one transaction of the API.

use super::Lifecycle;
use crate::{ResourceType, State};

pub(super) static REGISTRATION_TOKEN: Lifecycle = settled(ResourceType::RegistrationToken);
pub(super) static PROJECT: Lifecycle = settled(ResourceType::Project);
pub(super) static ACCOUNT: Lifecycle = settled(ResourceType::Account);
pub(super) static NETWORK: Lifecycle = settled(ResourceType::Network);
pub(super) static REGISTRY_CREDENTIAL: Lifecycle = settled(ResourceType::RegistryCredential);
pub(super) static API_KEY: Lifecycle = settled(ResourceType::ApiKey);

const fn settled(resource_type: ResourceType) -> Lifecycle {
    Lifecycle {
        resource_type,
        initial: State::Active,
        processes: &[],
        reports: &[],
    }
}
