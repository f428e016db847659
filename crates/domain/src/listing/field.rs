//! What can be asked of the items of a list: a table for each type.
//!
//! A field is sortable if an index serves that order. Columns that change with every transition (the
//! state, the moment of the last change) have no index, since that would make each transition dearer:
//! a filter by them looks at the items one by one, within whatever else was asked.

use crate::lifecycle::Request;
use crate::{Phase, ResourceType, Role, State};

use super::condition::Modifier;

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// Resources of a type.
    Resource(ResourceType),
    /// Processes of resources of every type.
    Process,
}

/// What a condition is about, wherever the database keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The id.
    Id,
    /// The name of a resource; of a process, what was asked.
    Name,
    /// The project.
    Project,
    /// When it was asked for.
    Created,
    /// The description of a resource.
    Description,
    /// The state of a resource.
    State,
    /// The host that a resource lives on.
    Host,
    /// When a resource was last written.
    Updated,
    /// When a resource was removed.
    Removed,
    /// A field of what was asked of a resource.
    Spec(&'static str),
    /// A field of what was seen of a resource.
    Status(&'static str),
    /// A field of any item of a list in what was asked of a resource.
    Among(&'static str, &'static str),
    /// The phase of a process.
    Phase,
    /// The type of the resource of a process.
    ResourceType,
    /// The resource of a process.
    Resource,
    /// The process that a process is a child of.
    Parent,
    /// When a process was first claimed.
    Started,
    /// When a process ended.
    Finished,
}

/// Of what kind the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ids.
    Id,
    /// Any text.
    Text,
    /// One of some words.
    Word(Words),
    /// A moment, as RFC 3339.
    Moment,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A text of which there can be several.
    Several,
}

/// Words that a field can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    /// Of the states of resources.
    States,
    /// Of the phases of processes.
    Phases,
    /// Of the types of resources.
    ResourceTypes,
    /// Of what can be asked of resources.
    Requests,
    /// Of the roles of callers.
    Roles,
}

impl Words {
    /// All of them.
    pub fn all(self) -> Vec<&'static str> {
        match self {
            Self::States => State::ALL.iter().map(|state| state.as_str()).collect(),
            Self::Phases => Phase::ALL.iter().map(|phase| phase.as_str()).collect(),
            Self::ResourceTypes => ResourceType::ALL.iter().map(|one| one.as_str()).collect(),
            Self::Requests => Request::ALL.iter().map(|one| one.as_str()).collect(),
            Self::Roles => Role::ALL.iter().map(|one| one.as_str()).collect(),
        }
    }
}

/// A field that lists can be filtered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name, as the API shows it.
    pub name: &'static str,
    /// Where it is.
    pub subject: Subject,
    /// Of what kind its values are.
    pub kind: Kind,
    /// Whether it can be without a value.
    pub can_be_null: bool,
    /// Whether lists can be sorted by it.
    pub is_sortable: bool,
}

impl Field {
    const fn new(name: &'static str, subject: Subject, kind: Kind) -> Self {
        Self {
            name,
            subject,
            kind,
            can_be_null: false,
            is_sortable: false,
        }
    }

    const fn or_null(self) -> Self {
        Self {
            can_be_null: true,
            ..self
        }
    }

    const fn sortable(self) -> Self {
        Self {
            is_sortable: true,
            ..self
        }
    }

    /// How it can be tested: only what makes sense for its kind.
    pub fn modifiers(&self) -> impl Iterator<Item = Modifier> + use<> {
        use Modifier::{
            AtLeast, AtMost, Differs, Equals, Greater, Less, Like, Null, OneOf, Prefix,
        };
        let of_kind: &'static [Modifier] = match self.kind {
            Kind::Id | Kind::Word(_) => &[Equals, Differs, OneOf],
            Kind::Text => &[
                Equals, Differs, OneOf, Like, Prefix, Greater, AtLeast, Less, AtMost,
            ],
            Kind::Moment => &[Equals, Differs, Greater, AtLeast, Less, AtMost],
            Kind::Number => &[Equals, Differs, OneOf, Greater, AtLeast, Less, AtMost],
            Kind::Flag => &[Equals, Differs],
            Kind::Several => &[Equals],
        };
        // `removed` itself says whether what was removed is listed.
        let left_out = (self.subject == Subject::Removed).then_some(Equals);
        let of_kind = of_kind.iter().copied();
        of_kind
            .filter(move |modifier| Some(*modifier) != left_out)
            .chain(self.can_be_null.then_some(Null))
    }
}

const ID: Field = Field::new("id", Subject::Id, Kind::Id).sortable();

