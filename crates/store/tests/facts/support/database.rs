//! Fresh databases, and a look into them past the store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use drover_scenarios::postgres::Postgres;
use drover_scenarios::until::until;
use sea_orm::{ConnectionTrait, DatabaseBackend, DatabaseConnection, Statement};
use tempfile::TempDir;

/// The rows of tables, as text, sorted.
pub(crate) type Rows = BTreeMap<String, Vec<String>>;

/// A database; gone when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Database {
    /// Where it is.
    pub(crate) url: String,
    home: Home,
}

#[derive(Clone)]
enum Home {
    Sqlite(#[expect(dead_code, reason = "it is kept for its drop")] Arc<TempDir>),
    Postgres(Arc<Server>),
}

struct Server {
    postgres: Postgres,
    databases: AtomicU32,
}

impl Database {
    /// A file in a folder of its own.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("drover-store-")
            .tempdir()
            .unwrap();
        Self {
            url: format!("sqlite://{}", folder.path().join("drover.db").display()),
            home: Home::Sqlite(Arc::new(folder)),
        }
    }

    /// The first database of a PostgreSQL server of its own.
    pub(crate) async fn postgres() -> Self {
        let postgres = Postgres::start().await.unwrap();
        Self {
            url: postgres.url(),
            home: Home::Postgres(Arc::new(Server {
                postgres,
                databases: AtomicU32::new(0),
            })),
        }
    }

    /// Another, empty database beside this one.
    pub(crate) async fn another(&self) -> Self {
        let Home::Postgres(server) = &self.home else {
            return Self::sqlite();
        };
        let number = server.databases.fetch_add(1, Ordering::Relaxed);
        let create = format!("CREATE DATABASE fact_{number}");
        server.postgres.query(&create).await.unwrap();
        let first = server.postgres.url();
        let (address, _) = first.rsplit_once('/').unwrap();
        Self {
            url: format!("{address}/fact_{number}"),
            home: self.home.clone(),
        }
    }

    /// Whether it is PostgreSQL.
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self.home, Home::Postgres(_))
    }

    /// A connection past the store.
    pub(crate) async fn connection(&self) -> DatabaseConnection {
        sea_orm::Database::connect(&self.url).await.unwrap()
    }

    /// The first column of each row that a query answers, as text.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let connection = self.connection().await;
        let texts = texts(&connection, sql).await;
        connection.close().await.unwrap();
        texts
    }

    /// Waits until nobody else is connected to a PostgreSQL database; whatever its statistics were
    /// told is in them then.
    pub(crate) async fn until_unused(&self) {
        let others = "SELECT count(*)::text FROM pg_stat_activity \
                      WHERE datname = current_database() AND pid <> pg_backend_pid() \
                      AND backend_type = 'client backend'";
        let alone = until("others are gone", Duration::from_secs(20), || async {
            let count = self.texts(others).await;
            anyhow::ensure!(count == ["0"], "others are connected: {count:?}");
            Ok(())
        });
        alone.await.unwrap();
    }

    /// Every row of every table.
    pub(crate) async fn rows(&self) -> Rows {
        let connection = self.connection().await;
        let is_postgres = connection.get_database_backend() == DatabaseBackend::Postgres;
        let tables = match is_postgres {
            true => {
                "SELECT table_name::text FROM information_schema.tables \
                 WHERE table_schema = 'public'"
            }
            false => {
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            }
        };
        let mut rows = Rows::new();
        for table in texts(&connection, tables).await {
            let query = match is_postgres {
                true => format!("SELECT t::text FROM \"{table}\" AS t ORDER BY 1"),
                false => {
                    let columns = format!("SELECT name FROM pragma_table_info('{table}')");
                    let columns = texts(&connection, &columns).await;
                    let quoted = columns.iter().map(|name| format!("quote(\"{name}\")"));
                    let row = quoted.collect::<Vec<_>>().join(" || ',' || ");
                    format!("SELECT {row} FROM \"{table}\" ORDER BY 1")
                }
            };
            let found = texts(&connection, &query).await;
            rows.insert(table, found);
        }
        connection.close().await.unwrap();
        rows
    }
}

async fn texts(connection: &DatabaseConnection, sql: &str) -> Vec<String> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| row.try_get_by_index::<String>(0).unwrap())
        .collect()
}
