//! The state of a simulated engine: plain data, changed under its owner's lock.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use drover_domain::resource::HealthCheck;
use drover_domain::{ResourceId, Timestamp};
use drover_proto::v1::{CreateContainer, Port, SeenContainer, seen_container::State};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::script::{Action, Script};
use super::storage::Storage;
use super::streams::now;
use crate::runtime::{RuntimeError, missing};

/// Where the ports begin that are given to those who name none.
const FIRST_FREE_PORT: u32 = 32_768;
const LAST_PORT: u32 = 65_535;
/// Containers whose failures are counted, also of those that do not exist; of more they are forgotten.
const COUNTED: usize = 10_000;

/// A port of the machine: its number, and whether it is one of UDP.
type Held = (u32, bool);

#[derive(Default)]
pub(super) struct Machine {
    containers: HashMap<ResourceId, Container>,
    held: HashSet<Held>,
    failures: HashMap<(ResourceId, Action), u32>,
    cuts: HashMap<(ResourceId, Action), u32>,
    pub(super) storage: Storage,
    runs: u64,
    /// Free ports handed out so far; the search for the next one goes on from there.
    given: u32,
}

struct Container {
    runtime_id: String,
    script: Script,
    ports: Vec<Port>,
    bound: Vec<Port>,
    state: State,
    exit_code: Option<i32>,
    /// Which run this is; no two runs of any container share a number.
    run: u64,
    end: Option<AbortHandle>,
    check: Option<HealthCheck>,
    began: Option<Instant>,
    ran: Option<Duration>,
    /// When its last run began, by the clock on the wall.
    began_at: Option<Timestamp>,
}

/// The last run of a container, as its log tells it.
#[derive(Clone, Copy)]
pub(super) struct Story {
    pub(super) script: Script,
    pub(super) is_running: bool,
    /// How long it ran, or has run.
    pub(super) ran: Duration,
    /// None if it never ran.
    began_at: Option<Timestamp>,
}

impl Story {
    /// How many lines it has written.
    pub(super) fn lines(&self) -> u64 {
        if self.began_at.is_none() {
            return 0;
        }
        let since = self.script.log_every.map_or(0, |every| {
            u64::try_from(self.ran.as_nanos() / every.as_nanos().max(1)).unwrap_or(u64::MAX)
        });
        u64::from(self.at_start()).saturating_add(since)
    }

    /// When it has written a line.
    pub(super) fn moment(&self, line: u64) -> Timestamp {
        let later = line.saturating_sub(u64::from(self.at_start()));
        let later = u32::try_from(later).unwrap_or(u32::MAX);
        let every = self.script.log_every.unwrap_or_default();
        let began = self.began_at.unwrap_or(Timestamp::from_millis(0));
        began.after(every.saturating_mul(later))
    }

    fn at_start(&self) -> u32 {
        self.script.log_lines.unwrap_or(1)
    }
}

/// A run that has begun.
#[derive(Clone, Copy)]
pub(super) struct Started {
    pub(super) run: u64,
    pub(super) ends_after: Option<Duration>,
}

impl Machine {
    /// The script of a container, or one that says nothing.
    pub(super) fn script(&self, id: ResourceId) -> Script {
        self.containers
            .get(&id)
            .map(|container| container.script)
            .unwrap_or_default()
    }

    pub(super) fn fail_as_told(
        &mut self,
        id: ResourceId,
        action: Action,
        script: &Script,
    ) -> Result<(), RuntimeError> {
        let Some((fails, times)) = script.fail else {
            return Ok(());
        };
        if fails != action {
            return Ok(());
        }
        if times.is_some_and(|times| !is_one_of(&mut self.failures, (id, action), times)) {
            return Ok(());
        }
        let message = format!("the label sim.fail makes every {} fail", action.as_str());
        Err(RuntimeError::Runtime(message))
    }

    /// Whether the connection is to break now that an action is carried out.
    pub(super) fn cuts_as_told(&mut self, id: ResourceId, action: Action, script: &Script) -> bool {
        match script.disconnect {
            Some((at, times)) if at == action => {
                is_one_of(&mut self.cuts, (id, action), times.unwrap_or(1))
            }
            _ => false,
        }
    }

    /// The check that a container was made with.
    pub(super) fn check(&self, id: ResourceId) -> Option<HealthCheck> {
        self.containers.get(&id)?.check.clone()
    }

    /// Whether a container runs and its script has it healthy.
    pub(super) fn is_well(&self, id: ResourceId) -> bool {
        self.containers.get(&id).is_some_and(|container| {
            let ran = container.began.map(|began| began.elapsed());
            container.state == State::Running
                && container.script.health.is_well(ran.unwrap_or_default())
        })
    }

    /// What there is to tell of a container; none if it is not there.
    pub(super) fn story(&self, id: ResourceId) -> Option<Story> {
        let container = self.containers.get(&id)?;
        let running = container.began.map(|began| began.elapsed());
        Some(Story {
            script: container.script,
            is_running: container.state == State::Running,
            ran: running.or(container.ran).unwrap_or_default(),
            began_at: container.began_at,
        })
    }

    /// Makes a container; false if it is there already.
    pub(super) fn create(
        &mut self,
        id: ResourceId,
        wanted: &CreateContainer,
        script: Script,
        check: Option<HealthCheck>,
    ) -> bool {
        let Entry::Vacant(place) = self.containers.entry(id) else {
            return false;
        };
        place.insert(Container {
            runtime_id: format!("sim-{}", id.uuid().simple()),
            script,
            ports: wanted.ports.clone(),
            bound: Vec::new(),
            state: State::Created,
            exit_code: None,
            run: 0,
            end: None,
            check,
            began: None,
            ran: None,
            began_at: None,
        });
        true
    }

