//! What is known of the hosts, for placement.
//!
//! A snapshot of the database that may be a moment old, with the picks of this server since then
//! counted in, so that a burst of containers is spread. It is a guess either way: the reservation
//! is checked by the database. While one looks at the hosts anew, the others go on with what was
//! known, so that a burst asks the database once and not once for each container. A look costs as much
//! as there are hosts and ports that are held, so it is taken the more rarely the longer it takes: in a
//! twentieth of the time at most.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_domain::engine::turns::Turns;
use drover_domain::placement::{self, Candidate, Demand, NoHost};
use drover_domain::{ResourceId, State, Timestamp};
use drover_store::clock::Clock;
use drover_store::{Store, StoreError};

use crate::Chance;
use crate::neighbourhood::Neighbourhood;

/// How old a snapshot may be before somebody looks anew, at the least.
const FRESH: Duration = Duration::from_millis(250);
/// The same, in times of how long the look took.
const SHARE: u32 = 20;
/// How much older than that it may be while somebody looks.
const USABLE: Duration = Duration::from_secs(2);
/// How far apart those look again who wait for a host to become active.
const TURN: Duration = Duration::from_millis(50);

/// The hosts as this server knows them.
#[derive(Clone)]
pub(crate) struct Hosts {
    store: Store,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    snapshot: Arc<Mutex<Option<Snapshot>>>,
    neighbourhood: Arc<Neighbourhood>,
    is_looking: Arc<AtomicBool>,
    turns: Arc<Mutex<Turns>>,
}

struct Snapshot {
    taken: Timestamp,
    /// How long it is fresh.
    fresh: Duration,
    candidates: Vec<Candidate>,
}

impl Hosts {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self {
            store,
            clock,
            chance,
            snapshot: Arc::default(),
            neighbourhood: Arc::default(),
            is_looking: Arc::default(),
            turns: Arc::new(Mutex::new(Turns::apart(TURN))),
        }
    }

    /// Picks a host for the demand of a container of a project.
    pub(crate) async fn place(
        &self,
        project: Option<ResourceId>,
        demand: &Demand,
    ) -> Result<Result<ResourceId, NoHost>, StoreError> {
        self.freshen().await?;
        let asking = self
            .neighbourhood
            .ask(&self.store, project, demand, self.clock.now());
        asking.await?;
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let candidates = match &mut *snapshot {
            Some(snapshot) => &mut snapshot.candidates,
            None => &mut Vec::new(),
        };
        let answers = self.neighbourhood.answers(project);
        let picked = placement::place(
            demand,
            candidates,
            &answers.to(demand),
            self.chance.number(),
        );
        Ok(picked.map(|index| {
            let host = &mut candidates[index];
            host.take(demand);
            answers.count_in(demand, host.id);
            host.id
        }))
    }

    /// The hosts that take containers and bear some labels, by id. Costs a look at each of them, in memory.
    pub(crate) async fn that_take_containers(
        &self,
        labels: &BTreeMap<String, String>,
    ) -> Result<Vec<ResourceId>, StoreError> {
        self.freshen().await?;
        let snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let bears = |candidate: &Candidate| {
            let mut wanted = labels.iter();
            wanted.all(|(key, value)| candidate.labels.get(key) == Some(value))
        };
        let known = snapshot.iter().flat_map(|snapshot| &snapshot.candidates);
        let mut ids: Vec<ResourceId> = known
            .filter(|candidate| candidate.state == State::Active && bears(candidate))
            .map(|candidate| candidate.id)
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Looks at the hosts, unless that was done a moment ago or somebody else does it.
    async fn freshen(&self) -> Result<(), StoreError> {
        if !self.is_fresh(Duration::ZERO) {
            let looking = Looking::begin(&self.is_looking);
            if looking.is_some() || !self.is_fresh(USABLE) {
                self.look().await?;
            }
        }
        Ok(())
    }

    async fn look(&self) -> Result<(), StoreError> {
        let taken = self.clock.now();
        let candidates = self.store.candidates().await?;
        let took = taken.until(self.clock.now());
        self.set(Some(Snapshot {
            taken,
            fresh: FRESH.max(took * SHARE),
            candidates,
        }));
        Ok(())
    }

    /// Whether a host was not removed when the hosts were last looked at, a moment ago. Whoever acts
    /// on that may be a moment late, as if it had acted a moment earlier.
    pub(crate) fn was_there_just_now(&self, host: ResourceId) -> bool {
        if !self.is_fresh(Duration::ZERO) {
            return false;
        }
        let snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let mut candidates = snapshot.iter().flat_map(|snapshot| &snapshot.candidates);
        candidates.any(|candidate| candidate.id == host)
    }

    /// When one who waits for a host to become active looks again, not before `earliest`.
    pub(crate) fn turn(&self, earliest: Timestamp) -> Timestamp {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.next(self.clock.now(), earliest)
    }

    /// Forgets the snapshot: it has proved wrong.
    pub(crate) fn forget(&self) {
        self.set(None);
        self.neighbourhood.forget();
    }

    fn set(&self, snapshot: Option<Snapshot>) {
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// Whether it is, or has not been for longer than so.
    fn is_fresh(&self, beyond: Duration) -> bool {
        let snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        snapshot
            .as_ref()
            // A clock that was set back makes none fresh.
            .is_some_and(|snapshot| {
                let age = snapshot.taken.until(now);
                snapshot.taken <= now && age < snapshot.fresh + beyond
            })
    }
}

/// Somebody looks at the hosts, as long as this lives.
struct Looking(Arc<AtomicBool>);

impl Looking {
    /// None if somebody does already.
    fn begin(is_looking: &Arc<AtomicBool>) -> Option<Self> {
        let was_looking = is_looking.swap(true, Ordering::AcqRel);
        (!was_looking).then(|| Self(is_looking.clone()))
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
