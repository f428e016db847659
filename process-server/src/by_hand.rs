//! A process server that does nothing by itself: each piece of work is asked of it.
//!
//! It sweeps, takes, runs and settles with the code that [`Server`](crate::Server) runs in the
//! background, but without its queues, tasks and timers. So whoever holds it decides what happens
//! when, and can drop a piece of work half way, as a server does that loses its power. The
//! simulation in `tests/simulation` is made of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_bus::Announcer;
use drover_domain::ServerId;
use drover_proto::v1::Envelope;
use drover_store::{Ready, StoreError};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::engine::caps::Caps;
use crate::engine::hints;
use crate::engine::offers::{self, Offer};
use crate::engine::runner::Runner;
use crate::engine::sweep;
use crate::engine::taking::{Taken, Taker};
use crate::reports::{self, settle::Settler};
use crate::{Options, Parts, recoveries};

/// What became of a process that was to be worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worked {
    /// Somebody else has the lock of its resource: it is worth to try again a moment later.
    Held,
    /// It is finished, not due, or claimed under a higher fence.
    NotToBeHad,
    /// The lock service or the database is out of reach.
    OutOfReach,
    /// It was worked on until it ended, or until it was left to somebody else.
    Ended,
    /// It was worked on and waits for so long. What waits may be another process that followed.
    Rests(Ready, Duration),
}

/// See the module.
pub struct ByHand {
    parts: Parts,
    taker: Taker,
    runner: Arc<Runner>,
    settler: Settler,
    /// What reports have woken.
    woken: Mutex<mpsc::Receiver<Offer>>,
}

impl ByHand {
    /// A server with an id of its own.
    pub fn new(options: &Options, parts: Parts) -> Self {
        let announcer = Announcer::new(parts.bus.clone());
        let id = parts.chance.server_id();
        let (offers, woken) = offers::queue();
        let caps = Arc::new(Caps::new(options, offers.clone()));
        let running = CancellationToken::new();
        let runner = crate::runner(id, options, &parts, (announcer, caps), running);
        Self {
            taker: crate::taker(id, options, &parts),
            settler: Settler {
                parts: parts.clone(),
                runner: runner.clone(),
                offers,
                news: Arc::default(),
            },
            runner,
            parts,
            woken: Mutex::new(woken),
        }
    }

    /// Its id, as processes name it.
    pub fn id(&self) -> ServerId {
        self.runner.server
    }

    /// The process that a hint from the bus tells of; none if it names none.
    pub fn hinted(hint: &Envelope) -> Option<Ready> {
        hints::read(hint)
    }

    /// The sweep's question: what nobody is known to work on and is due.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn due(&self) -> Result<Vec<Ready>, StoreError> {
        sweep::due(&self.parts.store, &*self.parts.clock).await
    }

    /// Locks, claims and runs one process, and what follows from it, until it ends or waits.
    pub async fn work(&self, ready: Ready) -> Worked {
        let mut taken = match self.taker.take(&[Offer::of(ready)]).await {
            Ok(taken) => taken,
            Err(error) => {
                tracing::debug!(%error, "nothing could be taken");
                return Worked::OutOfReach;
            }
        };
        match taken.pop() {
            Some(Taken::Ours(claimed, guard)) => match self.runner.run(*claimed, guard).await {
                Some((ready, delay)) => Worked::Rests(ready, delay),
                None => Worked::Ended,
            },
            Some(Taken::Held) => Worked::Held,
            Some(Taken::NotToBeHad) | None => Worked::NotToBeHad,
        }
    }

    /// Settles one report, or hears that an agent is connected, and answers on the bus. Gives the
    /// processes that it has woken.
    pub async fn hear(&self, report: Envelope) -> Vec<Ready> {
        reports::hear(&self.settler, report).await;
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| woken.try_recv().ok())
            .map(|offer| offer.ready)
            .collect()
    }

    /// Hears that an agent is connected, as every server does.
    pub async fn hear_of_connection(&self, news: Envelope) {
        recoveries::hear(&self.runner, &news).await;
    }

    /// From now on no step is begun: what is claimed is handed back.
    pub fn stop(&self) {
        self.runner.stopping.cancel();
    }
}
