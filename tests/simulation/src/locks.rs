//! The lock service of a simulation: one table for all servers, one session for each life of one.
//!
//! It does what a real one does when it goes wrong: it does not answer; it ends a session and tells
//! its server at once; it ends a session whose server is told later, so that two servers believe that
//! they own one lock; it keeps the locks of a dead server until the lease is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use drover_domain::{Fence, ResourceRef};
use drover_locks::{Acquisition, Guard, LockError, LockManager};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::faults::Planted;
use crate::kernel::Kernel;

/// The epoch of every fence: the service never loses its disk.
const EPOCH: u32 = 1;

/// The table that all servers share. Clones are the same.
#[derive(Clone)]
pub struct LockTable {
    kernel: Kernel,
    planted: Planted,
    table: Arc<Mutex<Table>>,
}

struct Table {
    revision: u64,
    sessions: Vec<Session>,
    held: BTreeMap<ResourceRef, (usize, Fence)>,
    give_back: mpsc::UnboundedSender<(ResourceRef, Fence)>,
    given_back: mpsc::UnboundedReceiver<(ResourceRef, Fence)>,
}

struct Session {
    lost: CancellationToken,
    /// The service has ended it, whether its server knows or not.
    is_ended: bool,
    /// Its server has died: nobody gives its locks back.
    is_dead: bool,
}

impl LockTable {
    /// A table without locks.
    pub fn new(kernel: Kernel, planted: Planted) -> Self {
        let (give_back, given_back) = mpsc::unbounded_channel();
        let table = Table {
            revision: 0,
            sessions: Vec::new(),
            held: BTreeMap::new(),
            give_back,
            given_back,
        };
        Self {
            kernel,
            planted,
            table: Arc::new(Mutex::new(table)),
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A manager of a server of that name, with a session of its own.
    pub fn manager(&self, server: String) -> SimLocks {
        let session = self.table().open_session();
        SimLocks {
            service: self.clone(),
            server,
            session: Arc::new(Mutex::new(session)),
        }
    }

    /// How many locks are held.
    pub fn held(&self) -> usize {
        let mut table = self.table();
        table.take_back();
        table.held.len()
    }

    fn end(&self, session: usize) {
        let mut table = self.table();
        table.take_back();
        table.held.retain(|_, (holder, _)| *holder != session);
        table.sessions[session].is_ended = true;
    }
}

/// The locks of one life of one server.
#[derive(Clone)]
pub struct SimLocks {
    service: LockTable,
    server: String,
    session: Arc<Mutex<usize>>,
}

impl SimLocks {
    fn session(&self) -> usize {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The service ends the session; the server does not know yet.
    pub fn expire(&self) {
        self.service.end(self.session());
    }

    /// Tells the server that its session has ended, if it has; a new one takes its place.
    pub fn tell(&self) {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = self.service.table();
        if !table.sessions[*session].is_ended {
            return;
        }
        let lost = table.sessions[*session].lost.clone();
        *session = table.open_session();
        drop((table, session));
        lost.cancel();
    }

    /// The server has died. Its locks stay until [`SimLocks::expire`].
    pub fn die(&self) {
        let mut table = self.service.table();
        table.take_back();
        let session = self.session();
        table.sessions[session].is_dead = true;
    }
}

#[async_trait]
impl LockManager for SimLocks {
    async fn acquire(&self, resources: &[ResourceRef]) -> Result<Vec<Acquisition>, LockError> {
        let kernel = &self.service.kernel;
        kernel.pass().await;
        let plan = kernel.plan();
        let unreachable = || LockError::Unreachable { source: None };
        if kernel.chance(|random| random.happens(plan.unreachable)) {
            kernel.log(&self.server, "finds the lock service out of reach");
            return Err(unreachable());
        }
        let session = self.session();
        if self.service.table().sessions[session].is_ended {
            kernel.log(&self.server, "finds its session ended");
            self.tell();
            return Err(unreachable());
        }
        let acquired: Vec<Acquisition> = {
            let planted = self.service.planted;
            let mut table = self.service.table();
            table.take_back();
            let take = |resource: &ResourceRef| table.take(*resource, session, planted);
            resources.iter().map(take).collect()
        };
        for (resource, acquisition) in resources.iter().zip(&acquired) {
            let event = match acquisition {
                Acquisition::Acquired(guard) => {
                    format!("locks {resource} at {}", short(guard.fence()))
                }
                Acquisition::Held => format!("finds {resource} locked"),
            };
            kernel.log(&self.server, event);
        }
        kernel.pass().await;
        Ok(acquired)
    }

    fn is_connected(&self) -> bool {
        true
    }
}

impl Table {
    fn open_session(&mut self) -> usize {
        self.sessions.push(Session {
            lost: CancellationToken::new(),
            is_ended: false,
            is_dead: false,
        });
        self.sessions.len() - 1
    }

    fn take_back(&mut self) {
        while let Ok((resource, fence)) = self.given_back.try_recv() {
            if let Some((session, held)) = self.held.get(&resource)
                && *held == fence
                && !self.sessions[*session].is_dead
            {
                self.held.remove(&resource);
            }
        }
    }

    fn take(&mut self, resource: ResourceRef, session: usize, planted: Planted) -> Acquisition {
        if self.held.contains_key(&resource) && !planted.locks_exclude_nobody {
            return Acquisition::Held;
        }
        if !planted.fences_never_grow || self.revision == 0 {
            self.revision += 1;
        }
        let fence = Fence::compose(EPOCH, self.revision);
        self.held.insert(resource, (session, fence));
        let lost = self.sessions[session].lost.clone();
        Acquisition::Acquired(Guard::new(resource, fence, lost, self.give_back.clone()))
    }
}

/// A fence for a person: its revision, since there is one epoch only.
pub fn short(fence: Fence) -> i64 {
    fence.raw() & ((1 << 44) - 1)
}
