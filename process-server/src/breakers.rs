//! The breakers of the hosts that this server has sent commands to.
//!
//! What a breaker decides stands in the [domain](drover_domain::engine::breaker). Here it is asked
//! before each command and told what became of it. Each server has its own: a host that only one
//! of them cannot reach is at rest for that one only.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use drover_domain::ResourceId;
use drover_domain::engine::breaker::{AtRest, Breaker};
use drover_store::clock::Clock;

use crate::chance::Chance;
use crate::vitals;

/// The breakers of one server.
#[derive(Clone)]
pub(crate) struct Breakers {
    hosts: Arc<Mutex<Hosts>>,
    clock: Arc<dyn Clock>,
    chance: Arc<dyn Chance>,
}

/// A question to a host; one that is dropped without an answer is given up.
pub(crate) struct Asking<'a> {
    breakers: &'a Breakers,
    host: ResourceId,
    has_answer: bool,
}

impl Asking<'_> {
    /// There is an answer, which the breaker is told of.
    pub(crate) fn answered(mut self) {
        self.has_answer = true;
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if !self.has_answer {
            self.breakers.give_up(self.host);
        }
    }
}

#[derive(Default)]
struct Hosts {
    /// Of those that failed since their last success; the others have nothing to remember.
    failing: HashMap<ResourceId, Breaker>,
    /// Hosts that are well again and whose work has not been woken yet.
    recovered: Vec<ResourceId>,
}

impl Breakers {
    pub(crate) fn new(clock: Arc<dyn Clock>, chance: Arc<dyn Chance>) -> Self {
        Self {
            hosts: Arc::default(),
            clock,
            chance,
        }
    }

    /// Asks whether something may be tried on a host.
    pub(crate) fn ask(&self, host: ResourceId) -> Result<(), AtRest> {
        let now = self.clock.now();
        self.with(|hosts| match hosts.failing.get_mut(&host) {
            Some(breaker) => breaker.ask(now),
            None => Ok(()),
        })
    }

    /// The host did what it was asked, or is connected again.
    pub(crate) fn succeed(&self, host: ResourceId) {
        self.with(|hosts| {
            if let Some(mut breaker) = hosts.failing.remove(&host)
                && breaker.succeed()
            {
                tracing::info!(%host, "the host is well again");
                hosts.recovered.push(host);
                vitals::hosts_at_rest(Self::count(hosts));
            }
        });
    }

    /// The host did not do what it was asked.
    pub(crate) fn fail(&self, host: ResourceId, reason: &str) {
        let (now, jitter) = (self.clock.now(), self.chance.fraction());
        self.with(|hosts| {
            let breaker = hosts.failing.entry(host).or_default();
            let was_open = breaker.is_open();
            breaker.fail(reason, now, jitter);
            if breaker.is_open() && !was_open {
                tracing::warn!(%host, reason, "the host fails again and again, its work waits");
                vitals::hosts_at_rest(Self::count(hosts));
            }
        });
    }

    /// Whoever asked the host will not know what came of it.
    fn give_up(&self, host: ResourceId) {
        let now = self.clock.now();
        self.with(|hosts| {
            if let Some(breaker) = hosts.failing.get_mut(&host) {
                breaker.give_up(now);
            }
        });
    }

    /// Somebody asks the host, and may be stopped before there is an answer.
    pub(crate) fn asking(&self, host: ResourceId) -> Asking<'_> {
        Asking {
            breakers: self,
            host,
            has_answer: false,
        }
    }

    /// The hosts that are well again since this was last asked: what waits for them can go on.
    pub(crate) fn take_recovered(&self) -> Vec<ResourceId> {
        self.with(|hosts| std::mem::take(&mut hosts.recovered))
    }

    fn with<R>(&self, act: impl FnOnce(&mut Hosts) -> R) -> R {
        act(&mut self.hosts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(hosts: &Hosts) -> usize {
        hosts
            .failing
            .values()
            .filter(|breaker| breaker.is_open())
            .count()
    }
}
