//! Placement: which host takes a container, or why none does.
//!
//! A pure function of the demand and of what is known of the hosts: filter, score, pick.
//!
//! *Filter.* Hosts are filtered by one constraint after the other, and each host that falls is counted
//! under the first that it does not meet, so that the refusal adds up.
//!
//! *Score.* Of what is left, the hosts that meet the most of the wishes by their weight come first. Among
//! them the strategy decides by whatever would be the fullest of a host: `spread` takes the one where that
//! would be least full, then the one with the fewest containers; `binpack` the other way round. Among
//! equals the tie-breaker decides.
//!
//! *Neighbours.* Where the containers are that a demand speaks of is told from outside ([`Whereabouts`]).
//! Who asks to be near containers like itself and is the first of them may stand anywhere: somebody has
//! to begin.
//!
//! The answer is a proposal. What is known of the hosts may be old; the reservation that is written
//! with it is checked again by the database (room, ports, and containers to be apart from), and a
//! container that loses a race is placed anew. Cost: linear in the number of hosts, for each of them in
//! the demand's labels, affinities and ports; the number of containers does not matter.

mod candidate;
mod demand;
mod refusal;

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

pub use candidate::{Candidate, HeldPort};
pub use demand::Demand;
pub use refusal::{Constraint, NoHost};

use crate::resource::{Affinity, Neighbours, Strategy};
use crate::{ResourceId, Selector, State};

/// The hosts that have a container of each kind.
pub type Whereabouts<'a> = HashMap<Neighbours, &'a HashSet<ResourceId>>;

/// Picks the host for a demand: its place among the hosts. `tie` breaks ties, at random or not.
///
/// # Errors
/// When no host meets every constraint, with the count of hosts that each one cost.
pub fn place(
    demand: &Demand,
    hosts: &[Candidate],
    whereabouts: &Whereabouts<'_>,
    tie: u64,
) -> Result<usize, NoHost> {
    let question = Question::new(demand, whereabouts);
    let mut refusal = NoHost::default();
    let mut best: Option<(Score, usize)> = None;
    for (index, host) in hosts.iter().enumerate() {
        refusal.hosts += 1;
        if let Some(constraint) = question.failed_constraint(host) {
            *refusal.failed.entry(constraint).or_default() += 1;
            continue;
        }
        let score = question.score(host, tie);
        let is_better = best
            .as_ref()
            .is_none_or(|(other, _)| score.compare(other).is_lt());
        if is_better {
            best = Some((score, index));
        }
    }
    best.map(|(_, index)| index).ok_or(refusal)
}

/// A demand that is ready to be asked of many hosts.
struct Question<'a> {
    demand: &'a Demand,
    required: Vec<Clause<'a>>,
    wished: Vec<(Clause<'a>, u32)>,
}

/// One affinity: what it is about, and whether that is wanted or unwanted.
struct Clause<'a> {
    about: About<'a>,
    is_wanted: bool,
}

