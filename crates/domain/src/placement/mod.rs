//! Placement: which host takes a container, or why none does.
//!
//! A pure function of the demand and of what is known of the hosts: filter, score, pick. Hosts are
//! filtered by one constraint after the other, and each host that falls is counted under the first
//! that it does not meet, so that the refusal adds up. What is left is scored so that load is
//! spread: the host whose fullest dimension would be least full afterwards wins, then the one with
//! the fewest containers; among equals the tie-breaker decides.
//!
//! The answer is a proposal. What is known of the hosts may be old; the reservation that is written
//! with it is checked again by the database, and a container that loses a race is placed anew.
//! Cost: linear in the number of hosts and of the demand's ports.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::resource::{Capacity, ContainerSpec, Port, Protocol};
use crate::{ResourceId, State};

/// What a container asks of a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demand {
    /// What it reserves.
    pub amount: Capacity,
    /// The ports that it publishes.
    pub ports: Vec<Port>,
    /// The one host that may take it.
    pub host: Option<ResourceId>,
    /// Labels that the host must have.
    pub host_labels: BTreeMap<String, String>,
}

impl Demand {
    /// The demand of a container.
    pub fn of(spec: &ContainerSpec) -> Self {
        Self {
            amount: Capacity {
                cpu_millis: spec.resources.cpu_millis.map_or(0, i64::from),
                memory_mib: spec.resources.memory_mib.map_or(0, i64::from),
            },
            ports: spec.ports.clone(),
            host: spec.placement.host_id,
            host_labels: spec.placement.host_labels.clone(),
        }
    }
}

/// A port that a container holds on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeldPort {
    /// The address; none stands for all.
    pub ip: Option<IpAddr>,
    /// The number.
    pub port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

impl HeldPort {
    /// Whether a container cannot publish this port as well.
    pub fn excludes(&self, wanted: &Port) -> bool {
        wanted.host_port == Some(self.port)
            && wanted.protocol == self.protocol
            && (is_any(self.ip) || is_any(wanted.host_ip) || self.ip == wanted.host_ip)
    }
}

fn is_any(ip: Option<IpAddr>) -> bool {
    ip.is_none_or(|ip| ip.is_unspecified())
}

/// What is known of a host.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its id.
    pub id: ResourceId,
    /// Its state.
    pub state: State,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// All that it has.
    pub capacity: Capacity,
    /// What is taken of it.
    pub reserved: Capacity,
    /// How many containers it has.
    pub containers: u32,
    /// The ports that these hold.
    pub ports: Vec<HeldPort>,
}

/// A constraint that hosts can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Constraint {
    /// The container asks for another host.
    Host,
    /// The host is not active.
    State,
    /// The host lacks a label.
    Labels,
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
            Self::Ports => "have a port taken that is asked for",
            Self::Cpu => "have too little CPU left",
            Self::Memory => "have too little memory left",
        })
    }
}

/// Why no host takes the container.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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

/// Picks the host for a demand. `tie` breaks ties, at random or not.
///
/// # Errors
/// When no host meets every constraint, with the count of hosts that each one cost.
pub fn place(demand: &Demand, hosts: &[Candidate], tie: u64) -> Result<ResourceId, NoHost> {
    let mut refusal = NoHost {
        hosts: 0,
        failed: BTreeMap::new(),
    };
    let mut best: Option<(f64, u32, u64, ResourceId)> = None;
    for host in hosts {
        refusal.hosts += 1;
        if let Some(constraint) = failed_constraint(demand, host) {
            *refusal.failed.entry(constraint).or_default() += 1;
            continue;
        }
        let fullness = fullness_with(demand, host);
        let order = shuffle(tie, host.id);
        let is_better = best.is_none_or(|(other, containers, other_order, _)| {
            fullness
                .total_cmp(&other)
                .then(host.containers.cmp(&containers))
                .then(order.cmp(&other_order))
                .is_lt()
        });
        if is_better {
            best = Some((fullness, host.containers, order, host.id));
        }
    }
    best.map(|(_, _, _, id)| id).ok_or(refusal)
}

fn failed_constraint(demand: &Demand, host: &Candidate) -> Option<Constraint> {
    let lacks_label = || {
        demand
            .host_labels
            .iter()
            .any(|(key, value)| host.labels.get(key) != Some(value))
    };
    let has_port_taken = || {
        demand
            .ports
            .iter()
            .any(|wanted| host.ports.iter().any(|held| held.excludes(wanted)))
    };
    let lacks = |asked: i64, capacity: i64, reserved: i64| asked > 0 && asked > capacity - reserved;
    if demand.host.is_some_and(|id| id != host.id) {
        Some(Constraint::Host)
    } else if host.state != State::Active {
        Some(Constraint::State)
    } else if lacks_label() {
        Some(Constraint::Labels)
    } else if has_port_taken() {
        Some(Constraint::Ports)
    } else if lacks(
        demand.amount.cpu_millis,
        host.capacity.cpu_millis,
        host.reserved.cpu_millis,
    ) {
        Some(Constraint::Cpu)
    } else if lacks(
        demand.amount.memory_mib,
        host.capacity.memory_mib,
        host.reserved.memory_mib,
    ) {
        Some(Constraint::Memory)
    } else {
        None
    }
}

/// The share that would be taken of whatever would be the fullest, from 0 to 1.
fn fullness_with(demand: &Demand, host: &Candidate) -> f64 {
    let share = |asked: i64, reserved: i64, capacity: i64| match capacity {
        0 => 0.0,
        capacity => (reserved + asked) as f64 / capacity as f64,
    };
    let cpu = share(
        demand.amount.cpu_millis,
        host.reserved.cpu_millis,
        host.capacity.cpu_millis,
    );
    let memory = share(
        demand.amount.memory_mib,
        host.reserved.memory_mib,
        host.capacity.memory_mib,
    );
    cpu.max(memory)
}

/// Orders equals differently for each tie-breaker (the finalizer of splitmix64, Steele 2014).
fn shuffle(tie: u64, id: ResourceId) -> u64 {
    let (high, low) = id.uuid().as_u64_pair();
    let mut mixed = tie ^ high ^ low;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
