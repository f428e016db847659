//! What can be shown along with an item: the targets of its links.

use super::field::Listed;
use crate::ResourceType;

/// A link whose target can be included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name among the `links` of an item, and under `included`.
    pub name: &'static str,
    /// What it leads to.
    pub source: Source,
}

/// Where the id of a link's target stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The project of the item.
    Project,
    /// The host that the item lives on or speaks for.
    Host,
    /// The agent that speaks for the item.
    Agent,
    /// The account that the item belongs to.
    Account,
    /// The unfinished process of the item.
    Process,
    /// The resource of a process.
    Resource,
    /// The process that a process is a child of.
    Parent,
    /// The process that follows from a process.
    Successor,
}

const PROJECT: Link = Link {
    name: "project",
    source: Source::Project,
};
const HOST: Link = Link {
    name: "host",
    source: Source::Host,
};
const AGENT: Link = Link {
    name: "agent",
    source: Source::Agent,
};
const ACCOUNT: Link = Link {
    name: "account",
    source: Source::Account,
};
const PROCESS: Link = Link {
    name: "process",
    source: Source::Process,
};
const RESOURCE: Link = Link {
    name: "resource",
    source: Source::Resource,
};
const PARENT: Link = Link {
    name: "parent",
    source: Source::Parent,
};
const SUCCESSOR: Link = Link {
    name: "successor",
    source: Source::Successor,
};

/// What can be included in items.
pub fn links(listed: Listed) -> &'static [Link] {
    match listed {
        Listed::Process => &[RESOURCE, PROJECT, PARENT, SUCCESSOR],
        Listed::Resource(ResourceType::Container) => &[HOST, PROCESS, PROJECT],
        Listed::Resource(ResourceType::Volume) => &[HOST, PROCESS, PROJECT],
        Listed::Resource(ResourceType::Network | ResourceType::RegistryCredential) => &[PROJECT],
        Listed::Resource(ResourceType::Image) => &[PROCESS, PROJECT],
        Listed::Resource(ResourceType::Host) => &[AGENT, PROCESS],
        Listed::Resource(ResourceType::Agent) => &[HOST, PROCESS],
        Listed::Resource(ResourceType::ApiKey) => &[ACCOUNT, PROJECT],
        Listed::Resource(_) => &[],
    }
}
