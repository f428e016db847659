//! What a container asks of a host.

use std::collections::{BTreeMap, BTreeSet};

use crate::resource::{Affinity, Capacity, ContainerPlacement, ContainerSpec, Neighbours, Port};

/// What a container asks of a host, and what others may ask about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demand {
    /// What it reserves.
    pub amount: Capacity,
    /// The ports that it publishes.
    pub ports: Vec<Port>,
    /// Where it may stand, and where it had better.
    pub placement: ContainerPlacement,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl Demand {
    /// The demand of a container with a name and labels.
    pub fn of(spec: &ContainerSpec, name: &str, labels: &BTreeMap<String, String>) -> Self {
        Self {
            amount: Capacity {
                cpu_millis: spec.resources.cpu_millis.map_or(0, i64::from),
                memory_mib: spec.resources.memory_mib.map_or(0, i64::from),
            },
            ports: spec.ports.clone(),
            placement: spec.placement.clone(),
            name: name.to_owned(),
            labels: labels.clone(),
        }
    }

    /// Whatever containers it asks to be near to or apart from, each once.
    pub fn neighbours(&self) -> BTreeSet<Neighbours> {
        let ContainerPlacement { near, apart, .. } = &self.placement;
        let all = near.iter().chain(apart);
        all.filter_map(Affinity::neighbours).collect()
    }

    /// The containers of which none may be where it is.
    pub fn strangers(&self) -> Vec<Neighbours> {
        let required = |affinity: &&Affinity| affinity.weight.is_none();
        let apart = self.placement.apart.iter().filter(required);
        apart.filter_map(Affinity::neighbours).collect()
    }

    /// Whether it is one of some containers itself.
    pub fn is_among(&self, neighbours: &Neighbours) -> bool {
        neighbours.include(&self.name, &self.labels)
    }
}
