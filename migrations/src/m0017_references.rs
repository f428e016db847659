//! Names by which containers refer to volumes and networks: within a project no two that are there have the
//! same. No transition changes what is indexed here but the removal, which frees the name.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statement = "CREATE UNIQUE INDEX resource_reference ON resource (project_id, type, name) \
                         WHERE type IN ('volume', 'network') AND removed_at IS NULL";
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
        Ok(())
    }
}
