//! What must hold at every moment, whatever goes wrong.
//!
//! | invariant | how it is looked at |
//! | --- | --- |
//! | each record of the change log leads from the state before it by the lifecycle | every record, every few turns |
//! | a version grows by one with each record | every record, every few turns |
//! | a process keeps its fence or gets a higher one; one that has ended stays as it is | all processes, every few turns |
//! | a resource has one unfinished process at most, and is on its way while it has one | the same |
//! | what is taken of a host is the sum of what lives there | the same |
//! | an agent carries out nothing under a fence older than that of what it has carried out | at each effect, in [`agents`](crate::agents) |
//! | a container is started again at most once for each time that it has ended by itself | every few turns |
//! | a container is on one machine at most, and there on the host of its row | every few turns |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use drover_domain::lifecycle::{self, Request};
use drover_domain::resource::Details;
use drover_domain::{Phase, Process, ProcessId, Resource, ResourceId, ResourceType, State};
use drover_store::{ChangeFilter, Position, ProcessFilter, ResourceFilter, Store, StoreError};

use crate::agents::Agents;
use crate::kernel::Kernel;

/// Turns that ask the database between two looks at the change log. Nothing is missed between them,
/// it is only seen later.
const READ_EVERY: u32 = 4;
/// Turns that ask the database between two looks at everything.
const LOOK_EVERY: u32 = 24;
/// More than a simulation ever makes.
const ALL: u64 = 100_000;

/// Looks at everything and remembers what it saw.
pub struct Watch {
    kernel: Kernel,
    store: Store,
    agents: Agents,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    turns: u32,
    position: Position,
    states: BTreeMap<ResourceId, (State, i64)>,
    processes: BTreeMap<ProcessId, Process>,
}

impl Watch {
    /// One that has seen nothing yet.
    pub fn new(kernel: Kernel, store: Store, agents: Agents) -> Self {
        Self {
            kernel,
            store,
            agents,
            seen: Mutex::default(),
        }
    }

    /// After a turn in which the database was asked.
    pub async fn look(&self) {
        let turns = {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.turns += 1;
            seen.turns
        };
        let looked = match (turns % LOOK_EVERY, turns % READ_EVERY) {
            (0, _) => self.look_at_everything().await,
            (_, 0) => self.read_changes().await,
            _ => Ok(()),
        };
        if let Err(error) = looked {
            self.kernel.violate(format!("the database failed: {error}"));
        }
    }

