//! The only SQL of Drover: one concrete [`Store`] over PostgreSQL or SQLite.
//!
//! The database is the only truth. Everything that changes it comes here in one of three forms,
//! and each of them is one transaction that carries its change records with it:
//!
//! ```text
//!   Intent        from the API          resource + process + change         guard: version
//!   Claim         from a process server process gets owner and fence        guard: fence grows
//!   ProcessWrite  from its owner        process + resource + reservation    guards: fence, version
//! ```
//!
//! Round trips and commits cost, rows hardly do. So intents and writes that arrive together are
//! committed together (`group`): whatever has gathered while the last transaction was under way
//! becomes the next one, with statements of many rows and without any timer. Each caller is told
//! its own outcome, the same as if it had been alone. Within a transaction rows are locked in one
//! order everywhere (resources, then processes, then host rooms; each by id), so that transactions
//! wait for one another and never deadlock.
//!
//! What differs between databases stands in one folder, `dialect`. Entities are private: what goes
//! in and comes out are the types of the [domain](drover_domain).

mod accounts;
mod api_keys;
mod attached;
mod audit_log;
mod cancellations;
mod census;
mod changes;
mod children;
mod claims;
pub mod clock;
mod connection;
mod credentials;
mod dialect;
mod entities;
mod epochs;
mod error;
pub mod fresh;
mod group;
mod hosts;
mod intents;
mod lists;
mod logins;
mod passwords;
mod presence;
mod processes;
mod projects;
mod quotas;
mod references;
mod registration;
mod registry_credentials;
mod removals;
mod reservations;
mod resources;
mod retention;
mod sealing;
mod sessions;
mod settings;
mod tally;
mod tickets;
mod writes;

use std::sync::Arc;

use drover_domain::write::{ProcessWrite, Written};
use drover_domain::{Process, ResourceId};
use sea_orm::DatabaseConnection;
use sea_orm::entity::prelude::Uuid;

pub use accounts::AccountError;
pub use api_keys::{KeyError, NewKey};
pub use attached::{Attached, AuditEntry, KeptAnswer, Mutated, Submitted};
pub use audit_log::AuditFilter;
pub use census::Census;
pub use changes::{Change, ChangeFilter, Labels, Position, UnknownPosition};
pub use claims::{Claim, Claimed, Ready, WOKEN_AT_ONCE};
pub use connection::StoreOptions;
pub use credentials::{CredentialKind, Issued, Presented, Verified};
pub use error::StoreError;
pub use intents::Accepted;
pub use lists::{Marker, Page};
pub use logins::{
    Attempt, FAILURES_OF_A_NAME, FAILURES_OF_AN_ADDRESS, LoggedIn, Login, LoginError, LoginFilter,
    LoginOutcome, WINDOW,
};
pub use passwords::NewPassword;
pub use presence::{News, OutOfReach, Seen};
pub use processes::ProcessFilter;
pub use projects::ProjectRemoval;
pub use references::{NamedError, NetworkRemoval};
pub use registration::{Registered, Registering, RegistrationError};
pub use registry_credentials::{RegistryCredentialError, RegistryLogin};
pub use removals::Target;
pub use resources::ResourceFilter;
pub use sealing::{Keyring, KeyringError, SealError};
pub use sessions::{Session, SessionText};
pub use settings::StoredSetting;
pub use tickets::{StreamTicket, TicketText};

use credentials::Uses;
use entities::credential;
use group::Group;
use passwords::Hashing;
use resources::Read;

/// The database. Cheap to clone; clones share connections and groups.
#[derive(Clone)]
pub struct Store {
    /// Every transaction that writes. On SQLite one connection, so that writers queue here rather
    /// than fail there.
    writer: DatabaseConnection,
    /// Transactions whose loss costs nothing but time, if the database loses its power: they do not
    /// wait for its disk. On SQLite the same as the writer.
    relaxed: DatabaseConnection,
    /// What looks up by keys. On SQLite the same as the reader.
    lookups: DatabaseConnection,
    /// Every other read.
    reader: DatabaseConnection,
    intents: Group<Submitted, Accepted>,
    writes: Group<Arc<ProcessWrite>, Written>,
    refusals: Group<AuditEntry, ()>,
    presence: Group<(ResourceId, News), Option<i64>>,
    credentials: Group<Uuid, Option<credential::Model>>,
    resources: Group<ResourceId, Option<Read>>,
    unfinished: Group<Vec<ResourceId>, Vec<Process>>,
    uses: Uses,
    hashing: Hashing,
    keyring: Keyring,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    /// Commits an intent and what is attached to it, together with others that arrive at the same
    /// time. An intent by itself is one that no request asked for: nothing is attached to it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached: the intent was not
    /// committed, but for one case that nobody can tell apart, a connection lost during the commit.
    pub async fn accept(&self, submitted: impl Into<Submitted>) -> Result<Accepted, StoreError> {
        self.intents.submit(submitted.into()).await
    }

    /// Commits what the owner of a process wants written, together with others.
    ///
    /// # Errors
    /// As [`Store::accept`].
    pub async fn commit(&self, write: impl Into<Arc<ProcessWrite>>) -> Result<Written, StoreError> {
        self.writes.submit(write.into()).await
    }
}
