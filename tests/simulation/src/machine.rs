//! A host: its machine, and what its agent remembers. Plain data; what happens when is decided by
//! [`agents`](crate::agents).
//!
//! The rules are those of the real agent's ledger, reports and simulated runtime: an older fence is
//! refused, a repeat is answered from memory, a container has one command at a time in the order of
//! arrival; what ended or was started by hand is told until it is settled, unless a reply has told it.

use std::collections::{BTreeMap, VecDeque};

use drover_domain::{Fence, ResourceId, ResourceRef};
use drover_proto::v1::seen_container::State;
use drover_proto::v1::{Envelope, Reply, SeenContainer};

/// A host.
#[derive(Debug, Default)]
pub struct Host {
    /// Whether its agent is connected.
    pub is_connected: bool,
    /// How often its agent was started anew.
    pub life: u32,
    /// When that was last; what was sent to it before then is lost.
    pub started: Option<drover_domain::Timestamp>,
    /// What it runs; outlives the agent.
    pub machine: BTreeMap<ResourceId, Made>,
    /// What the agent remembers.
    pub books: Books,
    /// The highest fence of whatever was carried out, by container; kept by the simulation, not by
    /// the agent, to hold against what is carried out next.
    pub obeyed: BTreeMap<ResourceId, Fence>,
    /// How often a container has ended or vanished without a command.
    pub ended: BTreeMap<ResourceId, usize>,
}

/// A container on a machine.
#[derive(Clone, Debug)]
pub struct Made {
    /// Created, running or exited.
    pub state: State,
    /// How its last run ended.
    pub exit_code: Option<i32>,
    /// The fence under which it was last acted on.
    pub fence: Fence,
}

/// What an agent remembers until it is started anew.
#[derive(Debug, Default)]
pub struct Books {
    /// The highest fence seen for each resource.
    pub fences: BTreeMap<ResourceRef, Fence>,
    /// Commands by their ids: who waits for them, or how they were answered.
    pub entries: BTreeMap<String, Entry>,
    /// Who waits for the turn on a container, by slot; there while it is somebody's turn.
    pub lines: BTreeMap<ResourceId, VecDeque<u64>>,
    /// What the servers were told last.
    pub told: BTreeMap<ResourceId, (State, Option<i32>)>,
    /// What is still to be told.
    pub pending: BTreeMap<ResourceId, SeenContainer>,
    /// Whether an inventory is still to be settled, and which is the latest one asked for.
    pub inventory: Option<u64>,
    /// Counts inventories.
    pub inventories: u64,
}

/// What became of a command.
#[derive(Clone, Debug)]
pub enum Entry {
    /// It waits or is being carried out, for whoever sent these requests.
    InFlight(Vec<Envelope>),
    /// It was answered.
    Finished(Box<Reply>),
}

impl Host {
    /// A container as it is.
    pub fn seen(&self, id: ResourceId) -> SeenContainer {
        let mut seen = SeenContainer {
            container_id: id.to_string(),
            ..SeenContainer::default()
        };
        match self.machine.get(&id) {
            None => seen.set_state(State::Missing),
            Some(made) => {
                seen.runtime_id = format!("made-{}", id.uuid().simple());
                seen.exit_code = made.exit_code;
                seen.set_state(made.state);
            }
        }
        seen
    }

    /// Every container.
    pub fn all(&self) -> Vec<SeenContainer> {
        self.machine.keys().map(|id| self.seen(*id)).collect()
    }

    /// Makes a container; false if it is there.
    pub fn create(&mut self, id: ResourceId, fence: Fence) -> bool {
        let is_new = !self.machine.contains_key(&id);
        let made = self.machine.entry(id).or_insert(Made {
            state: State::Created,
            exit_code: None,
            fence,
        });
        made.fence = fence;
        is_new
    }

    /// Starts a container. False if it is not there.
    pub fn start(&mut self, id: ResourceId, fence: Fence) -> bool {
        let Some(made) = self.machine.get_mut(&id) else {
            return false;
        };
        made.state = State::Running;
        made.exit_code = None;
        made.fence = fence;
        true
    }

    /// Ends a run, if it runs.
    pub fn stop(&mut self, id: ResourceId, exit_code: i32) -> bool {
        match self.machine.get_mut(&id) {
            Some(made) if made.state == State::Running => {
                made.state = State::Exited;
                made.exit_code = Some(exit_code);
                true
            }
            _ => false,
        }
    }
}

impl Books {
    /// Something is to be told of everything.
    pub fn ask_for_inventory(&mut self) {
        self.inventories += 1;
        self.inventory = Some(self.inventories);
    }

    /// The reply to a command that changed something described a container. Whether it was to end it.
    pub fn replied(&mut self, id: ResourceId, seen: &SeenContainer, is_to_end: bool) {
        if is_end(seen) && !is_to_end {
            // Whoever had it started takes it for running.
            self.told.insert(id, (State::Running, None));
            return;
        }
        self.told.insert(id, (seen.state(), seen.exit_code));
        self.pending.remove(&id);
    }

    /// A container was looked at while no command was at work on it.
    pub fn observed(&mut self, id: ResourceId, seen: SeenContainer) {
        let told = (seen.state(), seen.exit_code);
        let is_news = is_end(&seen) || seen.state() == State::Running;
        if !is_news || self.told.get(&id) == Some(&told) {
            self.pending.remove(&id);
        } else {
            self.pending.insert(id, seen);
        }
    }
}

fn is_end(seen: &SeenContainer) -> bool {
    matches!(seen.state(), State::Exited | State::Missing)
}