enum About<'a> {
    Labels(&'a Selector),
    Containers(Option<&'a HashSet<ResourceId>>),
    /// The first of its kind, which is content with any host.
    Anywhere,
}

impl<'a> Question<'a> {
    fn new(demand: &'a Demand, whereabouts: &Whereabouts<'a>) -> Self {
        let (mut required, mut wished) = (Vec::new(), Vec::new());
        let placement = &demand.placement;
        let near = placement.near.iter().map(|affinity| (affinity, true));
        let apart = placement.apart.iter().map(|affinity| (affinity, false));
        for (affinity, is_wanted) in near.chain(apart) {
            let Some(about) = about(demand, affinity, is_wanted, whereabouts) else {
                continue;
            };
            let clause = Clause { about, is_wanted };
            match affinity.weight {
                None => required.push(clause),
                Some(weight) => wished.push((clause, u32::from(weight))),
            }
        }
        Self {
            demand,
            required,
            wished,
        }
    }

    fn failed_constraint(&self, host: &Candidate) -> Option<Constraint> {
        let demand = self.demand;
        let placement = &demand.placement;
        let lacks_label = || {
            let mut asked = placement.host_labels.iter();
            asked.any(|(key, value)| host.labels.get(key) != Some(value))
        };
        let has_port_taken = || {
            let mut wanted = demand.ports.iter();
            wanted.any(|wanted| host.ports.iter().any(|held| held.excludes(wanted)))
        };
        let lacks =
            |asked: i64, capacity: i64, reserved: i64| asked > 0 && asked > capacity - reserved;
        if placement.host_id.is_some_and(|id| id != host.id) {
            return Some(Constraint::Host);
        }
        if host.state != State::Active {
            return Some(Constraint::State);
        }
        if lacks_label() {
            return Some(Constraint::Labels);
        }
        if let Some(clause) = self.required.iter().find(|clause| !clause.is_met(host)) {
            return Some(clause.constraint());
        }
        if host.is_full() {
            return Some(Constraint::Containers);
        }
        if has_port_taken() {
            return Some(Constraint::Ports);
        }
        if lacks(
            demand.amount.cpu_millis,
            host.capacity.cpu_millis,
            host.reserved.cpu_millis,
        ) {
            return Some(Constraint::Cpu);
        }
        let lacks_memory = lacks(
            demand.amount.memory_mib,
            host.capacity.memory_mib,
            host.reserved.memory_mib,
        );
        lacks_memory.then_some(Constraint::Memory)
    }

    fn score(&self, host: &Candidate, tie: u64) -> Score {
        let met = self.wished.iter().filter(|(clause, _)| clause.is_met(host));
        Score {
            strategy: self.demand.placement.strategy,
            wishes: met.map(|(_, weight)| weight).sum(),
            fullness: host.fullness_with(self.demand),
            containers: host.containers,
            order: shuffle(tie, host.id),
        }
    }
}

/// What an affinity is about; nothing if it names nothing.
fn about<'a>(
    demand: &Demand,
    affinity: &'a Affinity,
    is_wanted: bool,
    whereabouts: &Whereabouts<'a>,
) -> Option<About<'a>> {
    if let Some(selector) = &affinity.hosts {
        return Some(About::Labels(selector));
    }
    let neighbours = affinity.neighbours()?;
    let holders = whereabouts.get(&neighbours).copied();
    let there_is_none = holders.is_none_or(HashSet::is_empty);
    if is_wanted && there_is_none && demand.is_among(&neighbours) {
        return Some(About::Anywhere);
    }
    Some(About::Containers(holders))
}

impl Clause<'_> {
    fn is_met(&self, host: &Candidate) -> bool {
        let holds = match self.about {
            About::Labels(selector) => selector.selects(&host.labels),
            About::Containers(holders) => holders.is_some_and(|hosts| hosts.contains(&host.id)),
            About::Anywhere => true,
        };
        holds == self.is_wanted
    }

    fn constraint(&self) -> Constraint {
        match (&self.about, self.is_wanted) {
            (About::Labels(_), true) => Constraint::Labels,
            (About::Labels(_), false) => Constraint::Avoided,
            (_, true) => Constraint::Near,
            (_, false) => Constraint::Apart,
        }
    }
}

/// How good a host is.
struct Score {
    strategy: Strategy,
    wishes: u32,
    fullness: f64,
    containers: u32,
    order: u64,
}

impl Score {
    /// The better one is less.
    fn compare(&self, other: &Self) -> Ordering {
        let emptier = self
            .fullness
            .total_cmp(&other.fullness)
            .then(self.containers.cmp(&other.containers));
        let by_strategy = match self.strategy {
            Strategy::Spread => emptier,
            Strategy::Binpack => emptier.reverse(),
        };
        let more_wishes = other.wishes.cmp(&self.wishes);
        more_wishes
            .then(by_strategy)
            .then(self.order.cmp(&other.order))
    }
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
