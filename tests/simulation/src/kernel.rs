//! The kernel: simulated time, one source of chance, and a scheduler of its own.
//!
//! # Theory of operation
//!
//! Whatever happens is done by *actors*: futures that the kernel polls one at a time, on one thread.
//! An actor goes on until it comes to a *gate*: a place where, in the real world, others could go
//! first. There it is parked and the kernel picks, by chance, who goes on next.
//!
//! ```text
//!            +------------------- parked ------------------+
//!            |  free            could go on at any time    |
//!   pick --> |  until t         once time has come to t    | --> poll until the next gate --> ...
//!            |  slot, until t   once something was put in  |
//!            +---------------------------------------------+
//!   nobody can go on: time leaps to the nearest t
//! ```
//!
//! The database is real and works on threads of its own. An actor that is pending without being at
//! a gate waits for it, and nobody else is polled before it goes on. So each call of the database is
//! one undivided event, and the order of everything follows from the seed alone.
//!
//! An actor dies at a gate: it is dropped, as the memory of a server is that loses its power.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use drover_domain::Timestamp;
use drover_proto::v1::Envelope;
use uuid::Uuid;

use crate::faults::Plan;
use crate::random::Random;
use crate::transcript::Transcript;

/// No run takes so many turns, unless something goes round in circles.
const MOST_TURNS: u32 = 50_000;
/// How long the database may take in real time before the run counts as hung.
const HUNG: Duration = Duration::from_secs(60);

/// Whose memory an actor lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The world: what the simulation itself does, clients, messages under way.
    World,
    /// A process server, by its number, in one of its lives.
    Server(usize, u32),
    /// An agent, by the number of its host, in one of its lives.
    Agent(usize, u32),
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Actor {
    owner: Owner,
    work: Work,
    parked: Park,
}

/// Why an actor does not go on by itself.
#[derive(Clone, Copy, Debug)]
enum Park {
    Free,
    Until(Timestamp),
    Slot(u64, Timestamp),
}

struct State {
    now: Timestamp,
    random: Random,
    plan: Plan,
    transcript: Transcript,
    violation: Option<String>,
    /// Where the actor that is being polled has parked.
    at_gate: Option<Park>,
    born: Vec<Actor>,
    killed: Vec<Owner>,
    /// Owners all of whose actors are to be looked at once more, wherever they are parked.
    roused: Vec<Owner>,
    slots: BTreeMap<u64, Option<Envelope>>,
    slot: u64,
    ids: u64,
    is_over: bool,
}

/// See the module. Clones are the same kernel.
#[derive(Clone)]
pub struct Kernel {
    state: Arc<Mutex<State>>,
}

