//! What differs between databases: how a transaction that writes begins, and which change records
//! a reader may go past.

use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, DatabaseBackend, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait,
    FromQueryResult, QueryOrder, QuerySelect, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
};

use crate::Position;
use crate::entities::change;

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

/// The change records after a position that no transaction still open can come before.
pub(crate) fn settled_after(backend: DatabaseBackend, after: Position) -> Condition {
    let is_later = Condition::any()
        .add(change::Column::Transaction.gt(after.transaction))
        .add(
            Condition::all()
                .add(change::Column::Transaction.eq(after.transaction))
                .add(change::Column::Position.gt(after.position)),
        );
    let condition = Condition::all().add(is_later);
    match backend {
        DatabaseBackend::Postgres => condition.add(Expr::col(change::Column::Transaction).lt(
            Expr::cust("pg_snapshot_xmin(pg_current_snapshot())::text::bigint"),
        )),
        _ => condition,
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
