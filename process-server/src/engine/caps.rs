//! Caps: how much of a server one host or one project can have at the same time.
//!
//! A host that is slow, or a project that asks for ten thousand things at once, must not take every
//! permit that there is. A process whose host or project has its share already is told to wait, and
//! gives back its lock and its permit.
//!
//! ```text
//!   share of a project: fixed
//!   share of a host:    fixed, or as many as are left for all others, if those are more
//!
//!   enter --> at work ---------------------> leaves --.
//!      |                                              | so many have left: as many are called,
//!      '--> its share is used up: in line <-----------'  the oldest first
//! ```
//!
//! So one slow host alone has half of the server at most, two have a third each (the dynamic threshold of
//! Choudhury and Hahne, 1998, for buffers that several lines share), and a host among many has what it would
//! have in any case.
//!
//! Those in line are called by this server, several at a time, since what is claimed one by one costs the
//! most. The line is in memory and has an end. Whoever it does not hold, or whose server dies, comes again at
//! the moment that its row says, which is the later the longer the line.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use drover_domain::{Process, ProcessId, Resource, ResourceId, ResourceType};
use drover_store::Ready;

use super::offers::Offers;
use crate::Options;

/// The soonest and the latest that one comes again who was not called.
const SOONEST: Duration = Duration::from_secs(5);
const LATEST: Duration = Duration::from_secs(30);
/// The most that stand in one line.
const LONGEST_LINE: usize = 4_096;
/// A line is called by this part of the share at a time.
const CALLED_PART: usize = 8;

/// Whose share it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Sharer {
    Host(ResourceId),
    Project(ResourceId),
}

impl fmt::Display for Sharer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(id) => write!(formatter, "host {id}"),
            Self::Project(id) => write!(formatter, "project {id}"),
        }
    }
}

#[derive(Default)]
struct Share {
    at_work: usize,
    /// Those who wait for their turn, the oldest first: the id of a process begins with its time.
    line: BTreeMap<ProcessId, Ready>,
    /// How many have left since the line was called, or began.
    left: usize,
}

#[derive(Default)]
struct Books {
    at_work: usize,
    shares: HashMap<Sharer, Share>,
}

/// The shares of one server.
pub(crate) struct Caps {
    /// How many processes the server works on at most, and how many of them are of one host or of one project.
    in_flight: usize,
    per_host: usize,
    per_project: usize,
    books: Mutex<Books>,
    offers: Offers,
}

/// A place in the shares of a host and of a project, as long as it lives.
pub(crate) struct Entry {
    caps: Arc<Caps>,
    sharers: Vec<Sharer>,
}

/// A share that is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) sharer: Sharer,
    /// How many it has at work.
    pub(crate) at_work: usize,
    /// When to come again, if it is not called before.
    pub(crate) delay: Duration,
}

impl Caps {
    /// The shares of a server, whose lines are called by offers.
    pub(crate) fn new(options: &Options, offers: Offers) -> Self {
        Self {
            in_flight: options.in_flight,
            per_host: options.per_host,
            per_project: options.per_project,
            books: Mutex::default(),
            offers,
        }
    }

