//! What a waiting process waits for, beside the clock.

use std::fmt;
use std::str::FromStr;

use crate::ResourceId;

/// What a waiting process waits for, beside the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitsFor {
    /// The agent of this host is heard again.
    Host(ResourceId),
    /// There is room: a host became active.
    Room,
    /// The processes that are a part of it are finished.
    Children,
}

impl fmt::Display for WaitsFor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(id) => write!(formatter, "host/{id}"),
            Self::Room => formatter.write_str("room"),
            Self::Children => formatter.write_str("children"),
        }
    }
}

/// The text names nothing that a process could wait for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is nothing that a process waits for")]
pub struct UnknownWait(pub String);

impl FromStr for WaitsFor {
    type Err = UnknownWait;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unknown = || UnknownWait(text.to_owned());
        match text.split_once('/') {
            None if text == "room" => Ok(Self::Room),
            None if text == "children" => Ok(Self::Children),
            Some(("host", id)) => id.parse().map(Self::Host).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_survives_its_text() {
        let id = ResourceId::new(uuid::Uuid::from_u128(7));
        for waits_for in [WaitsFor::Room, WaitsFor::Children, WaitsFor::Host(id)] {
            assert_eq!(waits_for.to_string().parse(), Ok(waits_for));
        }
        assert!("host/none".parse::<WaitsFor>().is_err());
    }
}
