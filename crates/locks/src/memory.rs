//! The lock manager inside one operating-system process.
//!
//! One table stands for the lock service; each manager on it has a session of its own. Guards that
//! were dropped wait in a channel, which is emptied before the table is looked at, so that a lock
//! that was given back is free for whoever asks next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use drover_domain::{Fence, ResourceRef};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::meter::Meter;
use crate::{Acquisition, Guard, LockError, LockManager};

/// A lock manager for one process. Clones are the same manager and the same session.
#[derive(Clone)]
pub struct MemoryLocks {
    table: Arc<Mutex<Table>>,
    session: Arc<Mutex<Session>>,
    meter: Meter,
}

/// What one server holds its locks by.
struct Session {
    number: u64,
    lost: CancellationToken,
}

struct Table {
    epoch: u32,
    revision: u64,
    sessions: u64,
    held: HashMap<ResourceRef, Held>,
    give_back: mpsc::UnboundedSender<(ResourceRef, Fence)>,
    given_back: mpsc::UnboundedReceiver<(ResourceRef, Fence)>,
}

struct Held {
    session: u64,
    fence: Fence,
}

impl MemoryLocks {
    /// A lock service of its own and a manager on it. The epoch is to be higher than every one
    /// before, or fences would repeat: the database hands it out.
    pub fn new(epoch: u32) -> Self {
        let (give_back, given_back) = mpsc::unbounded_channel();
        let table = Table {
            epoch,
            revision: 0,
            sessions: 0,
            held: HashMap::new(),
            give_back,
            given_back,
        };
        Self::on(Arc::new(Mutex::new(table)))
    }

    /// Another manager on the same service, as another server would have it.
    pub fn another(&self) -> Self {
        Self::on(Arc::clone(&self.table))
    }

    /// Loses the session, as a server does that was cut off for longer than its lease: every guard
    /// of it is lost and the locks are free for others. A new session takes its place at once.
    pub fn lose_session(&self) {
        let lost = {
            let mut table = lock(&self.table);
            let mut session = lock(&self.session);
            table.held.retain(|_, held| held.session != session.number);
            std::mem::replace(&mut *session, table.open_session())
        };
        lost.lost.cancel();
        self.meter.session_lost();
    }

    fn on(table: Arc<Mutex<Table>>) -> Self {
        let session = lock(&table).open_session();
        Self {
            table,
            session: Arc::new(Mutex::new(session)),
            meter: Meter::new(),
        }
    }

    fn take(&self, resources: &[ResourceRef]) -> Vec<Acquisition> {
        let mut table = lock(&self.table);
        let session = lock(&self.session);
        table.take_back();
        resources
            .iter()
            .map(|resource| table.take(*resource, &session))
            .collect()
    }
}

#[async_trait]
impl LockManager for MemoryLocks {
    async fn acquire(&self, resources: &[ResourceRef]) -> Result<Vec<Acquisition>, LockError> {
        let taking = async { Ok(self.take(resources)) };
        self.meter.measure(resources.len(), taking).await
    }

    fn is_connected(&self) -> bool {
        true
    }
}

impl Table {
    fn open_session(&mut self) -> Session {
        self.sessions += 1;
        Session {
            number: self.sessions,
            lost: CancellationToken::new(),
        }
    }

    /// Frees the locks whose guards were dropped. A fence that is not the present one belongs to a
    /// turn that was lost before.
    fn take_back(&mut self) {
        while let Ok((resource, fence)) = self.given_back.try_recv() {
            if self
                .held
                .get(&resource)
                .is_some_and(|held| held.fence == fence)
            {
                self.held.remove(&resource);
            }
        }
    }

    fn take(&mut self, resource: ResourceRef, session: &Session) -> Acquisition {
        if self.held.contains_key(&resource) {
            return Acquisition::Held;
        }
        self.revision += 1;
        let fence = Fence::compose(self.epoch, self.revision);
        let held = Held {
            session: session.number,
            fence,
        };
        self.held.insert(resource, held);
        let give_back = self.give_back.clone();
        Acquisition::Acquired(Guard::new(resource, fence, session.lost.clone(), give_back))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under these locks can panic half way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
