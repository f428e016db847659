//! Caps: how much of a server one host or one project can have at the same time.
//!
//! A host that is slow, or a project that asks for ten thousand things at once, must not take every
//! permit that there is. A process whose host or project has its share already is told to wait; it
//! gives back its lock and its permit, and comes again when its turn may have come. The longer the
//! line, the later it comes, so that those who wait cost little.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_domain::{Process, Resource, ResourceId, ResourceType};

/// The shortest wait for a turn, and the longest.
const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(15);

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
    /// About how many wait for their turn.
    line: usize,
}

/// The shares of one server.
pub(crate) struct Caps {
    per_host: usize,
    per_project: usize,
    shares: Mutex<HashMap<Sharer, Share>>,
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
    pub(crate) cap: usize,
    /// When to come again.
    pub(crate) delay: Duration,
}

impl Caps {
    pub(crate) fn new(per_host: usize, per_project: usize) -> Self {
        Self {
            per_host,
            per_project,
            shares: Mutex::default(),
        }
    }

    /// Takes a place in the shares that a process needs.
    pub(crate) fn enter(
        self: &Arc<Self>,
        process: &Process,
        resource: &Resource,
    ) -> Result<Entry, Full> {
        let sharers = sharers(process, resource);
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        for sharer in &sharers {
            let cap = self.cap(*sharer);
            let share = shares.entry(*sharer).or_default();
            if share.at_work >= cap {
                share.line += 1;
                return Err(Full {
                    sharer: *sharer,
                    cap,
                    delay: turn(share.line, cap),
                });
            }
        }
        for sharer in &sharers {
            let share = shares.entry(*sharer).or_default();
            share.at_work += 1;
            share.line = share.line.saturating_sub(1);
        }
        Ok(Entry {
            caps: self.clone(),
            sharers,
        })
    }

    fn cap(&self, sharer: Sharer) -> usize {
        match sharer {
            Sharer::Host(_) => self.per_host,
            Sharer::Project(_) => self.per_project,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut shares = self
            .caps
            .shares
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for sharer in &self.sharers {
            if let Some(share) = shares.get_mut(sharer) {
                share.at_work = share.at_work.saturating_sub(1);
                if share.at_work == 0 {
                    shares.remove(sharer);
                }
            }
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

/// When the turn of the last one in a line comes, if a share is worked off four times a second.
fn turn(line: usize, cap: usize) -> Duration {
    let turns = u32::try_from(line.div_ceil(cap.max(1))).unwrap_or(u32::MAX);
    SHORTEST.saturating_mul(turns).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use drover_domain::lifecycle::Request;
    use drover_domain::process::Cause;
    use drover_domain::resource::{Details, HostSpec};
    use drover_domain::write::{Asked, Intent};
    use drover_domain::{ProcessId, State, Timestamp};
    use uuid::Uuid;

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

    #[test]
    fn a_host_that_has_its_share_leaves_the_others_theirs() {
        let caps = Arc::new(Caps::new(1, 10));
        let (process, resource) = work(1, 9);
        let entry = caps.enter(&process, &resource).ok();
        assert!(entry.is_some());
        let full = caps.enter(&process, &resource).err().unwrap();
        assert_eq!((full.sharer, full.cap), (Sharer::Host(id(1)), 1));
        let (other_process, other) = work(2, 9);
        assert!(caps.enter(&other_process, &other).is_ok());
        drop(entry);
        assert!(caps.enter(&process, &resource).is_ok());
    }

    #[test]
    fn a_project_that_has_its_share_leaves_the_others_theirs() {
        let caps = Arc::new(Caps::new(10, 1));
        let (process, resource) = work(1, 8);
        let _entry = caps.enter(&process, &resource).ok();
        let (same_process, same) = work(2, 8);
        let full = caps.enter(&same_process, &same).err().unwrap();
        assert_eq!(full.sharer, Sharer::Project(id(8)));
        let (other_process, other) = work(1, 9);
        assert!(caps.enter(&other_process, &other).is_ok());
    }

    #[test]
    fn the_longer_the_line_the_later_the_turn_up_to_a_bound() {
        assert_eq!(turn(1, 64), SHORTEST);
        assert_eq!(turn(65, 64), SHORTEST * 2);
        assert_eq!(turn(usize::MAX, 1), LONGEST);
    }

    #[test]
    fn nothing_is_kept_of_a_share_that_nobody_uses() {
        let caps = Arc::new(Caps::new(1, 1));
        let (process, resource) = work(1, 2);
        drop(caps.enter(&process, &resource));
        assert!(caps.shares.lock().unwrap().is_empty());
    }
}
