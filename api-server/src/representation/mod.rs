//! What clients see: rows and lifecycle turned into JSON.
//!
//! Each thing that is shown is a type that writes itself and that describes itself, so that what the
//! description of the API says is what is sent.

mod collection;
mod host;
mod item;
mod kind;
mod process;
pub(crate) mod resource;

use drover_domain::{ResourceId, ResourceType};

pub(crate) use collection::Collection;
pub(crate) use host::Room;
pub(crate) use item::{Included, Item};
pub(crate) use kind::{
    Account, Agent, ApiKey, Container, Host, Image, Kind, Network, Project, RegistrationToken,
    RegistryCredential, Volume,
};
pub(crate) use process::ShownProcess;
pub(crate) use resource::{Shown, add_fields};

/// The address of a resource.
pub(crate) fn address(resource_type: ResourceType, id: ResourceId) -> String {
    format!("/v1/{}/{id}", resource_type.plural())
}
