//! Connecting, and bringing the schema up to date.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use drover_domain::ResourceId;
use drover_domain::write::ProcessWrite;
use drover_migrations::{Migrator, MigratorTrait};
use futures::FutureExt;
use sea_orm::{ConnectOptions, Database, DatabaseBackend, DatabaseConnection};
use tracing::log::LevelFilter;

use crate::credentials::Uses;
use crate::group::{self, Group, Pace};
use crate::passwords::Hashing;
use crate::quotas::KnownQuotas;
use crate::tally::Tally;
use crate::{
    Keyring, News, Store, StoreError, Submitted, audit_log, credentials, dialect, intents,
    presence, processes, resources, writes,
};

/// Transactions of one kind that are under way at the same time on PostgreSQL: while one waits for
/// its commit to reach the disk, the next one gathers.
const POSTGRES_LANES: usize = 2;

/// A connection that was not used for so long is looked at before it is used again: the server may
/// have been replaced meanwhile. A store that is busy never pays for that.
const IDLE: Duration = Duration::from_millis(500);

/// No lock is waited for and no transaction is kept open for ever, on the side of PostgreSQL: what
/// a server that lost its power had locked is free again before others give up on it.
const BOUNDS: [(&str, &str); 4] = [
    ("lock_timeout", "5s"),
    ("statement_timeout", "60s"),
    ("idle_in_transaction_session_timeout", "3s"),
    ("tcp_user_timeout", "10s"),
];

/// Statements that write, and those that look up by keys, are few and of one text for any number of
/// rows: each is planned once a connection. PostgreSQL would plan those of one row anew each time, which costs more than to run
/// them, since a plan for one row looks cheaper than one for any number.
const PLANNED_ONCE: (&str, &str) = ("plan_cache_mode", "force_generic_plan");
/// What writes and does not wait for the disk.
const RELAXED: [(&str, &str); 2] = [PLANNED_ONCE, ("synchronous_commit", "off")];
/// Claims are made by one caller at a time, and so is what wakes, and what refusals write.
const RELAXED_CONNECTIONS: u32 = 3;
/// The lanes of both groups, and what is written beside them.
const WRITING_CONNECTIONS: u32 = 6;

/// The lanes of the groups that look up by keys.
const LOOKUP_CONNECTIONS: u32 = 6;

/// Where the database is and how to use it.
#[derive(Clone)]
pub struct StoreOptions {
    /// `postgres://…` or `sqlite://PATH`. May hold a password, so it is never logged.
    pub url: String,
    /// The most connections to PostgreSQL that read lists and the like; those that look up by keys are
    /// six at most, and those that write nine.
    pub connections: u32,
    /// How long to wait for a connection before the database counts as out of reach.
    pub patience: Duration,
    /// The keys of secrets that have to be shown to others again. Without any, none is taken.
    pub keyring: Keyring,
}