    /// Looks at everything now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn look_at_everything(&self) -> Result<(), StoreError> {
        self.read_changes().await?;
        let processes = self.store.processes(&all_processes()).await?;
        self.compare(&processes);
        let containers = self.store.resources(&all(ResourceType::Container)).await?;
        let hosts = self.store.resources(&all(ResourceType::Host)).await?;
        self.hold_together(containers.iter().chain(&hosts), &processes);
        self.add_up(&containers).await?;
        self.look_at_machines(&containers);
        self.count_recoveries(&processes);
        Ok(())
    }

    async fn read_changes(&self) -> Result<(), StoreError> {
        let position = {
            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.position
        };
        let everything = ChangeFilter::default();
        let changes = self.store.changes(position, &everything, ALL).await?;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            seen.position = change.position;
            let after = (change.state, change.version);
            let before = seen.states.insert(change.resource.id, after);
            let Some((state, version)) = before else {
                continue;
            };
            let resource = change.resource;
            if change.version != version + 1 {
                self.kernel.violate(format!(
                    "{resource} goes from version {version} to {}",
                    change.version
                ));
            }
            if !leads(resource.resource_type, state, change.state) {
                self.kernel.violate(format!(
                    "{resource} goes from {state} to {}, which no lifecycle allows",
                    change.state
                ));
            }
        }
        Ok(())
    }

    /// Holds processes against what they were before.
    fn compare(&self, processes: &[Process]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for process in processes {
            if let Some(before) = seen.processes.insert(process.id, process.clone()) {
                if process.fence < before.fence {
                    let (from, to) = (before.fence, process.fence);
                    self.kernel.violate(format!(
                        "{}: the fence falls from {from} to {to}",
                        process.id
                    ));
                }
                if before.phase.is_finished() && *process != before {
                    self.kernel.violate(format!(
                        "{} was {} and has changed",
                        process.id, before.phase
                    ));
                }
            }
            let unfinished = process.journal.iter();
            let unfinished = unfinished.filter(|entry| entry.finished.is_none()).count();
            if unfinished > 1 {
                self.kernel
                    .violate(format!("{} has {unfinished} open steps", process.id));
            }
            let explains = process
                .message
                .as_ref()
                .is_some_and(|text| !text.is_empty());
            if matches!(process.phase, Phase::Failed | Phase::Canceled) && !explains {
                self.kernel.violate(format!(
                    "{} is {} without a reason",
                    process.id, process.phase
                ));
            }
        }
    }

    fn hold_together<'a>(
        &self,
        resources: impl Iterator<Item = &'a Resource>,
        processes: &[Process],
    ) {
        let mut at_work: BTreeMap<ResourceId, &Process> = BTreeMap::new();
        for process in processes
            .iter()
            .filter(|process| !process.phase.is_finished())
        {
            if let Some(other) = at_work.insert(process.resource.id, process) {
                self.kernel.violate(format!(
                    "{} has two unfinished processes, {} and {}",
                    process.resource, other.id, process.id
                ));
            }
        }
        for resource in resources {
            let process = at_work.get(&resource.id);
            let via = process.and_then(|process| Some(process.definition()?.via));
            let is_on_its_way =
                resource.state.is_transitional() || resource.state == State::Activating;
            if via.is_some_and(|via| via != resource.state) || (via.is_none() && is_on_its_way) {
                self.kernel.violate(format!(
                    "{} is {} while {} is at work",
                    resource.id,
                    resource.state,
                    process.map_or("nothing", |process| process.request.as_str()),
                ));
            }
        }
    }

    /// What is taken of each host is the sum of what lives there.
    async fn add_up(&self, containers: &[Resource]) -> Result<(), StoreError> {
        let hosts = self.agents.ids();
        let rooms = self.store.rooms(hosts.iter().copied()).await?;
        for host in hosts {
            let here = containers
                .iter()
                .filter(|container| container.host == Some(*host) && container.removed.is_none());
            let (mut memory, mut count) = (0, 0);
            for container in here {
                count += 1;
                if let Details::Container { spec, .. } = &container.details {
                    memory += i64::from(spec.resources.memory_mib.unwrap_or_default());
                }
            }
            let Some((_, taken, containers)) = rooms.get(host) else {
                continue;
            };
            if taken.memory_mib != memory || *containers != count {
                self.kernel.violate(format!(
                    "{host} counts {containers} containers with {} MiB, but {count} with {memory} \
                     live there",
                    taken.memory_mib
                ));
            }
        }
        Ok(())
    }

    /// Each end of a container leads to one recovery at most, however often it is reported. Those that a
    /// client asked for again have no report as their cause.
    fn count_recoveries(&self, processes: &[Process]) {
        let mut recoveries: BTreeMap<ResourceId, usize> = BTreeMap::new();
        let reported = processes.iter().filter(|process| {
            process.request == Request::Recover && !process.cause.request_id.is_empty()
        });
        for process in reported {
            *recoveries.entry(process.resource.id).or_default() += 1;
        }
        let hosts = self.agents.hosts();
        let wrong = recoveries.into_iter().find(|(container, recoveries)| {
            let ended = hosts.iter().filter_map(|host| host.ended.get(container));
            *recoveries > ended.sum::<usize>()
        });
        drop(hosts);
        if let Some((container, recoveries)) = wrong {
            self.kernel.violate(format!(
                "{container} has {recoveries} recoveries, and has not ended so often"
            ));
        }
    }

    /// No container is on two machines, and none where its row was never placed.
    fn look_at_machines(&self, containers: &[Resource]) {
        let hosts = self.agents.hosts();
        let mut found: BTreeSet<ResourceId> = BTreeSet::new();
        let mut wrong = None;
        for (host, id) in hosts.iter().zip(self.agents.ids()) {
            for container in host.machine.keys() {
                let row = containers.iter().find(|row| row.id == *container);
                let lives_elsewhere = row.is_some_and(|row| row.host != Some(*id));
                if !found.insert(*container) || lives_elsewhere {
                    wrong = Some(format!("{container} is on {id}, where it does not live"));
                }
            }
        }
        drop(hosts);
        if let Some(wrong) = wrong {
            self.kernel.violate(wrong);
        }
    }
}

/// All processes there are.
pub fn all_processes() -> ProcessFilter {
    ProcessFilter {
        resource: None,
        project: None,
        parent: None,
        phases: Vec::new(),
        after: None,
        limit: ALL,
    }
}

/// All of a type, also what was removed.
pub fn all(resource_type: ResourceType) -> ResourceFilter {
    ResourceFilter {
        with_removed: true,
        ..ResourceFilter::all(resource_type, ALL)
    }
}

/// Whether a lifecycle allows that one state follows another.
fn leads(resource_type: ResourceType, before: State, after: State) -> bool {
    let lifecycle = lifecycle::of(resource_type);
    let is_asked = |from: State| {
        lifecycle.processes.iter().any(|definition| {
            let is_allowed = |force| lifecycle.decide(from, definition.request, force).is_ok();
            definition.via == after && (is_allowed(false) || is_allowed(true))
        })
    };
    let ends = lifecycle.processes.iter().any(|definition| {
        let is_over = after == definition.done || after == definition.failed();
        // A cancellation leaves a resource as it was, if nothing was begun.
        let returns = lifecycle.decide(after, definition.request, true).is_ok();
        definition.via == before && (is_over || returns)
    });
    let is_reported = lifecycle
        .reports
        .iter()
        .any(|report| report.from == before && report.to == after);
    // A step that changed something, or facts that did.
    let stays = before == after;
    stays || is_asked(before) || ends || is_reported
}
