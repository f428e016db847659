//! How PostgreSQL keeps the tables whose rows are rewritten with each transition.
//!
//! A page that is not filled to the brim takes the next version of a row beside the last one, and
//! then no index has to be told of it, as long as no indexed column has changed. What is left of old
//! versions is cleared away when a twentieth of a table is dead rather than a fifth, so that steady
//! churn does not make it grow. SQLite rewrites rows in place and needs none of it.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DatabaseBackend;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const CLEARED: &str = "autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() != DatabaseBackend::Postgres {
            return Ok(());
        }
        for (table, filled) in [
            ("resource", 50),
            ("process", 70),
            ("host_room", 10),
            ("reservation", 90),
            ("change", 100),
        ] {
            manager
                .get_connection()
                .execute_unprepared(&format!(
                    "ALTER TABLE {table} SET (fillfactor = {filled}, {CLEARED})"
                ))
                .await?;
        }
        Ok(())
    }
}
