//! What a watcher is told.

use drover_domain::resource::Version;
use drover_domain::{ResourceId, ResourceType, State, Timestamp};
use drover_store::{Change, Labels, Position};
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// One event of a watch. Which it is says `event`: `changed`, `snapshot`, `synced`, `heartbeat`, `cut`
/// or `end`.
#[derive(Serialize, JsonSchema)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[schemars(rename = "WatchEvent")]
pub(super) enum Event<'a> {
    /// A resource has changed.
    Changed {
        /// The place in the change log; whoever comes back with it goes on after it.
        #[serde(serialize_with = "as_text")]
        #[schemars(with = "String")]
        position: Position,
        /// The type of the resource.
        r#type: ResourceType,
        /// The resource.
        id: ResourceId,
        /// Its project.
        project_id: Option<ResourceId>,
        /// The state that it changed to.
        state: State,
        /// The version at which it did.
        version: Version,
        /// When.
        time: Timestamp,
        /// The labels that it had then.
        labels: &'a Labels,
    },
    /// A resource as it was found before changes are told.
    Snapshot {
        /// The type of the resource.
        r#type: ResourceType,
        /// The resource.
        id: ResourceId,
        /// Its project.
        project_id: Option<ResourceId>,
        /// Its state.
        state: State,
        /// Its version.
        version: Version,
        /// When it was last written.
        time: Timestamp,
        /// Its labels.
        labels: &'a Labels,
    },
    /// The snapshot is whole; what follows are changes after this position.
    Synced {
        /// The position.
        #[serde(serialize_with = "as_text")]
        #[schemars(with = "String")]
        position: Position,
    },
    /// Nothing has happened; everything up to this position was told.
    Heartbeat {
        /// The position.
        #[serde(serialize_with = "as_text")]
        #[schemars(with = "String")]
        position: Position,
    },
    /// The watch is cut, for a reason that lies with the one who watches or with the log.
    Cut {
        /// Why.
        code: &'static str,
        /// Everything up to this position was told; absent before the snapshot is whole.
        #[serde(
            serialize_with = "some_as_text",
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(default, with = "String")]
        position: Option<Position>,
        /// What can be done about it.
        hint: &'static str,
    },
    /// The watch ends, for a reason that lies with the server.
    End {
        /// Why.
        code: &'static str,
        /// Everything up to this position was told; absent before the snapshot is whole.
        #[serde(
            serialize_with = "some_as_text",
            skip_serializing_if = "Option::is_none"
        )]
        #[schemars(default, with = "String")]
        position: Option<Position>,
        /// What can be done about it.
        hint: &'static str,
    },
}

/// Serializes a position as people write it.
fn as_text<S: Serializer>(position: &Position, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(position)
}

fn some_as_text<S: Serializer>(
    position: &Option<Position>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match position {
        Some(position) => as_text(position, serializer),
        None => serializer.serialize_none(),
    }
}

impl<'a> Event<'a> {
    /// That a resource has changed.
    pub(super) fn changed(change: &'a Change) -> Self {
        Self::Changed {
            position: change.position,
            r#type: change.resource.resource_type,
            id: change.resource.id,
            project_id: change.project,
            state: change.state,
            version: change.version,
            time: change.at,
            labels: &change.labels,
        }
    }

    /// A resource as it was found.
    pub(super) fn snapshot(resource: &'a drover_domain::Resource) -> Self {
        Self::Snapshot {
            r#type: resource.resource_type(),
            id: resource.id,
            project_id: resource.project,
            state: resource.state,
            version: resource.version,
            time: resource.updated,
            labels: &resource.labels,
        }
    }
}

/// Why a watch is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Whoever watched has gone: there is nobody to tell.
    Left,
    /// What was told was not taken.
    Slow,
    /// More has happened than the ring holds before it was taken.
    Behind,
    /// What comes next has been forgotten.
    Gone,
    /// What was shown to watch with is not what it was.
    Credential,
    /// The watch has gone on for long enough.
    Again,
    /// The database cannot be read.
    Unavailable,
    /// The server ends.
    Shutdown,
}

impl Ending {
    /// How it is counted.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Slow => "slow",
            Self::Behind => "behind",
            Self::Gone => "gone",
            Self::Credential => "credential",
            Self::Again => "again",
            Self::Unavailable => "unavailable",
            Self::Shutdown => "shutdown",
        }
    }

    /// What is told of it last.
    pub(super) fn event(self, position: Option<Position>) -> Event<'static> {
        let cut = |code, hint| Event::Cut {
            code,
            position,
            hint,
        };
        let end = |code, hint| Event::End {
            code,
            position,
            hint,
        };
        match self {
            Self::Left | Self::Slow | Self::Behind => cut(
                "watch.slow",
                "read faster or narrow the filter; watch again after this position",
            ),
            Self::Gone => cut(
                "watch.gone",
                "read the collections again, or watch with `snapshot=true`",
            ),
            Self::Credential => cut(
                "watch.credential",
                "what you showed has changed; show it again, and watch after this position",
            ),
            Self::Again => end("watch.again", "watch again after this position"),
            Self::Unavailable => end(
                "unavailable",
                "the database is out of reach; watch again after this position",
            ),
            Self::Shutdown => end(
                "watch.shutdown",
                "the server ends; watch again after this position, at any server",
            ),
        }
    }
}