    /// Takes a place in the shares that a process needs, or a place in the line of the first that is used up.
    pub(crate) fn enter(
        self: &Arc<Self>,
        process: &Process,
        resource: &Resource,
    ) -> Result<Entry, Full> {
        let sharers = sharers(process, resource);
        let mut books = self.books();
        let of_all = books.at_work;
        for sharer in &sharers {
            let cap = self.cap(*sharer, of_all);
            let share = books.shares.entry(*sharer).or_default();
            if share.at_work >= cap {
                if share.line.is_empty() {
                    share.left = 0;
                }
                if share.line.len() < LONGEST_LINE {
                    share.line.insert(process.id, Ready::of(process));
                }
                return Err(Full {
                    sharer: *sharer,
                    at_work: share.at_work,
                    delay: turn(share.line.len(), cap),
                });
            }
        }
        for sharer in &sharers {
            let share = books.shares.entry(*sharer).or_default();
            share.at_work += 1;
            share.line.remove(&process.id);
        }
        books.at_work += 1;
        Ok(Entry {
            caps: self.clone(),
            sharers,
        })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many a sharer can have at work while so many are at work in all.
    fn cap(&self, sharer: Sharer, of_all: usize) -> usize {
        let left = self.in_flight.saturating_sub(of_all);
        match sharer {
            Sharer::Host(_) => self.per_host.max(left),
            Sharer::Project(_) => self.per_project,
        }
    }

    /// One of a share has left; gives those whose turn it is now.
    fn leave(&self, books: &mut Books, sharer: Sharer) -> Vec<Ready> {
        let cap = self.cap(sharer, books.at_work);
        let Some(share) = books.shares.get_mut(&sharer) else {
            return Vec::new();
        };
        share.at_work = share.at_work.saturating_sub(1);
        share.left += 1;
        if share.at_work == 0 {
            // Nobody is left whose leaving would call the others.
            let share = books.shares.remove(&sharer).unwrap_or_default();
            return share.line.into_values().collect();
        }
        if share.left < cap.div_ceil(CALLED_PART) {
            return Vec::new();
        }
        let turns = std::mem::take(&mut share.left);
        std::iter::from_fn(|| share.line.pop_first())
            .take(turns)
            .map(|(_, ready)| ready)
            .collect()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut books = self.caps.books();
        books.at_work = books.at_work.saturating_sub(1);
        let called: Vec<Ready> = self
            .sharers
            .iter()
            .flat_map(|sharer| self.caps.leave(&mut books, *sharer))
            .collect();
        drop(books);
        for ready in called {
            self.caps.offers.call(ready);
        }
    }
}

fn sharers(process: &Process, resource: &Resource) -> Vec<Sharer> {
    let host = match resource.resource_type() {
        ResourceType::Host => Some(resource.id),
        _ => resource.host,
    };
    let host = host.map(Sharer::Host);
    host.into_iter()
        .chain(process.project.map(Sharer::Project))
        .collect()
}

/// When the last one in a line comes again who was not called: a share is worked off within
/// [`SOONEST`], or the host is slow and whoever comes is told to wait again.
fn turn(line: usize, cap: usize) -> Duration {
    let turns = u32::try_from(line.div_ceil(cap.max(1))).unwrap_or(u32::MAX);
    SOONEST.saturating_mul(turns.max(1)).min(LATEST)
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use drover_domain::lifecycle::Request;
    use drover_domain::process::Cause;
    use drover_domain::resource::{Details, HostSpec};
    use drover_domain::write::{Asked, Intent};
    use drover_domain::{ProcessId, State, Timestamp};
    use tokio::sync::mpsc;
    use uuid::Uuid;

    use super::super::offers::{Offer, queue};
    use super::*;

    fn id(number: u128) -> ResourceId {
        ResourceId::new(Uuid::from_u128(number))
    }

    fn work(host: u128, project: u128) -> (Process, Resource) {
        let now = Timestamp::from_millis(0);
        let details = Details::Host {
            spec: HostSpec::of(id(0)),
            status: Box::default(),
        };
        let resource = Resource {
            project: Some(id(project)),
            ..Resource::new(id(host), "", State::Active, details, now)
        };
        let asked = Asked {
            request: Request::Deactivate,
            force: false,
            process: ProcessId::new(Uuid::from_u128(1)),
            cause: Cause::default(),
            now,
            policy: None,
        };
        let intent = Intent::to_change(resource, asked).unwrap();
        (intent.process, intent.resource)
    }

    /// Shares of a server that works on so many, of which a host and a project have so many; and who is called.
    fn caps(
        in_flight: usize,
        per_host: usize,
        per_project: usize,
    ) -> (Arc<Caps>, mpsc::Receiver<Offer>) {
        let options = Options {
            in_flight,
            per_host,
            per_project,
            ..Options::default()
        };
        let (offers, called) = queue();
        (Arc::new(Caps::new(&options, offers)), called)
    }

    /// Lets so many processes of a host enter, and tells how many got in.
    fn enter(caps: &Arc<Caps>, host: u128, numbers: Range<u128>) -> Vec<Entry> {
        let entered = numbers.filter_map(|number| {
            let (mut process, resource) = work(host, 9);
            process.id = ProcessId::new(Uuid::from_u128(number));
            caps.enter(&process, &resource).ok()
        });
        entered.collect()
    }

    fn called(offers: &mut mpsc::Receiver<Offer>) -> Vec<u128> {
        let called = std::iter::from_fn(|| offers.try_recv().ok());
        let called = called.filter(|offer| offer.is_called);
        called
            .map(|offer| offer.ready.process.uuid().as_u128())
            .collect()
    }

    #[test]
    fn a_host_that_has_its_share_leaves_the_others_theirs() {
        let (caps, _called) = caps(1, 1, 10);
        let (process, resource) = work(1, 9);
        let entry = caps.enter(&process, &resource).ok();
        assert!(entry.is_some());
        let full = caps.enter(&process, &resource).err().unwrap();
        assert_eq!((full.sharer, full.at_work), (Sharer::Host(id(1)), 1));
        let (other_process, other) = work(2, 9);
        assert!(caps.enter(&other_process, &other).is_ok());
        drop(entry);
        assert!(caps.enter(&process, &resource).is_ok());
    }

    #[test]
    fn a_project_that_has_its_share_leaves_the_others_theirs() {
        let (caps, _called) = caps(10, 10, 1);
        let (process, resource) = work(1, 8);
        let _entry = caps.enter(&process, &resource).ok();
        let (same_process, same) = work(2, 8);
        let full = caps.enter(&same_process, &same).err().unwrap();
        assert_eq!(full.sharer, Sharer::Project(id(8)));
        let (other_process, other) = work(1, 9);
        assert!(caps.enter(&other_process, &other).is_ok());
    }

    #[test]
    fn a_host_has_as_much_as_it_leaves_to_all_others_and_its_share_in_any_case() {
        let (caps, _called) = caps(120, 10, 120);
        let one = enter(&caps, 1, 0..200);
        assert_eq!(one.len(), 60);
        let two = enter(&caps, 2, 200..400);
        assert_eq!(two.len(), 30);
        drop(one);
        let three = enter(&caps, 3, 400..500);
        assert_eq!(three.len(), 45);
        for host in 4..6 {
            assert!(enter(&caps, host, 500..600).len() >= 10);
        }
    }

    #[test]
    fn those_in_line_are_called_as_others_leave_several_at_a_time_and_the_oldest_first() {
        let (caps, mut offers) = caps(16, 16, 16);
        let mut at_work = enter(&caps, 1, 100..116);
        assert_eq!(at_work.len(), 16);
        assert!(enter(&caps, 1, 3..6).is_empty());
        assert!(enter(&caps, 1, 1..3).is_empty());
        at_work.pop();
        assert!(called(&mut offers).is_empty(), "one alone is not called");
        at_work.pop();
        assert_eq!(called(&mut offers), [1, 2]);
        let back = enter(&caps, 1, 1..3);
        assert_eq!(back.len(), 2);
        drop(at_work);
        drop(back);
        assert_eq!(called(&mut offers), [3, 4, 5], "nobody is left behind");
    }

    #[test]
    fn who_left_before_there_was_a_line_calls_nobody() {
        let (caps, mut offers) = caps(16, 16, 16);
        let mut at_work = enter(&caps, 1, 100..116);
        at_work.pop();
        at_work.extend(enter(&caps, 1, 116..117));
        assert!(enter(&caps, 1, 1..4).is_empty());
        at_work.pop();
        assert!(called(&mut offers).is_empty());
        at_work.pop();
        assert_eq!(called(&mut offers), [1, 2]);
    }

    #[test]
    fn who_has_come_by_himself_is_not_called() {
        let (caps, mut offers) = caps(2, 1, 2);
        let first = enter(&caps, 1, 1..2);
        assert!(enter(&caps, 1, 2..4).is_empty());
        drop(first);
        assert_eq!(called(&mut offers), [2, 3]);
        let second = enter(&caps, 1, 2..3);
        assert!(enter(&caps, 1, 3..4).is_empty());
        drop(second);
        assert_eq!(called(&mut offers), [3]);
    }

    #[test]
    fn the_longer_the_line_the_later_one_comes_who_is_not_called_up_to_a_bound() {
        assert_eq!(turn(1, 64), SOONEST);
        assert_eq!(turn(65, 64), SOONEST * 2);
        assert_eq!(turn(usize::MAX, 1), LATEST);
    }

    #[test]
    fn nothing_is_kept_of_a_share_that_nobody_uses() {
        let (caps, _called) = caps(1, 1, 1);
        let (process, resource) = work(1, 2);
        drop(caps.enter(&process, &resource));
        assert!(caps.books().shares.is_empty());
    }
}
