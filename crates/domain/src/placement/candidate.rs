//! What placement knows of a host.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Demand;
use crate::resource::{Capacity, Port, Protocol};
use crate::{ResourceId, State};

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
    /// How many it may have; any number if absent.
    pub maximum_containers: Option<u32>,
    /// The ports that these hold.
    pub ports: Vec<HeldPort>,
}

impl Candidate {
    /// Counts in a container that is placed here.
    pub fn take(&mut self, demand: &Demand) {
        self.containers += 1;
        self.reserved.cpu_millis += demand.amount.cpu_millis;
        self.reserved.memory_mib += demand.amount.memory_mib;
        for port in &demand.ports {
            if let Some(number) = port.host_port {
                self.ports.push(HeldPort {
                    ip: port.host_ip,
                    port: number,
                    protocol: port.protocol,
                });
            }
        }
    }

    /// Whether it has as many containers as it may.
    pub(super) fn is_full(&self) -> bool {
        self.maximum_containers
            .is_some_and(|most| self.containers >= most)
    }

    /// The share that would be taken of whatever would be the fullest, from 0 to 1.
    pub(super) fn fullness_with(&self, demand: &Demand) -> f64 {
        let share = |asked: i64, reserved: i64, capacity: i64| match capacity {
            0 => 0.0,
            capacity => (reserved + asked) as f64 / capacity as f64,
        };
        let cpu = share(
            demand.amount.cpu_millis,
            self.reserved.cpu_millis,
            self.capacity.cpu_millis,
        );
        let memory = share(
            demand.amount.memory_mib,
            self.reserved.memory_mib,
            self.capacity.memory_mib,
        );
        let most = self.maximum_containers.map_or(0, i64::from);
        let containers = share(1, i64::from(self.containers), most);
        cpu.max(memory).max(containers)
    }
}
