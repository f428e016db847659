//! Why no host takes a container.

use std::collections::BTreeMap;
use std::fmt;

/// A constraint that hosts can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Constraint {
    /// The container asks for another host.
    Host,
    /// The host is not active.
    State,
    /// The host lacks a label.
    Labels,
    /// The host has labels that the container is to be apart from.
    Avoided,
    /// The host has none of the containers that the container is to be near to.
    Near,
    /// The host has a container that the container is to be apart from.
    Apart,
    /// The host has as many containers as it takes.
    Containers,
    /// A port is taken.
    Ports,
    /// Too little CPU is left.
    Cpu,
    /// Too little memory is left.
    Memory,
}

impl fmt::Display for Constraint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Host => "are not the host that is asked for",
            Self::State => "are not active",
            Self::Labels => "lack a label that is asked for",
            Self::Avoided => "have labels that it is to be apart from",
            Self::Near => "have none of the containers that it is to be near to",
            Self::Apart => "have a container that it is to be apart from",
            Self::Containers => "have as many containers as they take",
            Self::Ports => "have a port taken that is asked for",
            Self::Cpu => "have too little CPU left",
            Self::Memory => "have too little memory left",
        })
    }
}

/// Why no host takes the container.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
pub struct NoHost {
    /// How many hosts were looked at.
    pub hosts: u32,
    /// How many of them each constraint cost.
    pub failed: BTreeMap<Constraint, u32>,
}

impl fmt::Display for NoHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.hosts == 0 {
            return formatter.write_str("no host takes the container: there is none yet");
        }
        write!(formatter, "no host takes the container: of {}", self.hosts)?;
        for (constraint, count) in &self.failed {
            write!(formatter, ", {count} {constraint}")?;
        }
        Ok(())
    }
}
