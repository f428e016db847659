//! The types of resources as types, so that what is shown of each can be described apart.

use drover_domain::ResourceType;
use drover_domain::resource::{
    AccountSpec, AccountStatus, AgentSpec, AgentStatus, ApiKeySpec, ApiKeyStatus, ContainerSpec,
    ContainerStatus, HostSpec, HostStatus, ImageSpec, ImageStatus, NetworkSpec, ProjectSpec,
    RegistrationTokenSpec, RegistrationTokenStatus, RegistryCredentialSpec, VolumeSpec,
    VolumeStatus,
};
use schemars::JsonSchema;

/// A type of resource.
pub(crate) trait Kind: Send + Sync + 'static {
    /// Which.
    const TYPE: ResourceType;
    /// What its schema is called.
    const NAME: &'static str;
    /// What its schema is called in the plural, as in `listContainers`.
    const NAMES: &'static str;
    /// What can be asked of one.
    type Spec: JsonSchema;
    /// What is seen of one.
    type Status: JsonSchema;
}

/// The status of what has none.
#[derive(JsonSchema)]
pub(crate) struct NothingSeen {}

macro_rules! kinds {
    ($($name:ident, $names:ident: $spec:ty, $status:ty;)*) => {
        $(
            #[doc = concat!("`ResourceType::", stringify!($name), "`.")]
            pub(crate) struct $name;

            impl Kind for $name {
                const TYPE: ResourceType = ResourceType::$name;
                const NAME: &'static str = stringify!($name);
                const NAMES: &'static str = stringify!($names);
                type Spec = $spec;
                type Status = $status;
            }
        )*
    };
}

kinds! {
    Container, Containers: ContainerSpec, ContainerStatus;
    Host, Hosts: HostSpec, HostStatus;
    Agent, Agents: AgentSpec, AgentStatus;
    RegistrationToken, RegistrationTokens: RegistrationTokenSpec, RegistrationTokenStatus;
    Project, Projects: ProjectSpec, NothingSeen;
    Account, Accounts: AccountSpec, AccountStatus;
    ApiKey, ApiKeys: ApiKeySpec, ApiKeyStatus;
    Volume, Volumes: VolumeSpec, VolumeStatus;
    Network, Networks: NetworkSpec, NothingSeen;
    RegistryCredential, RegistryCredentials: RegistryCredentialSpec, NothingSeen;
    Image, Images: ImageSpec, ImageStatus;
}