    /// `None` if it runs already.
    pub(super) fn start(&mut self, id: ResourceId) -> Result<Option<Started>, RuntimeError> {
        let Some(container) = self.containers.get_mut(&id) else {
            return Err(RuntimeError::NotFound(format!(
                "there is no container {id}"
            )));
        };
        if container.state == State::Running {
            return Ok(None);
        }
        let bound = bind(&self.held, &mut self.given, &container.ports)?;
        self.held.extend(bound.iter().map(held_by));
        self.runs += 1;
        container.bound = bound;
        container.state = State::Running;
        container.exit_code = None;
        container.run = self.runs;
        container.began = Some(Instant::now());
        container.began_at = Some(now());
        container.ran = None;
        Ok(Some(Started {
            run: self.runs,
            ends_after: container.script.exit_after,
        }))
    }

    /// Keeps what will end a run, to be called off when it ends otherwise.
    pub(super) fn hold_end(&mut self, id: ResourceId, run: u64, end: AbortHandle) {
        match self.containers.get_mut(&id) {
            Some(container) if container.state == State::Running && container.run == run => {
                container.end = Some(end);
            }
            _ => end.abort(),
        }
    }

    /// Ends a run by itself. False if it was over already.
    pub(super) fn end_run(&mut self, id: ResourceId, run: u64) -> bool {
        let Some(container) = self.containers.get(&id).filter(|known| known.run == run) else {
            return false;
        };
        let code = container.script.exit_code;
        self.end(id, code)
    }

    /// False if it did not run.
    pub(super) fn stop(&mut self, id: ResourceId) -> bool {
        // 128 and SIGTERM, as a program that minds the signal ends.
        self.end(id, 143)
    }

    /// False if it did not run.
    pub(super) fn end(&mut self, id: ResourceId, exit_code: i32) -> bool {
        let Some(container) = self.containers.get_mut(&id) else {
            return false;
        };
        if container.state != State::Running {
            return false;
        }
        for port in container.bound.drain(..) {
            self.held.remove(&held_by(&port));
        }
        if let Some(end) = container.end.take() {
            end.abort();
        }
        container.state = State::Exited;
        container.exit_code = Some(exit_code);
        container.ran = container.began.take().map(|began| began.elapsed());
        true
    }

    /// False if it was not there.
    pub(super) fn remove(&mut self, id: ResourceId) -> bool {
        self.end(id, 137);
        self.storage.unmount(id);
        self.failures.retain(|(failed, _), _| *failed != id);
        self.cuts.retain(|(cut, _), _| *cut != id);
        self.containers.remove(&id).is_some()
    }

    pub(super) fn seen(&self, id: ResourceId) -> SeenContainer {
        self.containers
            .get(&id)
            .map_or_else(|| missing(id), |container| container.seen(id))
    }

    pub(super) fn all(&self) -> Vec<SeenContainer> {
        self.containers
            .iter()
            .map(|(id, container)| container.seen(*id))
            .collect()
    }
}

impl Container {
    fn seen(&self, id: ResourceId) -> SeenContainer {
        SeenContainer {
            container_id: id.to_string(),
            runtime_id: self.runtime_id.clone(),
            state: self.state.into(),
            exit_code: self.exit_code,
            bound_ports: self.bound.clone(),
            ran_millis: self.ran.and_then(|ran| i64::try_from(ran.as_millis()).ok()),
            ..SeenContainer::default()
        }
    }
}

/// Counts one more, unless there were so many already.
fn is_one_of(
    counted: &mut HashMap<(ResourceId, Action), u32>,
    key: (ResourceId, Action),
    times: u32,
) -> bool {
    if counted.len() >= COUNTED {
        counted.clear();
    }
    let count = counted.entry(key).or_default();
    let is_one = *count < times;
    *count += u32::from(is_one);
    is_one
}

/// The ports as they are bound, or the one that somebody else holds.
fn bind(held: &HashSet<Held>, given: &mut u32, wanted: &[Port]) -> Result<Vec<Port>, RuntimeError> {
    let mut taken = HashSet::new();
    let mut bound = Vec::with_capacity(wanted.len());
    for port in wanted {
        let mut port = port.clone();
        let is_free = |key: &Held| !held.contains(key) && !taken.contains(key);
        if port.host_port == 0 {
            let is_udp = held_by(&port).1;
            port.host_port = next_free(given, |number| is_free(&(number, is_udp)))
                .ok_or_else(|| RuntimeError::Runtime("all ports are allocated".to_owned()))?;
        } else if !is_free(&held_by(&port)) {
            return Err(RuntimeError::Runtime(format!(
                "Bind for port {} failed: port is already allocated",
                port.host_port
            )));
        }
        taken.insert(held_by(&port));
        bound.push(port);
    }
    Ok(bound)
}

fn next_free(given: &mut u32, is_free: impl Fn(u32) -> bool) -> Option<u32> {
    let range = LAST_PORT - FIRST_FREE_PORT + 1;
    (0..range).find_map(|_| {
        let number = FIRST_FREE_PORT + *given % range;
        *given = given.wrapping_add(1);
        is_free(number).then_some(number)
    })
}

fn held_by(port: &Port) -> Held {
    (port.host_port, port.protocol == "udp")
}