const OF_RESOURCES: &[Field] = &[
    ID,
    Field::new("name", Subject::Name, Kind::Text).sortable(),
    Field::new("description", Subject::Description, Kind::Text),
    Field::new("state", Subject::State, Kind::Word(Words::States)),
    Field::new("projectId", Subject::Project, Kind::Id).or_null(),
    Field::new("created", Subject::Created, Kind::Moment).sortable(),
    Field::new("updated", Subject::Updated, Kind::Moment),
    Field::new("removed", Subject::Removed, Kind::Moment).or_null(),
];

const OF_CONTAINERS: &[Field] = &[
    Field::new("hostId", Subject::Host, Kind::Id).or_null(),
    Field::new("image", Subject::Spec("image"), Kind::Text),
    Field::new("runtimeId", Subject::Status("runtimeId"), Kind::Text).or_null(),
    Field::new("exitCode", Subject::Status("exitCode"), Kind::Number).or_null(),
    Field::new("volume", Subject::Among("volumes", "volume"), Kind::Several),
    Field::new(
        "network",
        Subject::Among("networks", "network"),
        Kind::Several,
    ),
];

const OF_VOLUMES: &[Field] = &[Field::new("hostId", Subject::Host, Kind::Id).or_null()];

const OF_REGISTRY_CREDENTIALS: &[Field] = &[
    Field::new("registry", Subject::Spec("registry"), Kind::Text),
    Field::new("username", Subject::Spec("username"), Kind::Text),
];

const OF_IMAGES: &[Field] = &[Field::new("image", Subject::Spec("image"), Kind::Text)];

const OF_HOSTS: &[Field] = &[Field::new("agentId", Subject::Spec("agentId"), Kind::Id)];

const OF_AGENTS: &[Field] = &[
    Field::new("hostId", Subject::Spec("hostId"), Kind::Id),
    Field::new("agentVersion", Subject::Status("agentVersion"), Kind::Text),
];

const OF_REGISTRATION_TOKENS: &[Field] =
    &[Field::new("uses", Subject::Status("uses"), Kind::Number)];

const OF_ACCOUNTS: &[Field] = &[Field::new(
    "operator",
    Subject::Spec("operator"),
    Kind::Flag,
)];

const OF_API_KEYS: &[Field] = &[
    Field::new("accountId", Subject::Spec("accountId"), Kind::Id),
    Field::new("role", Subject::Spec("role"), Kind::Word(Words::Roles)),
];

const OF_PROCESSES: &[Field] = &[
    ID,
    Field::new("name", Subject::Name, Kind::Word(Words::Requests)),
    Field::new("phase", Subject::Phase, Kind::Word(Words::Phases)),
    Field::new(
        "resourceType",
        Subject::ResourceType,
        Kind::Word(Words::ResourceTypes),
    ),
    Field::new("resourceId", Subject::Resource, Kind::Id),
    Field::new("projectId", Subject::Project, Kind::Id).or_null(),
    Field::new("parentId", Subject::Parent, Kind::Id).or_null(),
    Field::new("created", Subject::Created, Kind::Moment),
    Field::new("started", Subject::Started, Kind::Moment).or_null(),
    Field::new("finished", Subject::Finished, Kind::Moment).or_null(),
];

impl Listed {
    /// What can be asked of the items.
    pub fn fields(self) -> impl Iterator<Item = &'static Field> {
        let (common, own): (&[Field], &[Field]) = match self {
            Self::Process => (OF_PROCESSES, &[]),
            Self::Resource(resource_type) => {
                let own: &[Field] = match resource_type {
                    ResourceType::Container => OF_CONTAINERS,
                    ResourceType::Host => OF_HOSTS,
                    ResourceType::Agent => OF_AGENTS,
                    ResourceType::RegistrationToken => OF_REGISTRATION_TOKENS,
                    ResourceType::Account => OF_ACCOUNTS,
                    ResourceType::ApiKey => OF_API_KEYS,
                    ResourceType::Volume => OF_VOLUMES,
                    ResourceType::RegistryCredential => OF_REGISTRY_CREDENTIALS,
                    ResourceType::Image => OF_IMAGES,
                    ResourceType::Project | ResourceType::Network => &[],
                };
                (OF_RESOURCES, own)
            }
        };
        common.iter().chain(own)
    }

    /// The field of a name.
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().find(|field| field.name == name)
    }

    /// What the items can be sorted by.
    pub fn sorts(self) -> impl Iterator<Item = &'static Field> {
        self.fields().filter(|field| field.is_sortable)
    }

    /// The id, which every item has.
    pub fn id(self) -> &'static Field {
        &ID
    }

    /// Whether the items have labels to select them by.
    pub fn has_labels(self) -> bool {
        matches!(self, Self::Resource(_))
    }

    /// Whether items stay readable after they were removed.
    pub fn can_be_removed(self) -> bool {
        matches!(self, Self::Resource(_))
    }
}
