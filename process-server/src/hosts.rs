//! What is known of the hosts, for placement.
//!
//! A snapshot of the database that may be a moment old, with the picks of this server since then
//! counted in, so that a burst of containers is spread. It is a guess either way: the reservation
//! is checked by the database.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_domain::placement::{self, Candidate, Demand, HeldPort, NoHost};
use drover_domain::{ResourceId, Timestamp};
use drover_store::clock::Clock;
use drover_store::{Store, StoreError};

use crate::Chance;

/// How old a snapshot may be.
const FRESH: Duration = Duration::from_millis(250);

/// The hosts as this server knows them.
#[derive(Clone)]
pub(crate) struct Hosts {
    store: Store,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
    snapshot: Arc<Mutex<Option<Snapshot>>>,
}

struct Snapshot {
    taken: Timestamp,
    candidates: Vec<Candidate>,
}

impl Hosts {
    pub(crate) fn new(store: Store, clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self {
            store,
            clock,
            chance,
            snapshot: Arc::default(),
        }
    }

    /// Picks a host for a demand.
    pub(crate) async fn place(
        &self,
        demand: &Demand,
    ) -> Result<Result<ResourceId, NoHost>, StoreError> {
        if !self.is_fresh() {
            let candidates = self.store.candidates().await?;
            self.set(Some(Snapshot {
                taken: self.clock.now(),
                candidates,
            }));
        }
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let candidates = match &mut *snapshot {
            Some(snapshot) => &mut snapshot.candidates,
            None => &mut Vec::new(),
        };
        let picked = placement::place(demand, candidates, self.chance.number());
        if let Ok(id) = &picked
            && let Some(host) = candidates.iter_mut().find(|host| host.id == *id)
        {
            count_in(demand, host);
        }
        Ok(picked)
    }

    /// Forgets the snapshot: it has proved wrong.
    pub(crate) fn forget(&self) {
        self.set(None);
    }

    fn set(&self, snapshot: Option<Snapshot>) {
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    fn is_fresh(&self) -> bool {
        let snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        snapshot
            .as_ref()
            // A clock that was set back makes none fresh.
            .is_some_and(|snapshot| snapshot.taken <= now && snapshot.taken.until(now) < FRESH)
    }
}

fn count_in(demand: &Demand, host: &mut Candidate) {
    host.containers += 1;
    host.reserved.cpu_millis += demand.amount.cpu_millis;
    host.reserved.memory_mib += demand.amount.memory_mib;
    for port in &demand.ports {
        if let Some(number) = port.host_port {
            host.ports.push(HeldPort {
                ip: port.host_ip,
                port: number,
                protocol: port.protocol,
            });
        }
    }
}
