//! The change log.
//!
//! Each row is written in the transaction that it tells of. Rows of transactions that commit at
//! the same time can become visible in another order than their positions, so on PostgreSQL each
//! carries the id of its transaction: a reader goes by transaction first and stops before the
//! oldest one that is still open. On SQLite transactions that write exclude one another, positions
//! are in order, and the column is 0.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Change {
    Table,
    Position,
    Transaction,
    ResourceType,
    ResourceId,
    ProjectId,
    State,
    Version,
    At,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut transaction = ColumnDef::new(Change::Transaction);
        transaction.big_integer().not_null();
        match manager.get_database_backend() {
            DatabaseBackend::Postgres => {
                transaction.default(Expr::cust("(pg_current_xact_id()::text::bigint)"))
            }
            _ => transaction.default(0),
        };
        let table = Table::create()
            .table(Change::Table)
            .col(
                ColumnDef::new(Change::Position)
                    .big_integer()
                    .not_null()
                    .auto_increment()
                    .primary_key(),
            )
            .col(transaction)
            .col(
                ColumnDef::new(Change::ResourceType)
                    .string_len(32)
                    .not_null(),
            )
            .col(ColumnDef::new(Change::ResourceId).uuid().not_null())
            .col(ColumnDef::new(Change::ProjectId).uuid())
            .col(ColumnDef::new(Change::State).string_len(32).not_null())
            .col(ColumnDef::new(Change::Version).big_integer().not_null())
            .col(ColumnDef::new(Change::At).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await?;

        let in_order = Index::create()
            .name("change_in_order")
            .table(Change::Table)
            .col(Change::Transaction)
            .col(Change::Position)
            .to_owned();
        manager.create_index(in_order).await
    }
}
