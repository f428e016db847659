//! Gathers what is wanted of etcd and sends it in flights.
//!
//! ```text
//!   asks, given back --> queue --> up to FLIGHTS under way --> landing: answer, put back, or doubt
//!                                          ^                                  |
//!                                          '---- supersede, once all have landed
//! ```
//!
//! A flight leaves as soon as a lock is asked for and none is under way, and carries what has gathered until
//! then. Beside one that is under way another leaves for [`WORTH_ANOTHER`] locks; fewer wait for more, or for
//! a landing. Locks that are given back are in no hurry: few of them wait for a flight that somebody asks for,
//! or for [`LINGER`].

use std::sync::Arc;
use std::time::Duration;

use drover_domain::{Fence, ResourceRef};
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::flight::{Landing, Outcome, fly};
use super::keeper::{Standing, jittered};
use super::queue::{Queue, Release, Take, Turn};
use super::session::Session;
use super::wire::{Failure, Wire};
use crate::{Acquisition, Guard};

/// Flights that may be under way at a time.
const FLIGHTS: usize = 3;

/// Locks that one flight carries. etcd takes 128 operations; half of that is faster.
const ROOM: usize = 60;

/// The locks for which a flight leaves beside others. A transaction costs etcd about as much as these.
const WORTH_ANOTHER: usize = 20;

/// How long locks that are given back wait for company. Nobody waits for them but who wants the same lock on
/// another server, and comes again a tenth of a second later.
const LINGER: Duration = Duration::from_millis(5);

/// The longest pause between attempts to supersede what was sent.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The pause before the second attempt; it doubles from there on.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// Something that was sent has come to an end.
enum Event {
    Landed(Box<Landing>),
    Superseded(Arc<Session>, Result<(), Failure>),
}

/// The flusher of one manager.
pub(super) struct Flusher {
    wire: Arc<Wire>,
    standing: watch::Receiver<Standing>,
    asked: mpsc::Receiver<Vec<Take>>,
    give_back: mpsc::UnboundedSender<(ResourceRef, Fence)>,
    given_back: mpsc::UnboundedReceiver<(ResourceRef, Fence)>,
    queue: Queue,
    flights: FuturesUnordered<BoxFuture<'static, Event>>,
    /// The session that the queue was last sent under.
    session: Option<Arc<Session>>,
    /// Set while something that was sent under the session may still take effect: how often it was
    /// tried to supersede that.
    doubt: Option<u32>,
    sent: u64,
    /// When what was given back leaves without company.
    leaves_at: Instant,
}

impl Flusher {
    pub(super) fn new(
        wire: Arc<Wire>,
        standing: watch::Receiver<Standing>,
        asked: mpsc::Receiver<Vec<Take>>,
    ) -> Self {
        let (give_back, given_back) = mpsc::unbounded_channel();
        Self {
            wire,
            standing,
            asked,
            give_back,
            given_back,
            queue: Queue::default(),
            flights: FuturesUnordered::new(),
            session: None,
            doubt: None,
            sent: 0,
            leaves_at: Instant::now(),
        }
    }

