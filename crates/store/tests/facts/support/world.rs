//! A database, a store over it, and the work of servers on it.

use std::time::Duration;

use drover_domain::engine::{Next, Outcome};
use drover_domain::process::WaitsFor;
use drover_domain::write::{Intent, ProcessWrite, Written};
use drover_domain::{Fence, Process, ProcessId, Resource, Timestamp};
use drover_store::{Accepted, Attached, Claim, Claimed, Keyring, Store, StoreOptions, fresh};

use super::build::{LEASE, NOW, container, next_write, to_create};
use super::database::{Database, Rows};

/// What a fact is about.
pub(crate) struct World {
    /// The store of one server.
    pub(crate) store: Store,
    /// The database under it.
    pub(crate) database: Database,
}

impl World {
    /// A store over a database, with the schema up to date.
    pub(crate) async fn over(database: Database) -> Self {
        let store = connect(&database).await;
        store.migrate().await.unwrap();
        Self { store, database }
    }

    /// The same in another database of the same kind.
    pub(crate) async fn elsewhere(&self) -> Self {
        Self::over(self.database.another().await).await
    }

    /// The store of another server over the same database.
    pub(crate) async fn second_server(&self) -> Store {
        connect(&self.database).await
    }

    /// The same, with the keys of the lines of a text.
    pub(crate) async fn server_with_keys(&self, keys: &str) -> Store {
        let options = StoreOptions::new(self.database.url.clone());
        let options = options.with_keyring(Keyring::parse(keys).unwrap());
        Store::connect(&options).await.unwrap()
    }

    /// Every row that there is.
    pub(crate) async fn rows(&self) -> Rows {
        self.database.rows().await
    }

    /// Commits an intent that nothing speaks against.
    pub(crate) async fn accept(&self, intent: Intent) -> Intent {
        let accepted = self.store.accept(intent.clone()).await.unwrap();
        assert!(matches!(accepted, Accepted::Committed { .. }));
        intent
    }

    /// Inserts a resource, with nothing attached.
    pub(crate) async fn insert(&self, resource: &Resource) {
        let inserted = self.store.insert(resource, Attached::nothing()).await;
        assert!(inserted.unwrap().is_done());
    }

    /// Rewrites a resource, with nothing attached. False if it has moved.
    pub(crate) async fn rewrite(&self, resource: &Resource, expected: i64) -> bool {
        let rewritten = self.store.rewrite(resource, expected, Attached::nothing());
        rewritten.await.unwrap().is_done()
    }

    /// Commits a write that nothing speaks against.
    pub(crate) async fn commit(&self, write: ProcessWrite) {
        let written = self.store.commit(write).await.unwrap();
        assert_eq!(written, Written::Committed);
    }

    /// Has a write refused, which changes nothing then.
    pub(crate) async fn refuses(&self, write: ProcessWrite, expected: Written) {
        let before = self.rows().await;
        assert_eq!(self.store.commit(write).await.unwrap(), expected);
        assert_eq!(self.rows().await, before);
    }

    /// A process that makes a new container, not claimed yet.
    pub(crate) async fn queued(&self, name: &str) -> Process {
        self.accept(to_create(container(name))).await.process
    }

    /// The same, claimed under a fence.
    pub(crate) async fn claimed(&self, name: &str, fence: i64) -> Claimed {
        let process = self.queued(name).await;
        self.claim(process.id, fence, NOW).await.unwrap()
    }

    /// The same, waiting until a moment so much later for something.
    pub(crate) async fn waiting(
        &self,
        name: &str,
        delay: Duration,
        waits_for: Option<WaitsFor>,
    ) -> Process {
        let owned = self.claimed(name, 1).await;
        let outcome = Outcome::Wait {
            reason: "it is early".to_owned(),
            delay,
            waits_for,
            progress: None,
        };
        let (write, _) = next_write(&owned, outcome);
        self.commit(write.clone()).await;
        write.process
    }

    /// A container that is created, with no process at work on it.
    pub(crate) async fn settled(&self, name: &str) -> Resource {
        let owned = self.claimed(name, 1).await;
        self.finish(owned).await.resource
    }

    /// A claim of a process, under the lock of its resource. One that there is not claims nothing.
    pub(crate) async fn claim_of(&self, process: ProcessId, fence: i64) -> Claim {
        let row = self.store.process(process).await.unwrap();
        let resource = row
            .map(|row| row.resource)
            .unwrap_or_else(|| container("none").reference());
        Claim {
            process,
            resource,
            fence: Fence::from_raw(fence),
            is_called: false,
        }
    }

    /// Claims a process for a new server.
    pub(crate) async fn claim(
        &self,
        process: ProcessId,
        fence: i64,
        now: Timestamp,
    ) -> Option<Claimed> {
        let claim = self.claim_of(process, fence).await;
        let server = fresh::server_id();
        let mut answers = self
            .store
            .claim(&[claim], server, now, LEASE)
            .await
            .unwrap();
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    /// Takes a process for a new server.
    pub(crate) async fn take(&self, process: ProcessId, fence: i64) -> Option<Claimed> {
        let claim = self.claim_of(process, fence).await;
        let server = fresh::server_id();
        let mut answers = self.store.take(&[claim], server, NOW, LEASE).await.unwrap();
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }

    /// Runs a process, and those that are chained to it, to the end: every step succeeds.
    pub(crate) async fn finish(&self, mut owned: Claimed) -> Claimed {
        loop {
            let (write, next) = next_write(&owned, Outcome::done());
            self.commit(write.clone()).await;
            if let Some((resource, _)) = write.resource {
                owned.resource = resource;
            }
            owned.process = write.successor.unwrap_or(write.process);
            if next == Next::End {
                return owned;
            }
        }
    }

    /// A process as the database has it.
    pub(crate) async fn process(&self, id: ProcessId) -> Process {
        self.store.process(id).await.unwrap().unwrap()
    }

    /// A resource as the database has it; none if it is gone.
    pub(crate) async fn resource(&self, resource: &Resource) -> Option<Resource> {
        let resource_type = resource.resource_type();
        self.store
            .resource(resource_type, resource.id)
            .await
            .unwrap()
    }
}

async fn connect(database: &Database) -> Store {
    let options = StoreOptions::new(database.url.clone());
    Store::connect(&options).await.unwrap()
}
