//! The names of requests and steps.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! names {
    ($(#[$outer:meta])* $type:ident, $unknown:ident, $what:literal { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum $type {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)*
        }

        impl $type {
            /// Every name there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name that people and databases see.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        /// The text is none of the names.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[error("`{name}` is not {what}", name = .0, what = $what)]
        pub struct $unknown(pub String);

        impl FromStr for $type {
            type Err = $unknown;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|name| name.as_str() == text)
                    .ok_or_else(|| $unknown(text.to_owned()))
            }
        }
    };
}

names! {
    /// What can be asked of a resource; also the name of the process that carries it out.
    Request, UnknownRequest, "a request" {
        /// Make it.
        Create = "create",
        /// Run it.
        Start = "start",
        /// End its run.
        Stop = "stop",
        /// End its run and run it again.
        Restart = "restart",
        /// Run it again after it ended by itself or did not do its work, as its policy says.
        Recover = "recover",
        /// Take it away.
        Remove = "remove",
        /// Forget it.
        Purge = "purge",
        /// Hear from it for the first time.
        Register = "register",
        /// Take it into use.
        Activate = "activate",
        /// Take it out of use.
        Deactivate = "deactivate",
        /// Bring it up on another host.
        Replace = "replace",
        /// Take it out of use, and bring up elsewhere what it runs.
        Evacuate = "evacuate",
        /// Give it up, since nothing is heard of it.
        Disconnect = "disconnect",
        /// Take it back that was given up.
        Reconnect = "reconnect",
        /// Make it ready on the host of the first that uses it.
        Attach = "attach",
        /// Leave it, now that nobody uses it.
        Detach = "detach",
        /// Give it another credential.
        Rotate = "rotate",
        /// Fetch it once more.
        Pull = "pull",
    }
}

names! {
    /// A step of a process. The process server has one handler for each.
    Step, UnknownStep, "a step" {
        /// Choose a host and reserve what the container asks for.
        Place = "place",
        /// Have the host's agent make the container.
        CreateOnHost = "create-on-host",
        /// Have the host's agent start the container.
        StartOnHost = "start-on-host",
        /// Have the host's agent stop the container.
        StopOnHost = "stop-on-host",
        /// Have the host's agent take the container away.
        RemoveFromHost = "remove-from-host",
        /// Give back what was reserved.
        Release = "release",
        /// Hear from an agent.
        Greet = "greet",
        /// Learn what a host is and what it runs.
        TakeInventory = "take-inventory",
        /// Make sure that nothing lives on a host.
        RefuseWhileOccupied = "refuse-while-occupied",
        /// Give an agent another credential.
        RotateCredential = "rotate-credential",
        /// Revoke the credential of a host's agent.
        RetireAgent = "retire-agent",
        /// Stop what runs on a host that is given up.
        StopOccupants = "stop-occupants",
        /// Give up the host that was chosen and what was reserved on it.
        Unplace = "unplace",
        /// Choose another host, and reserve there what the container asks for.
        PlaceElsewhere = "place-elsewhere",
        /// Bring up elsewhere what a host runs.
        ReplaceOccupants = "replace-occupants",
        /// Make sure that a host has nothing that lives elsewhere.
        RefuseStrays = "refuse-strays",
        /// Let go of volumes that no other container mounts.
        LeaveVolumes = "leave-volumes",
        /// Have the host's agent make a volume.
        MakeVolume = "make-volume",
        /// Make sure that no container mounts a volume.
        RefuseWhileMounted = "refuse-while-mounted",
        /// Have the host's agent take a volume and its data away.
        RemoveVolume = "remove-volume",
        /// Have hosts fetch an image.
        PullOnHosts = "pull-on-hosts",
    }
}

impl Step {
    /// The step that undoes this one, whether it was finished or only begun; none if it leaves
    /// nothing behind that would be in anybody's way.
    pub const fn undo(self) -> Option<Self> {
        match self {
            Self::Place => Some(Self::Unplace),
            Self::CreateOnHost => Some(Self::RemoveFromHost),
            Self::StartOnHost => Some(Self::StopOnHost),
            Self::StopOnHost
            | Self::RemoveFromHost
            | Self::Release
            | Self::Greet
            | Self::RotateCredential
            | Self::TakeInventory
            | Self::RefuseWhileOccupied
            | Self::RetireAgent
            | Self::StopOccupants
            | Self::Unplace
            | Self::PlaceElsewhere
            | Self::ReplaceOccupants
            | Self::RefuseStrays
            | Self::LeaveVolumes
            | Self::MakeVolume
            | Self::RefuseWhileMounted
            | Self::RemoveVolume
            | Self::PullOnHosts => None,
        }
    }
}