    /// Flushes until it is told to stop. What waits then is failed, and what is held goes with the
    /// session.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            self.launch();
            tokio::select! {
                () = stop.cancelled() => return,
                Some(event) = self.flights.next(), if !self.flights.is_empty() => self.see(event),
                Some(takes) = self.asked.recv() => self.queue.take(takes),
                Some(turn) = self.given_back.recv() => self.release(turn),
                () = sleep_until(self.leaves_at), if self.lingers() => {}
                changed = self.standing.changed() => if changed.is_err() { return },
            }
            self.gather();
        }
    }

    /// Takes in what has come without waiting for more.
    fn gather(&mut self) {
        while let Ok(takes) = self.asked.try_recv() {
            self.queue.take(takes);
        }
        while let Ok(turn) = self.given_back.try_recv() {
            self.release(turn);
        }
    }

    fn release(&mut self, (resource, fence): (ResourceRef, Fence)) {
        if self.queue.size() == 0 {
            self.leaves_at = Instant::now() + LINGER;
        }
        let which = Turn::Of(fence);
        self.queue.release(Release { resource, which });
    }

    /// Whether all that waits is few locks that are given back, and not for long yet.
    fn lingers(&self) -> bool {
        let few = 1..WORTH_ANOTHER;
        !self.queue.has_takes()
            && few.contains(&self.queue.size())
            && Instant::now() < self.leaves_at
    }

    /// Sends what can be sent.
    fn launch(&mut self) {
        let Some(session) = self.standing.borrow_and_update().session().cloned() else {
            self.queue.fail_takes();
            return;
        };
        if !self.is_current(&session) {
            self.session = Some(Arc::clone(&session));
            self.doubt = None;
            self.queue.forget_doubtful();
        }
        if let Some(attempts) = self.doubt {
            if self.flights.is_empty() {
                self.doubt = Some(attempts.saturating_add(1));
                let superseding = supersede(Arc::clone(&self.wire), session, attempts);
                self.flights.push(Box::pin(superseding));
            }
            return;
        }
        if self.lingers() {
            return;
        }
        while self.flights.is_empty()
            || (self.flights.len() < FLIGHTS && self.queue.size() >= WORTH_ANOTHER)
        {
            let load = self.queue.load(ROOM);
            if load.is_empty() {
                return;
            }
            self.sent += 1;
            let flight = fly(
                Arc::clone(&self.wire),
                Arc::clone(&session),
                load,
                self.sent,
            );
            self.flights
                .push(Box::pin(async { Event::Landed(Box::new(flight.await)) }));
        }
    }

    fn is_current(&self, session: &Arc<Session>) -> bool {
        self.session
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, session))
    }

    fn see(&mut self, event: Event) {
        match event {
            Event::Landed(landing) => self.land(*landing),
            Event::Superseded(session, Ok(())) => {
                if self.is_current(&session) {
                    self.doubt = None;
                }
            }
            Event::Superseded(session, Err(Failure::NoLease)) => session.lost.cancel(),
            // The next attempt comes after a pause.
            Event::Superseded(_, Err(Failure::Unsure(_))) => self.queue.fail_takes(),
        }
    }

    fn land(&mut self, landing: Landing) {
        let Landing {
            session,
            load,
            value,
            outcome,
        } = landing;
        self.queue.landed(&load);
        match outcome {
            Outcome::Settled { revision, taken } => {
                for (take, taken) in load.takes.into_iter().zip(taken) {
                    self.answer(&session, take, taken.then_some(revision));
                }
            }
            Outcome::Superseded => {
                self.queue.put_back(load);
                self.begin_to_doubt(&session);
            }
            Outcome::Gone => {
                session.lost.cancel();
                load.takes.into_iter().for_each(Take::fail);
            }
            Outcome::Unsure => {
                self.queue.put_back_releases(load.releases);
                for take in load.takes {
                    let resource = take.resource;
                    let which = Turn::Doubtful(value.clone());
                    self.queue.release(Release { resource, which });
                    take.fail();
                }
                self.queue.fail_takes();
                self.begin_to_doubt(&session);
            }
        }
    }

    /// Tells whoever wants a lock what became of it: taken at a revision, or held by another.
    fn answer(&self, session: &Session, take: Take, taken: Option<u64>) {
        match taken {
            None => take.answer(Acquisition::Held),
            // The lock goes with the session.
            Some(_) if !session.is_alive() => take.fail(),
            Some(revision) => {
                let fence = Fence::compose(session.epoch, revision);
                let (lost, give_back) = (session.lost.clone(), self.give_back.clone());
                let guard = Guard::new(take.resource, fence, lost, give_back);
                take.answer(Acquisition::Acquired(guard));
            }
        }
    }

    /// Nothing is sent under the session any more until what was sent can have no effect.
    fn begin_to_doubt(&mut self, session: &Arc<Session>) {
        if self.is_current(session) && self.doubt.is_none() {
            self.doubt = Some(0);
        }
    }
}

async fn supersede(wire: Arc<Wire>, session: Arc<Session>, attempts: u32) -> Event {
    if attempts > 0 {
        let doubled = FIRST_PAUSE * 2_u32.pow((attempts - 1).min(8));
        sleep(jittered(doubled.min(LONGEST_PAUSE))).await;
    }
    let superseded = session.supersede_what_was_sent(&wire).await;
    Event::Superseded(session, superseded)
}
