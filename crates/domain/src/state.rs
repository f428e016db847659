//! The states that resources can be in.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! states {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// A state of a resource. Which of them a type has, and how it moves among them, is said
        /// by its lifecycle.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub enum State {
            $($(#[$doc])* $variant,)*
        }

        impl State {
            /// Every state of every type.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that people and databases see.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

states! {
    /// Asked for; nothing was done yet.
    Requested = "requested",
    /// Being made on a host.
    Creating = "creating",
    /// Made, not started.
    Created = "created",
    /// Being started.
    Starting = "starting",
    /// Seen to run.
    Running = "running",
    /// Being stopped.
    Stopping = "stopping",
    /// Not running, by intent or by its own exit.
    Stopped = "stopped",
    /// Being stopped and started again.
    Restarting = "restarting",
    /// Being taken away.
    Removing = "removing",
    /// Taken away; still readable.
    Removed = "removed",
    /// Being forgotten.
    Purging = "purging",
    /// Forgotten: the row goes with the transaction that sets this.
    Purged = "purged",
    /// The last intent failed; the reason stands in the status.
    Error = "error",
    /// A host or agent that introduced itself and was not yet heard.
    Registering = "registering",
    /// In use.
    Active = "active",
    /// Being taken into use again.
    Activating = "activating",
    /// Being taken out of use.
    Deactivating = "deactivating",
    /// Takes no new work; what it has goes on.
    Inactive = "inactive",
    /// Lost for the moment.
    Reconnecting = "reconnecting",
    /// Brought up on another host.
    Replacing = "replacing",
    /// Being emptied: what it runs is brought up elsewhere.
    Evacuating = "evacuating",
    /// Given up: what may run elsewhere is brought up there.
    Disconnecting = "disconnecting",
    /// Lost.
    Disconnected = "disconnected",
    /// Being made ready for those that use it.
    Attaching = "attaching",
    /// Being left by the last that used it.
    Detaching = "detaching",
    /// Used by nobody.
    Detached = "detached",
    /// Being given another credential.
    Rotating = "rotating",
}

impl State {
    /// Whether a process is on its way through this state.
    pub const fn is_transitional(self) -> bool {
        matches!(
            self,
            Self::Requested
                | Self::Creating
                | Self::Starting
                | Self::Stopping
                | Self::Restarting
                | Self::Removing
                | Self::Purging
                | Self::Registering
                | Self::Activating
                | Self::Deactivating
                | Self::Reconnecting
                | Self::Disconnecting
                | Self::Replacing
                | Self::Evacuating
                | Self::Attaching
                | Self::Detaching
                | Self::Rotating
        )
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The text names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a state")]
pub struct UnknownState(pub String);

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}