impl Kernel {
    /// A kernel at the beginning of time.
    pub fn new(random: Random, plan: Plan) -> Self {
        Self {
            state: Arc::new(Mutex::new(State {
                now: Timestamp::from_millis(0),
                random,
                plan,
                transcript: Transcript::default(),
                violation: None,
                at_gate: None,
                born: Vec::new(),
                killed: Vec::new(),
                roused: Vec::new(),
                slots: BTreeMap::new(),
                slot: 0,
                ids: 0,
                is_over: false,
            })),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic ends the whole run.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.state().now
    }

    /// Asks the source of chance. Never asks anything else of the kernel meanwhile.
    pub fn chance<T>(&self, ask: impl FnOnce(&mut Random) -> T) -> T {
        ask(&mut self.state().random)
    }

    /// What may go wrong now.
    pub fn plan(&self) -> Plan {
        self.state().plan
    }

    /// Changes what may go wrong from now on.
    pub fn set_plan(&self, plan: Plan) {
        self.state().plan = plan;
    }

    /// An id that nobody has, of UUID version 7: it sorts by simulated time, then by order.
    pub fn id(&self) -> Uuid {
        let mut state = self.state();
        state.ids += 1;
        let millis = u128::try_from(state.now.millis()).unwrap_or_default();
        let count = u128::from(state.ids);
        Uuid::from_u128(millis << 80 | 0x7 << 76 | 0x2 << 62 | count)
    }

    /// The name of an id in the transcript.
    pub fn name(&self, kind: char, id: Uuid) -> String {
        self.state().transcript.name(kind, id)
    }

    /// Writes a line of the transcript.
    pub fn log(&self, actor: &str, event: impl AsRef<str>) {
        let mut state = self.state();
        let now = state.now;
        state.transcript.write(now, actor, event.as_ref());
    }

    /// Says that an invariant does not hold. The first one counts, and ends the run.
    pub fn violate(&self, what: impl Into<String>) {
        let mut state = self.state();
        if state.violation.is_none() {
            let named = state.transcript.with_names(&what.into());
            let now = state.now;
            state.transcript.write(now, "!!!!", &named);
            state.violation = Some(named);
        }
        state.is_over = true;
    }

    /// Ends the run after this turn.
    pub fn end(&self) {
        self.state().is_over = true;
    }

    /// What was violated, if anything was.
    pub fn violation(&self) -> Option<String> {
        self.state().violation.clone()
    }

    /// The transcript so far.
    pub fn transcript(&self) -> Vec<String> {
        self.state().transcript.lines().to_vec()
    }

    /// Starts an actor.
    pub fn spawn(&self, owner: Owner, work: impl Future<Output = ()> + Send + 'static) {
        self.state().born.push(Actor {
            owner,
            work: Box::pin(work),
            parked: Park::Free,
        });
    }

    /// Drops every actor of an owner, once this turn is over.
    pub fn kill(&self, owner: Owner) {
        self.state().killed.push(owner);
    }

    /// Has every actor of an owner look once whether it can go on.
    pub fn rouse(&self, owner: Owner) {
        self.state().roused.push(owner);
    }

    /// A gate: others may go first, and sometimes everybody does for a long while.
    pub async fn pass(&self) {
        let stall = {
            let mut state = self.state();
            let plan = state.plan;
            plan.stall(&mut state.random)
        };
        match stall {
            Some(stall) => self.sleep(stall).await,
            None => {
                let mut is_second = false;
                poll_fn(|_| {
                    if std::mem::replace(&mut is_second, true) {
                        return Poll::Ready(());
                    }
                    self.state().at_gate = Some(Park::Free);
                    Poll::Pending
                })
                .await;
            }
        }
    }

    /// Waits for simulated time to pass.
    pub async fn sleep(&self, duration: Duration) {
        let until = self.now().after(duration);
        poll_fn(|_| {
            let mut state = self.state();
            if state.now >= until {
                return Poll::Ready(());
            }
            state.at_gate = Some(Park::Until(until));
            Poll::Pending
        })
        .await;
    }

    /// A place where something can be put for one who waits.
    pub fn slot(&self) -> Slot {
        let mut state = self.state();
        state.slot += 1;
        let number = state.slot;
        state.slots.insert(number, None);
        Slot {
            kernel: self.clone(),
            number,
        }
    }

    /// Puts something into a slot. What comes second, or after the slot is gone, is lost; false then.
    pub fn put(&self, slot: u64, envelope: Envelope) -> bool {
        match self.state().slots.get_mut(&slot) {
            Some(empty @ None) => {
                *empty = Some(envelope);
                true
            }
            _ => false,
        }
    }

    /// Runs until somebody ends it or nobody is left. `after_turn` is run after each turn in which
    /// the database was asked.
    pub async fn run<Checked: Future<Output = ()>>(&self, after_turn: impl Fn() -> Checked) {
        let mut actors: Vec<Actor> = Vec::new();
        for _ in 0..MOST_TURNS {
            let Some(next) = self.next(&mut actors) else {
                return;
            };
            let mut actor = actors.swap_remove(next);
            let turn = tokio::time::timeout(HUNG, self.poll_to_gate(&mut actor.work));
            match turn.await {
                Err(_) => {
                    self.violate("an actor hangs: it waits neither at a gate nor for the database");
                    return;
                }
                Ok((parked, asked_database)) => {
                    if asked_database {
                        after_turn().await;
                    }
                    if let Some(parked) = parked {
                        actors.push(Actor { parked, ..actor });
                    }
                }
            }
        }
        self.violate("something goes round in circles");
    }

    /// Polls one actor until it parks or ends. Tells where it parked, and whether it waited for the
    /// database on its way.
    async fn poll_to_gate(&self, work: &mut Work) -> (Option<Park>, bool) {
        let mut asked_database = false;
        let parked = poll_fn(|context| {
            self.state().at_gate = None;
            if work.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            match self.state().at_gate.take() {
                Some(parked) => Poll::Ready(Some(parked)),
                None => {
                    asked_database = true;
                    Poll::Pending
                }
            }
        })
        .await;
        (parked, asked_database)
    }

    /// Whose turn it is; none if the run is over.
    fn next(&self, actors: &mut Vec<Actor>) -> Option<usize> {
        let born = std::mem::take(&mut self.state().born);
        actors.extend(born);
        let killed = std::mem::take(&mut self.state().killed);
        // Dropped outside of the lock: what is dropped may ask the kernel something.
        actors.retain(|actor| !killed.contains(&actor.owner));
        let mut state = self.state();
        if state.is_over || actors.is_empty() {
            return None;
        }
        for owner in std::mem::take(&mut state.roused) {
            let of_owner = actors.iter_mut().filter(|actor| actor.owner == owner);
            of_owner.for_each(|actor| actor.parked = Park::Free);
        }
        loop {
            let now = state.now;
            let able: Vec<usize> = (0..actors.len())
                .filter(|index| state.can_go_on(actors[*index].parked))
                .collect();
            if !able.is_empty() {
                let pick = state.random.below(able.len());
                return able.get(pick).copied();
            }
            let nearest = actors.iter().filter_map(|actor| match actor.parked {
                Park::Free => None,
                Park::Until(until) | Park::Slot(_, until) => Some(until),
            });
            state.now = nearest.min().filter(|nearest| *nearest > now)?;
        }
    }
}

impl State {
    fn can_go_on(&self, parked: Park) -> bool {
        match parked {
            Park::Free => true,
            Park::Until(until) => until <= self.now,
            Park::Slot(slot, until) => {
                until <= self.now || self.slots.get(&slot).is_none_or(Option::is_some)
            }
        }
    }
}

/// A place for one envelope, as long as it lives.
pub struct Slot {
    kernel: Kernel,
    number: u64,
}

impl Slot {
    /// Its number, by which others find it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Waits until something was put in; none if nothing was in time.
    pub async fn take(&self, patience: Duration) -> Option<Envelope> {
        let until = self.kernel.now().after(patience);
        poll_fn(|_| {
            let mut state = self.kernel.state();
            if let Some(Some(_)) = state.slots.get(&self.number) {
                return Poll::Ready(state.slots.get_mut(&self.number).and_then(Option::take));
            }
            if state.now >= until {
                return Poll::Ready(None);
            }
            state.at_gate = Some(Park::Slot(self.number, until));
            Poll::Pending
        })
        .await
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.kernel.state().slots.remove(&self.number);
    }
}
