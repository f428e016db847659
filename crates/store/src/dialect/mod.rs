//! What differs between databases: how a transaction that writes begins, how many rows are written
//! in one statement, what filters look like, who may change the schema, and which change records a
//! reader may go past.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ConnectionTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, DeleteMany,
    EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

mod quotas;
mod rows;
mod selecting;

pub(crate) use quotas::{run_and_find_held, usage};
pub(crate) use rows::{Together, insert, insert_unless_there, is_one_of, rewrite};
pub(crate) use selecting::{Inside, inside, is_among, matches, meets};

use crate::Position;
use crate::entities::change;

/// Any number, as long as nothing else in the database locks by it: "drover" in ASCII.
const SCHEMA_LOCK: i64 = 0x64_72_6f_76_65_72;

/// Begins a transaction that will write. SQLite takes its one write lock at once: a transaction
/// that reads first and then wants to write fails under load.
pub(crate) async fn begin(database: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = match database.get_database_backend() {
        DatabaseBackend::Sqlite => TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        },
        _ => TransactionOptions::default(),
    };
    database.begin_with_options(options).await
}

/// Has a transaction wait for the disk although its connection does not.
pub(crate) async fn commit_durably(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DatabaseBackend::Postgres {
        transaction
            .execute_unprepared("SET LOCAL synchronous_commit = on")
            .await?;
    }
    Ok(())
}

/// Keeps other servers from changing the schema until the transaction ends. On SQLite a transaction
/// that will write does so anyway.
pub(crate) async fn lock_schema(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    if transaction.get_database_backend() == DatabaseBackend::Postgres {
        // Building an index may take long, and so may waiting for another server that does.
        for bound in [
            "lock_timeout",
            "statement_timeout",
            "idle_in_transaction_session_timeout",
        ] {
            transaction
                .execute_unprepared(&format!("SET LOCAL {bound} = 0"))
                .await?;
        }
        let lock = format!("SELECT pg_advisory_xact_lock({SCHEMA_LOCK})");
        transaction.execute_unprepared(&lock).await?;
    }
    Ok(())
}

/// How many steps of the schema were applied. Fails where there is no schema yet.
pub(crate) async fn applied_migrations(database: &DatabaseConnection) -> Result<u64, DbErr> {
    let statement = Statement::from_string(
        database.get_database_backend(),
        "SELECT count(*) AS applied FROM seaql_migrations",
    );
    let row = Applied::find_by_statement(statement).one(database).await?;
    Ok(row.map_or(0, |row| u64::try_from(row.applied).unwrap_or(0)))
}

#[derive(FromQueryResult)]
struct Applied {
    applied: i64,
}

/// The change records after a position that no transaction still open can come before, oldest
/// first. Reads no more of the log than it answers.
pub(crate) fn changes_after(backend: DatabaseBackend, after: Position) -> Select<change::Entity> {
    use change::Column;
    let after = place(backend).gt(bound(backend, after));
    let after = change::Entity::find().filter(after);
    match backend {
        DatabaseBackend::Postgres => {
            let oldest_open = Expr::cust("pg_snapshot_xmin(pg_current_snapshot())::text::bigint");
            after
                .filter(Expr::col(Column::Transaction).lt(oldest_open))
                .order_by_asc(Column::Transaction)
                .order_by_asc(Column::Position)
        }
        _ => after.order_by_asc(Column::Position),
    }
}

/// The deletion of the change records up to a position, which is among them.
pub(crate) fn forget_changes(
    backend: DatabaseBackend,
    last: Position,
) -> DeleteMany<change::Entity> {
    change::Entity::delete_many().filter(place(backend).lte(bound(backend, last)))
}

/// What the change log is kept in the order of.
fn place(backend: DatabaseBackend) -> Expr {
    use change::Column;
    match backend {
        DatabaseBackend::Postgres => {
            Expr::tuple([Expr::col(Column::Transaction), Expr::col(Column::Position)])
        }
        _ => Expr::col(Column::Position),
    }
}

/// A position, to compare a place with.
fn bound(backend: DatabaseBackend, position: Position) -> Expr {
    match backend {
        DatabaseBackend::Postgres => {
            Expr::tuple([position.transaction, position.position].map(Expr::value))
        }
        _ => Expr::value(position.position),
    }
}

/// The position after which lies only what is committed from now on.
pub(crate) async fn end_of_changes(database: &DatabaseConnection) -> Result<Position, DbErr> {
    match database.get_database_backend() {
        DatabaseBackend::Postgres => {
            let statement = Statement::from_string(
                DatabaseBackend::Postgres,
                "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest",
            );
            let oldest = Oldest::find_by_statement(statement).one(database).await?;
            let oldest = oldest.map_or(0, |row| row.oldest);
            Ok(Position {
                transaction: oldest - 1,
                position: i64::MAX,
            })
        }
        _ => {
            let last = change::Entity::find()
                .select_only()
                .column(change::Column::Position)
                .order_by_desc(change::Column::Position)
                .limit(1)
                .into_tuple::<i64>()
                .one(database)
                .await?;
            Ok(Position {
                transaction: 0,
                position: last.unwrap_or(0),
            })
        }
    }
}

#[derive(FromQueryResult)]
struct Oldest {
    oldest: i64,
}
