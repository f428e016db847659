//! The dispatcher: locks and claims what is offered, many at a time.
//!
//! ```text
//!   offers --> those not at work here --> permits --> locks, one call --> claims, one call --> runners
//! ```
//!
//! Batches form by themselves: while one batch is locked and claimed, the next one gathers. After a batch of
//! several, few wait for company as long as that took: what is taken one by one costs the most. What is
//! offered while its resource is at work here is offered again the moment that it is not. A
//! resource whose lock is held elsewhere is offered again a moment later a few times (the holder is
//! often a process that was superseded and is about to notice), then left to the sweep.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_domain::ResourceId;
use drover_locks::Guard;
use drover_store::Claimed;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::line::Line;
use super::offers::{Offer, Offers};
use super::runner::Runner;
use super::taking::{Taken, Taker};
use crate::Options;

/// The most processes that are locked and claimed at once.
const BATCH: usize = 64;
/// The offers that wait for nothing.
const WORTH_TAKING: usize = 24;
/// The longest that fewer wait for company.
const PATIENCE: Duration = Duration::from_millis(20);
/// How soon a process whose resource is at work is offered again, before jitter.
const HELD_PAUSE: Duration = Duration::from_millis(100);

/// Turns offers into running processes.
pub(crate) struct Dispatcher {
    offers: Offers,
    offered: mpsc::Receiver<Offer>,
    taker: Taker,
    runner: Arc<Runner>,
    permits: Arc<Semaphore>,
    at_work: Arc<AtWork>,
    runners: TaskTracker,
    grace: Duration,
    /// Until when few offers wait for company.
    rests_until: Instant,
}

impl Dispatcher {
    /// A dispatcher of what comes out of a queue of offers, which it makes offers to as well.
    pub(crate) fn new(
        options: &Options,
        (offers, offered): (Offers, mpsc::Receiver<Offer>),
        taker: Taker,
        runner: Arc<Runner>,
    ) -> Self {
        Self {
            offers,
            offered,
            taker,
            runner,
            permits: Arc::new(Semaphore::new(options.in_flight)),
            at_work: Arc::new(AtWork::default()),
            runners: TaskTracker::new(),
            grace: options.grace,
            rests_until: Instant::now(),
        }
    }

    /// Dispatches until `shutdown`, then waits for the runners, at most for the grace.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut waiting = Line::default();
        loop {
            let batch = tokio::select! {
                batch = self.next_batch(&mut waiting) => batch,
                () = shutdown.cancelled() => break,
            };
            let (several, began) = (batch.len() > 1, Instant::now());
            self.dispatch(batch).await;
            if several {
                self.rests_until = Instant::now() + began.elapsed().min(PATIENCE);
            }
        }
        self.runners.close();
        if tokio::time::timeout(self.grace, self.runners.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                left = self.runners.len(),
                "steps under way were left behind"
            );
        }
    }

    /// Waits for offers and for a permit, and takes as many as there are permits. Safe to cancel:
    /// what was received stays in `waiting`.
    async fn next_batch(&mut self, waiting: &mut Line) -> Vec<(Offer, OwnedSemaphorePermit)> {
        if waiting.is_empty() {
            match self.offered.recv().await {
                Some(offer) => waiting.join(offer),
                None => std::future::pending().await,
            }
        }
        while waiting.len() < WORTH_TAKING {
            tokio::select! {
                biased;
                () = sleep_until(self.rests_until) => break,
                offer = self.offered.recv() => match offer {
                    Some(offer) => waiting.join(offer),
                    None => break,
                },
            }
        }
        // The semaphore is never closed; if it were, there would be nothing to dispatch.
        let Ok(first) = self.permits.clone().acquire_owned().await else {
            return std::future::pending().await;
        };
        while !waiting.is_full()
            && let Ok(offer) = self.offered.try_recv()
        {
            waiting.join(offer);
        }
        let mut permits = VecDeque::from([first]);
        let mut batch = Vec::new();
        let mut resources = HashSet::new();
        let mut postponed = Vec::new();
        while batch.len() < BATCH
            && let Some(offer) = waiting.next()
        {
            if self.at_work.is_at_work(offer) {
                continue;
            }
            if !resources.insert(offer.ready.resource.id) {
                postponed.push(offer);
                continue;
            }
            let permit = permits
                .pop_front()
                .or_else(|| self.permits.clone().try_acquire_owned().ok());
            match permit {
                Some(permit) => batch.push((offer, permit)),
                None => {
                    waiting.put_back(offer);
                    break;
                }
            }
        }
        for offer in postponed {
            waiting.put_back(offer);
        }
        batch
    }

    async fn dispatch(&self, batch: Vec<(Offer, OwnedSemaphorePermit)>) {
        if batch.is_empty() {
            return;
        }
        let offered: Vec<Offer> = batch.iter().map(|(offer, _)| *offer).collect();
        let taken = match self.taker.take(&offered).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::warn!(%error, source = ?std::error::Error::source(&error), "nothing taken");
                return;
            }
        };
        for ((offer, permit), taken) in batch.into_iter().zip(taken) {
            match taken {
                Taken::Ours(claimed, guard) => self.start(*claimed, guard, permit),
                Taken::Held => self.put_off(offer),
                Taken::NotToBeHad => {}
            }
        }
    }

    fn start(&self, claimed: Claimed, guard: Guard, permit: OwnedSemaphorePermit) {
        let place = AtWork::enter(&self.at_work, claimed.resource.id, self.offers.clone());
        let runner = self.runner.clone();
        let offers = self.offers.clone();
        self.runners.spawn(async move {
            let rest = runner.run(claimed, guard).await;
            drop(place);
            drop(permit);
            if let Some((ready, delay)) = rest {
                offers.later(ready, delay);
            }
        });
    }

    fn put_off(&self, offer: Offer) {
        self.offers
            .put_off(offer, HELD_PAUSE.mul_f64(0.5 + rand::random::<f64>()));
    }
}

/// The resources that this server works on now, each with the processes that were offered meanwhile:
/// most often one that has superseded the process at work.
#[derive(Default)]
struct AtWork {
    resources: Mutex<HashMap<ResourceId, Vec<Offer>>>,
}

impl AtWork {
    /// Whether a resource is at work. If it is, the process is offered again when it is not any
    /// more. There are few: one unfinished process a resource, and ended ones that are still told
    /// of.
    fn is_at_work(&self, offer: Offer) -> bool {
        let mut resources = self
            .resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match resources.get_mut(&offer.ready.resource.id) {
            Some(offered) => {
                let mut known = offered.iter_mut();
                match known.find(|known| known.ready == offer.ready) {
                    Some(known) => known.take_in(offer),
                    None => offered.push(offer),
                }
                true
            }
            None => false,
        }
    }

    fn enter(at_work: &Arc<Self>, resource: ResourceId, offers: Offers) -> Place {
        let mut resources = at_work
            .resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        resources.insert(resource, Vec::new());
        Place {
            at_work: at_work.clone(),
            resource,
            offers,
        }
    }
}

/// One resource being at work, as long as this lives.
struct Place {
    at_work: Arc<AtWork>,
    resource: ResourceId,
    offers: Offers,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut resources = self
            .at_work
            .resources
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let offered = resources.remove(&self.resource).unwrap_or_default();
        drop(resources);
        for offer in offered {
            self.offers.repeat(offer);
        }
    }
}
