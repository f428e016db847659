//! The change log has one index: the order in which it is read.
//!
//! It had two, since its rows were known by their position and read by transaction and position: five more
//! entries for each container that comes to run. On SQLite the order is that of the positions, by which the
//! table itself is kept.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared("DROP INDEX change_in_order")
            .await?;
        if manager.get_database_backend() == DatabaseBackend::Postgres {
            connection
                .execute_unprepared(
                    "ALTER TABLE change DROP CONSTRAINT change_pkey, \
                     ADD PRIMARY KEY (transaction, position)",
                )
                .await?;
        }
        Ok(())
    }
}
