//! Reports: what happened on this host without being asked for, told until somebody has dealt
//! with it.
//!
//! # Theory of operation
//!
//! An event of the runtime is a hint. It leads to an observation: the [`watcher`](crate::watcher)
//! takes the container's turn in the ledger, so that no command is at work on it, looks, and hands
//! what it saw to [`Reports::observed`]. Here it is compared with what the servers were told last
//! about that container, by the reply to a command or by a report that was settled:
//!
//! - the same: a command started, ended or removed it, whose reply said so already; nothing to report;
//! - running, ended or missing, or of other health, and they were told otherwise or nothing: a report;
//! - made and never started: whatever was still to be reported is out of date.
//!
//! So nobody guesses from the timing of an event who caused it. A later reply of a command that changed
//! the container supersedes its report, as does a later observation. An inspection supersedes nothing,
//! whatever it saw: it may be the server's way of settling the very report, and may yet fail. And a start
//! whose container has ended by the time of its reply counts as one that has it running: that is what
//! the server takes it for, so the end is news.
//!
//! A report is sent about once a second until its answer says that it is settled; while a process
//! is at work on the container the answer says "not yet". Beside the reports there is the
//! inventory: due after each connection, after a gap in the events, and when there are more reports
//! than are kept. It goes before everything else and is taken anew each time that it is sent, for
//! an old one would name containers that are gone; it is due again, less and less often, until one
//! is settled, and after that every [`INVENTORY_EVERY`] or so: whatever was missed is found then.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_domain::ResourceId;
use drover_proto::v1::{Report, SeenContainer, report::What, seen_container::State};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::backoff::{Backoff, jittered};
use crate::generations::Generations;

/// Containers with a report that is not settled; beyond that, the inventory tells of all.
const PENDING_LIMIT: usize = 4_096;
/// Containers of which it is known what was told last.
const TOLD_LIMIT: usize = 100_000;
/// At least half of this lies between two sendings of one report, at most all.
const SEND_EVERY: Duration = Duration::from_millis(1_300);
const INVENTORY_FIRST: Duration = Duration::from_secs(1);
const INVENTORY_LONGEST: Duration = Duration::from_secs(60);
/// At least half of this lies between an inventory that was settled and the next one, at most all. Ten
/// thousand agents send 22 to 44 a second at that rate, and each costs one read if nothing is amiss.
const INVENTORY_EVERY: Duration = Duration::from_secs(450);

/// What of a container matters to whoever decides about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    state: State,
    exit_code: Option<i32>,
    health: i32,
}

impl From<&SeenContainer> for Told {
    fn from(seen: &SeenContainer) -> Self {
        Self {
            state: seen.state(),
            exit_code: seen.exit_code,
            health: seen.health,
        }
    }
}

impl Told {
    /// What a server makes of the reply to a start.
    const RUNNING: Self = Self {
        state: State::Running,
        exit_code: None,
        health: 0,
    };

    const fn is_an_end(self) -> bool {
        matches!(self.state, State::Exited | State::Missing)
    }

    /// Whether anybody would have to know.
    const fn is_news(self) -> bool {
        self.is_an_end() || matches!(self.state, State::Running)
    }
}

/// What a command was to do with its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// To end it or to take it away.
    End,
    /// To make it or to start it.
    Begin,
    /// To look at it.
    Look,
}

struct Pending {
    report: Report,
    told: Told,
    due: Instant,
}

struct Inventory {
    /// When to take the next one; `None` before the first connection.
    due: Option<Instant>,
    sent: Option<String>,
    backoff: Backoff,
}

struct Books {
    told: Generations<ResourceId, Told>,
    pending: HashMap<ResourceId, Pending>,
    inventory: Inventory,
}

/// See the module.
pub(crate) struct Reports {
    books: Mutex<Books>,
    changed: Notify,
}

/// What is to be sent now.
#[derive(Debug, Default)]
pub(crate) struct Due {
    /// An inventory is to be taken and sent, before the reports, under this id.
    pub(crate) inventory: Option<String>,
    pub(crate) reports: Vec<Report>,
    /// When to ask again, unless [`Reports::changed`] speaks first.
    pub(crate) next: Option<Instant>,
}

