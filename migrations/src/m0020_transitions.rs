//! What a transition of a resource rewrites is in no index any more.
//!
//! The index of hosts that are out of reach had the state in its condition. PostgreSQL then has to tell every
//! index of a table of each new version of a row whose state has changed, of whatever type it is: eight entries
//! for each transition of a container. Hosts are few beside containers, and are looked through instead.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const STATEMENTS: [&str; 2] = [
    "DROP INDEX host_out_of_reach",
    "CREATE INDEX resource_hosts ON resource (id) WHERE type = 'host' AND removed_at IS NULL",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in STATEMENTS {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }
}
