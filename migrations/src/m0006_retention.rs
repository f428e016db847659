//! What is needed to forget: finished processes by the moment that they ended.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX process_finished ON process (finished_at) \
                 WHERE finished_at IS NOT NULL",
            )
            .await?;
        Ok(())
    }
}