impl Reports {
    pub(crate) fn new() -> Self {
        Self {
            books: Mutex::new(Books {
                told: Generations::new(TOLD_LIMIT),
                pending: HashMap::new(),
                inventory: Inventory {
                    due: None,
                    sent: None,
                    backoff: Backoff::new(INVENTORY_FIRST, INVENTORY_LONGEST),
                },
            }),
            changed: Notify::new(),
        }
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there may be more to send than was known.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// A connection is there: everything is to be told anew.
    pub(crate) fn connected(&self, now: Instant) {
        let mut books = self.books();
        for pending in books.pending.values_mut() {
            pending.due = now;
        }
        books.inventory.ask(now);
        drop(books);
        self.changed.notify_one();
    }

    /// Something may have been missed.
    pub(crate) fn missed(&self, now: Instant) {
        self.books().inventory.ask(now);
        self.changed.notify_one();
    }

    /// The reply to a command described a container.
    ///
    /// That it ended or is gone counts as told only if the command was to bring that about:
    /// whoever asked for something else is not the one who deals with it.
    pub(crate) fn replied(&self, id: ResourceId, seen: &SeenContainer, cause: Cause) {
        let told = Told::from(seen);
        let mut books = self.books();
        match cause {
            Cause::Look => return,
            Cause::Begin if told.is_an_end() => {
                books.told.insert(id, Told::RUNNING);
                return;
            }
            Cause::Begin | Cause::End => {}
        }
        books.told.insert(id, told);
        books.pending.remove(&id);
    }

    /// Whether the servers were told last that a container runs, so that a start is no news.
    pub(crate) fn is_told_to_run(&self, id: ResourceId) -> bool {
        let mut books = self.books();
        let told = books.told.get(id);
        told.is_some_and(|told| told.state == State::Running) && !books.pending.contains_key(&id)
    }

    /// A container was looked at while no command was at work on it.
    pub(crate) fn observed(&self, id: ResourceId, seen: SeenContainer, now: Instant) {
        let told = Told::from(&seen);
        let mut books = self.books();
        if !told.is_news() || books.told.get(id) == Some(told) {
            books.pending.remove(&id);
            return;
        }
        if books
            .pending
            .get(&id)
            .is_some_and(|known| known.told == told)
        {
            return;
        }
        if books.pending.len() >= PENDING_LIMIT && !books.pending.contains_key(&id) {
            books.inventory.ask(now);
        } else {
            let report = Report {
                id: new_id(),
                what: Some(What::Container(seen)),
            };
            let pending = Pending {
                report,
                told,
                due: now,
            };
            books.pending.insert(id, pending);
        }
        drop(books);
        self.changed.notify_one();
    }

    /// A server has answered a report.
    pub(crate) fn answered(&self, report_id: &str, is_settled: bool, now: Instant) {
        let mut books = self.books();
        if books.inventory.sent.as_deref() == Some(report_id) {
            if is_settled {
                books.inventory.backoff.reset();
                books.inventory.due = Some(now + jittered(INVENTORY_EVERY));
            }
            return;
        }
        let found = books
            .pending
            .iter()
            .find(|(_, pending)| pending.report.id == report_id)
            .map(|(id, pending)| (*id, pending.told));
        let Some((id, told)) = found else {
            // Superseded while the answer was on its way.
            return;
        };
        if is_settled {
            books.pending.remove(&id);
            books.told.insert(id, told);
        } else if let Some(pending) = books.pending.get_mut(&id) {
            pending.due = now + jittered(SEND_EVERY);
        }
    }

    /// Takes what is to be sent now; each counts as sent.
    pub(crate) fn due(&self, now: Instant) -> Due {
        let mut books = self.books();
        let mut due = Due::default();
        if books.inventory.due.is_some_and(|moment| moment <= now) {
            let id = new_id();
            books.inventory.sent = Some(id.clone());
            let wait = books.inventory.backoff.next();
            books.inventory.due = Some(now + wait);
            due.inventory = Some(id);
        }
        for pending in books.pending.values_mut() {
            if pending.due <= now {
                pending.due = now + jittered(SEND_EVERY);
                due.reports.push(pending.report.clone());
            }
        }
        let soonest = books.pending.values().map(|pending| pending.due).min();
        due.next = soonest.into_iter().chain(books.inventory.due).min();
        due
    }
}

impl Inventory {
    fn ask(&mut self, now: Instant) {
        self.due = Some(now);
        // The answer to an earlier one settles nothing any more.
        self.sent = None;
        self.backoff.reset();
    }
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

#[cfg(test)]
mod tests;
