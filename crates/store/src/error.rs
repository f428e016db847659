//! Why the database did not do what it was asked.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// An error of the store.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or is going down or coming up. The same call may succeed
    /// later.
    #[error("the database is out of reach")]
    Unavailable {
        /// What the driver says.
        #[source]
        source: Arc<DbErr>,
    },
    /// The database neither answered nor refused in time. What was asked may have been done.
    #[error("the database has not answered for {0:?}")]
    TimedOut(Duration),
    /// The database refused a statement that it should have taken.
    #[error("the database refused a statement")]
    Refused {
        /// What the driver says.
        #[source]
        source: Arc<DbErr>,
    },
    /// A row holds something that this release does not understand.
    #[error("a row of `{table}` cannot be read: {reason}")]
    Unreadable {
        /// The table.
        table: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
    /// The address of the database cannot be used.
    #[error("the database cannot be used as configured: {0}")]
    Configuration(String),
}

impl StoreError {
    /// Whether the database itself cannot be reached.
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. } | Self::TimedOut(_) | Self::Closed
        )
    }

    /// Whether what was to be written has something that only another row may have.
    pub(crate) fn is_taken(&self) -> bool {
        let Self::Refused { source } = self else {
            return false;
        };
        matches!(source.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
    }

    pub(crate) fn unreadable(table: &'static str, reason: impl ToString) -> Self {
        Self::Unreadable {
            table,
            reason: reason.to_string(),
        }
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        if is_out_of_reach(&error) {
            Self::Unavailable {
                source: Arc::new(error),
            }
        } else {
            Self::Refused {
                source: Arc::new(error),
            }
        }
    }
}

fn is_out_of_reach(error: &DbErr) -> bool {
    match error {
        DbErr::Conn(_) | DbErr::ConnectionAcquire(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error)) => {
            is_driver_out_of_reach(error)
        }
        _ => false,
    }
}

fn is_driver_out_of_reach(error: &sea_orm::SqlxError) -> bool {
    use sea_orm::SqlxError;
    match error {
        SqlxError::Io(_)
        | SqlxError::Tls(_)
        | SqlxError::Protocol(_)
        | SqlxError::PoolTimedOut
        | SqlxError::PoolClosed
        | SqlxError::WorkerCrashed => true,
        // SQLSTATE classes of PostgreSQL: 08 connection, 53 out of resources (connections, disk),
        // 55P03 and 57014 a timeout, 57P shutdown or start of the server. Retrying later is all
        // that helps with each.
        SqlxError::Database(error) => error.code().is_some_and(|code| {
            ["08", "53", "55P03", "57014", "57P"]
                .iter()
                .any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}
