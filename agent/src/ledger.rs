//! The ledger: what makes a command take effect once, in order, and only from the rightful sender.
//!
//! # Theory of operation
//!
//! A command arrives any number of times, over any number of connections, from servers of which one
//! may have lost its lock long ago. Three memories put that right:
//!
//! ```text
//!  fences   resource   -> the highest fence seen       a command below it is refused
//!  entries  command id -> in flight, who waits for it  a repeat waits as well
//!                      |  finished, its reply          a repeat is answered from memory
//!  lines    resource   -> whose turn it is, who waits  one command at a time, by arrival
//! ```
//!
//! [`Ledger::admit`] looks at a command, in this order: it raises or refuses the fence, finds an
//! entry of the same id, or makes one and puts the command into its resource's line. The line is
//! joined under the same lock as everything else, so order of arrival means the order of calls of
//! `admit`, whatever the scheduler does with the tasks later.
//!
//! Who gets the turn asks [`Ledger::outdated_by`] again, since a newer fence may have come by
//! while it stood in line, then acts, then gives its reply to [`Ticket::finish`], which hands back
//! everybody who waits for it. A failure is a reply like any other: a server that wants a new
//! attempt sends a new id.
//!
//! A [`Ticket`] that is dropped without a reply (its task panicked) takes its entry with it, and a
//! [`Turn`] that is dropped passes on to the next in line, so no accident leaves a resource stuck.
//!
//! Everything is bounded: replies by number and age, fences by number, commands in hand by number;
//! beyond that commands are not admitted at all. The present moment is an argument.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_domain::{Fence, ResourceRef};
use drover_proto::v1;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::generations::Generations;

/// Where a reply goes: the outgoing frames of the connection on which its command came.
pub(crate) type Waiter = mpsc::Sender<v1::AgentFrame>;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Replies to finished commands.
    pub(crate) replies: usize,
    /// How long a reply is kept.
    pub(crate) reply_age: Duration,
    /// Resources whose fence is known.
    pub(crate) fences: usize,
    /// Commands that wait or are being carried out.
    pub(crate) in_hand: usize,
    /// Repeats that wait for one command.
    pub(crate) waiters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            replies: 4_096,
            reply_age: Duration::from_secs(600),
            fences: 100_000,
            in_hand: 4_096,
            waiters: 16,
        }
    }
}

/// What becomes of a command that has just come.
#[derive(Debug)]
pub(crate) enum Admission {
    /// This higher fence was seen for its resource.
    Stale(Fence),
    /// It was carried out before, and this was the reply.
    Remembered(Box<v1::Reply>),
    /// It is being carried out, and its reply will go to this waiter too.
    Joined,
    /// Too much is in hand already.
    Full,
    /// It is to be carried out when its turn comes.
    Begin(Ticket, Place),
}

enum Entry {
    InFlight(Vec<Waiter>),
    Finished(Box<v1::Reply>),
}

#[derive(Default)]
struct Line {
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

struct Books {
    limits: Limits,
    fences: Generations<ResourceRef, Fence>,
    entries: HashMap<Arc<str>, Entry>,
    /// Finished entries by age, oldest first.
    finished: VecDeque<(Instant, Arc<str>)>,
    in_hand: usize,
    /// A line exists while its resource is somebody's turn.
    lines: HashMap<ResourceRef, Line>,
}

/// See the module. Clones are the same ledger.
#[derive(Clone)]
pub(crate) struct Ledger {
    books: Arc<Mutex<Books>>,
}

impl Ledger {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            books: Arc::new(Mutex::new(Books {
                limits,
                fences: Generations::new(limits.fences),
                entries: HashMap::new(),
                finished: VecDeque::new(),
                in_hand: 0,
                lines: HashMap::new(),
            })),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Nothing panics between two writes that belong together.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a command that has just come.
    pub(crate) fn admit(
        &self,
        command_id: &str,
        resource: ResourceRef,
        fence: Fence,
        waiter: &Waiter,
        now: Instant,
    ) -> Admission {
        let mut books = self.books();
        match books.fences.get(resource) {
            Some(highest) if fence < highest => return Admission::Stale(highest),
            Some(highest) if fence == highest => {}
            _ => books.fences.insert(resource, fence),
        }
        books.forget_old(now);
        let limits = books.limits;
        match books.entries.get_mut(command_id) {
            Some(Entry::Finished(reply)) => return Admission::Remembered(reply.clone()),
            Some(Entry::InFlight(waiters)) => {
                // Those whose connection went wait for nothing.
                waiters.retain(|waiter| !waiter.is_closed());
                if waiters.len() >= limits.waiters {
                    waiters.remove(0);
                }
                waiters.push(waiter.clone());
                return Admission::Joined;
            }
            None => {}
        }
        if books.in_hand >= limits.in_hand {
            return Admission::Full;
        }
        let id: Arc<str> = command_id.into();
        let entry = Entry::InFlight(vec![waiter.clone()]);
        books.entries.insert(Arc::clone(&id), entry);
        books.in_hand += 1;
        let place = self.place(&mut books, resource);
        let ticket = Ticket {
            ledger: self.clone(),
            command_id: id,
        };
        Admission::Begin(ticket, place)
    }

