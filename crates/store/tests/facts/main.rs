//! What the store promises, checked from outside on both databases: SQLite in a folder of the
//! test's own, and a real PostgreSQL.
//!
//! A fact is an `async fn` that is handed a [`World`](support::World): a fresh, migrated database
//! and a store over it. [`facts!`] runs each fact of a file as a test of its own on SQLite; on
//! PostgreSQL all facts of a file share one server, since that costs a second or two to start, and
//! each has a database of its own there. A failure names the facts that do not hold.
//!
//! Tests run on one thread, so that what is submitted by one `join` reaches the store as one batch;
//! "two servers" are two stores over one database, whose transactions really meet there.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and its helpers stand outside of test functions"
)]

/// Runs each fact on SQLite and on PostgreSQL.
macro_rules! facts {
    ($($fact:ident,)+) => {
        mod on_sqlite {
            $(
                #[tokio::test]
                async fn $fact() {
                    crate::support::check_on_sqlite(super::$fact).await;
                }
            )+
        }

        #[tokio::test]
        async fn on_postgres() {
            let mut checks = crate::support::Checks::on_postgres().await;
            $(checks.check(stringify!($fact), $fact).await;)+
            checks.finish().await;
        }
    };
}

mod accounts;
mod api_keys;
mod attached;
mod audit_log;
mod census;
mod changes;
mod children;
mod claims;
mod credentials;
mod due;
mod intents;
mod lists;
mod logins;
mod outages;
mod presence;
mod quotas;
mod reading;
mod references;
mod registration;
mod registry_credentials;
mod reservations;
mod retention;
mod schema;
mod settings;
mod support;
mod taking;
mod tickets;
mod writes;
