//! Where the containers are that others ask to be near to or apart from.
//!
//! What the database told a moment ago, with the picks of this server since then counted in. A guess
//! as the view of the hosts is: that a container is apart from those of which no one may be beside it,
//! the database checks when the place is taken. While one asks anew, the others go on with what was
//! known, so that a burst asks once for each kind of container and not once for each container.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_domain::placement::{Demand, Whereabouts};
use drover_domain::resource::Neighbours;
use drover_domain::{ResourceId, Timestamp};
use drover_store::{Store, StoreError};

/// How old an answer may be before somebody asks anew.
const FRESH: Duration = Duration::from_millis(250);
/// The most kinds of containers that are remembered. Beyond that all are asked about anew.
const MOST: usize = 1_000;

/// Some containers of a project.
type Kind = (Option<ResourceId>, Neighbours);

/// What this server knows of where containers are.
#[derive(Default)]
pub(crate) struct Neighbourhood {
    known: Mutex<HashMap<Kind, Known>>,
}

struct Known {
    asked: Timestamp,
    hosts: HashSet<ResourceId>,
}

/// The answers that one demand needs, as long as it is being placed.
pub(crate) struct Answers<'a> {
    known: MutexGuard<'a, HashMap<Kind, Known>>,
    project: Option<ResourceId>,
}

impl Neighbourhood {
    /// Sees to it that what a demand asks about is known.
    pub(crate) async fn ask(
        &self,
        store: &Store,
        project: Option<ResourceId>,
        demand: &Demand,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for neighbours in demand.neighbours() {
            let kind = (project, neighbours);
            if !self.is_ours_to_ask(&kind, now) {
                continue;
            }
            let hosts = store.hosts_of(project, &kind.1).await?;
            let mut known = self.lock();
            if known.len() >= MOST {
                known.clear();
            }
            known.insert(kind, Known { asked: now, hosts });
        }
        Ok(())
    }

    /// Whether nobody knows, or what is known is old and nobody else asks.
    fn is_ours_to_ask(&self, kind: &Kind, now: Timestamp) -> bool {
        let mut known = self.lock();
        let Some(known) = known.get_mut(kind) else {
            return true;
        };
        // A clock that was set back makes nothing fresh.
        let is_fresh = known.asked <= now && known.asked.until(now) < FRESH;
        if !is_fresh {
            known.asked = now;
        }
        !is_fresh
    }

    /// What is known, to place one container of a project.
    pub(crate) fn answers(&self, project: Option<ResourceId>) -> Answers<'_> {
        Answers {
            known: self.lock(),
            project,
        }
    }

    /// Forgets everything: it has proved wrong.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers<'_> {
    /// The hosts of each kind of containers that a demand asks about.
    pub(crate) fn to(&self, demand: &Demand) -> Whereabouts<'_> {
        let known = demand.neighbours().into_iter().filter_map(|neighbours| {
            let kind = (self.project, neighbours);
            let known = self.known.get(&kind)?;
            Some((kind.1, &known.hosts))
        });
        known.collect()
    }

    /// Counts in a container that is placed on a host.
    pub(crate) fn count_in(mut self, demand: &Demand, host: ResourceId) {
        for ((project, neighbours), known) in self.known.iter_mut() {
            if *project == self.project && demand.is_among(neighbours) {
                known.hosts.insert(host);
            }
        }
    }
}