    /// Those who wait for the reply to a command that is in hand.
    pub(crate) fn waiters(&self, command_id: &str) -> Vec<Waiter> {
        match self.books().entries.get(command_id) {
            Some(Entry::InFlight(waiters)) => waiters.clone(),
            _ => Vec::new(),
        }
    }

    /// Joins the line of a resource without a command, to look at it while nobody acts on it.
    pub(crate) fn line_up(&self, resource: ResourceRef) -> Place {
        self.place(&mut self.books(), resource)
    }

    /// The fence that was seen for a resource and is higher than this one, if there is one.
    pub(crate) fn outdated_by(&self, resource: ResourceRef, fence: Fence) -> Option<Fence> {
        let highest = self.books().fences.get(resource)?;
        (fence < highest).then_some(highest)
    }

    fn place(&self, books: &mut Books, resource: ResourceRef) -> Place {
        if let Some(line) = books.lines.get_mut(&resource) {
            let (pass, turn) = oneshot::channel();
            line.waiting.push_back(pass);
            return Place::Waiting(turn);
        }
        books.lines.insert(resource, Line::default());
        Place::First(Turn::new(self, resource))
    }
}

impl Books {
    fn forget_old(&mut self, now: Instant) {
        while let Some((finished, _)) = self.finished.front() {
            let too_old = now.saturating_duration_since(*finished) >= self.limits.reply_age;
            if !too_old && self.finished.len() <= self.limits.replies {
                break;
            }
            if let Some((_, id)) = self.finished.pop_front() {
                self.entries.remove(&id);
            }
        }
    }
}

/// The right and the duty to answer one command.
pub(crate) struct Ticket {
    ledger: Ledger,
    command_id: Arc<str>,
}

impl Ticket {
    /// Writes down the reply; hands back all who wait for it.
    pub(crate) fn finish(self, reply: &v1::Reply, now: Instant) -> Vec<Waiter> {
        let mut books = self.ledger.books();
        let finished = Entry::Finished(Box::new(reply.clone()));
        let before = books.entries.insert(Arc::clone(&self.command_id), finished);
        books
            .finished
            .push_back((now, Arc::clone(&self.command_id)));
        books.forget_old(now);
        match before {
            Some(Entry::InFlight(waiters)) => waiters,
            _ => Vec::new(),
        }
    }

    /// Hands back all who wait and forgets the command: a repeat is carried out anew. For what only
    /// reads and is too large to keep.
    pub(crate) fn finish_unremembered(self) -> Vec<Waiter> {
        match self.ledger.books().entries.remove(&self.command_id) {
            Some(Entry::InFlight(waiters)) => waiters,
            _ => Vec::new(),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut books = self.ledger.books();
        books.in_hand = books.in_hand.saturating_sub(1);
        if let Some(Entry::InFlight(_)) = books.entries.get(&self.command_id) {
            books.entries.remove(&self.command_id);
        }
    }
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Ticket({})", self.command_id)
    }
}

/// A place in the line of one resource.
#[derive(Debug)]
pub(crate) enum Place {
    /// Nobody is before.
    First(Turn),
    /// Somebody is.
    Waiting(oneshot::Receiver<Turn>),
}

impl Place {
    /// Waits for the turn. `None` only if the ledger is gone.
    pub(crate) async fn turn(self) -> Option<Turn> {
        match self {
            Self::First(turn) => Some(turn),
            Self::Waiting(turn) => turn.await.ok(),
        }
    }
}

/// The right to act on one resource. Dropped, it passes on to the next in line.
pub(crate) struct Turn {
    ledger: Option<Ledger>,
    resource: ResourceRef,
}

impl Turn {
    fn new(ledger: &Ledger, resource: ResourceRef) -> Self {
        Self {
            ledger: Some(ledger.clone()),
            resource,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(ledger) = self.ledger.take() else {
            return;
        };
        loop {
            let next = {
                let mut books = ledger.books();
                let next = books
                    .lines
                    .get_mut(&self.resource)
                    .and_then(|line| line.waiting.pop_front());
                if next.is_none() {
                    books.lines.remove(&self.resource);
                }
                next
            };
            let Some(next) = next else { return };
            match next.send(Self::new(&ledger, self.resource)) {
                Ok(()) => return,
                // It left the line. Disarmed, so that this loop stays the only one.
                Err(mut turn) => turn.ledger = None,
            }
        }
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Turn({})", self.resource)
    }
}

#[cfg(test)]
mod tests;