impl StoreOptions {
    /// The usual options for an address.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: 10,
            patience: Duration::from_secs(2),
            keyring: Keyring::default(),
        }
    }

    /// The same, with keys for secrets.
    #[must_use]
    pub fn with_keyring(self, keyring: Keyring) -> Self {
        Self { keyring, ..self }
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("StoreOptions")
            .field("connections", &self.connections)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Prepares to use a database. PostgreSQL need not be up yet: each call connects as needed.
    ///
    /// # Errors
    /// [`StoreError::Configuration`] when the address is of no known kind,
    /// [`StoreError::Unavailable`] when a file cannot be opened.
    pub async fn connect(options: &StoreOptions) -> Result<Self, StoreError> {
        let is_sqlite = options.url.starts_with("sqlite:");
        if !is_sqlite && !options.url.starts_with("postgres") {
            return Err(StoreError::Configuration(
                "the address begins with neither `postgres://` nor `sqlite://`".to_owned(),
            ));
        }
        let (writer, relaxed, reader, lookups, lanes) = if is_sqlite {
            let writer = connect_sqlite(options, 1).await?;
            let reader = connect_sqlite(options, 4).await?;
            (writer.clone(), writer, reader.clone(), reader, 1)
        } else {
            let connect = async |connections, settings| {
                connect_postgres(options, connections, settings).await
            };
            let writer = connect(WRITING_CONNECTIONS, &[PLANNED_ONCE][..]).await?;
            let relaxed = connect(RELAXED_CONNECTIONS, &RELAXED[..]).await?;
            let reader = connect(options.connections, &[][..]).await?;
            let lookups = connect(LOOKUP_CONNECTIONS, &[PLANNED_ONCE][..]).await?;
            (writer, relaxed, reader, lookups, POSTGRES_LANES)
        };
        let for_intents = (writer.clone(), Tally::of("intents"), KnownQuotas::default());
        let for_writes = (writer.clone(), Tally::of("writes"));
        Ok(Self {
            intents: Group::start(
                "intents",
                (lanes, Pace::Rests),
                |submitted: &Submitted| submitted.intent.resource.id,
                move |batch| {
                    let (database, tally, quotas) = for_intents.clone();
                    async move {
                        let accepted = intents::accept(&database, &batch, &quotas).await;
                        tally.count(&batch, &accepted);
                        accepted
                    }
                },
            ),
            writes: Group::start(
                "writes",
                (lanes, Pace::Rests),
                |write: &Arc<ProcessWrite>| write.process.id,
                move |batch| {
                    let (database, tally) = for_writes.clone();
                    async move {
                        let written = writes::commit(&database, &batch).await;
                        tally.count(&batch, &written);
                        written
                    }
                },
            ),
            refusals: Group::at_once(
                "refusals",
                1,
                group::nothing_in_common,
                &relaxed,
                |database, batch| audit_log::record(database, batch).boxed(),
            ),
            presence: Group::at_once(
                "presence",
                1,
                |(host, _): &(ResourceId, News)| *host,
                &writer,
                |database, batch| presence::write(database, batch).boxed(),
            ),
            credentials: Group::at_once(
                "credentials",
                lanes,
                group::nothing_in_common,
                &lookups,
                |database, batch| credentials::look_up(database, batch).boxed(),
            ),
            resources: Group::at_once(
                "resources",
                lanes,
                group::nothing_in_common,
                &lookups,
                |database, batch| resources::look_up(database, batch).boxed(),
            ),
            unfinished: Group::at_once(
                "unfinished",
                lanes,
                group::nothing_in_common,
                &lookups,
                |database, batch| processes::look_up(database, batch).boxed(),
            ),
            uses: Uses::start(relaxed.clone()),
            hashing: Hashing::default(),
            keyring: options.keyring.clone(),
            writer,
            relaxed,
            lookups,
            reader,
        })
    }

    /// Brings the schema up to date, in one transaction. Servers that do it at the same time wait
    /// for one another, and the later ones find nothing left to do.
    ///
    /// # Errors
    /// When the database cannot be reached or refuses a step.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        let transaction = dialect::begin(&self.writer).await?;
        dialect::lock_schema(&transaction).await?;
        Migrator::up(&transaction, None).await?;
        Ok(transaction.commit().await?)
    }

    /// Whether the database answers and its schema is up to date.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn is_ready(&self) -> Result<bool, StoreError> {
        if self.reader.get_database_backend() == DatabaseBackend::Sqlite {
            self.reader.ping().await?;
        }
        match dialect::applied_migrations(&self.reader)
            .await
            .map_err(StoreError::from)
        {
            Ok(applied) => Ok(applied == Migrator::migrations().len() as u64),
            Err(error) if error.is_unavailable() => Err(error),
            // There is no schema at all yet.
            Err(_) => Ok(false),
        }
    }

    /// Waits for what is under way and closes the connections.
    ///
    /// # Errors
    /// When a connection cannot be closed in order; it is gone all the same.
    pub async fn close(self) -> Result<(), StoreError> {
        drop(self.intents);
        drop(self.writes);
        drop(self.refusals);
        drop(self.presence);
        drop(self.credentials);
        drop(self.resources);
        drop(self.unfinished);
        drop(self.uses);
        self.writer.close().await?;
        self.relaxed.close().await?;
        self.lookups.close().await?;
        self.reader.close().await?;
        Ok(())
    }
}

async fn connect_postgres(
    options: &StoreOptions,
    connections: u32,
    further: &[(&'static str, &'static str)],
) -> Result<DatabaseConnection, StoreError> {
    let settings: Vec<_> = BOUNDS.iter().chain(further).copied().collect();
    let mut connect = ConnectOptions::new(&options.url);
    connect
        .max_connections(connections)
        .acquire_timeout(options.patience)
        .connect_timeout(options.patience)
        .connect_lazy(true)
        .test_before_acquire_if_idle_for(IDLE)
        .sqlx_logging_level(LevelFilter::Trace)
        .map_sqlx_postgres_opts(move |postgres| postgres.options(settings.clone()));
    // Nothing is connected yet, so all that can be wrong is the address; what the driver says of it
    // repeats it, password and all.
    Database::connect(connect).await.map_err(|_| {
        StoreError::Configuration(
            "the address of PostgreSQL cannot be parsed; it is not shown, since it may hold a \
             password"
                .to_owned(),
        )
    })
}

async fn connect_sqlite(
    options: &StoreOptions,
    connections: u32,
) -> Result<DatabaseConnection, StoreError> {
    let mut connect = ConnectOptions::new(&options.url);
    connect
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(30))
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .sqlx_logging_level(LevelFilter::Trace)
        .map_sqlx_sqlite_opts(|sqlite| {
            use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
            sqlite
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                // An intent that was answered with 202 survives the loss of power.
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(5))
        });
    Ok(Database::connect(connect).await?)
}
