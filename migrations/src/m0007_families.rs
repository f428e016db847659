//! What is needed for undoing, for priorities and for children: why a process undoes what it began,
//! what is due by how urgent it is, and the children of a process.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in [
            "ALTER TABLE process ADD COLUMN failure text",
            "DROP INDEX process_due",
            "CREATE INDEX process_due ON process (priority, run_after) \
             WHERE phase IN ('queued', 'running', 'waiting')",
            "CREATE INDEX process_children ON process (parent_id, id) \
             WHERE parent_id IS NOT NULL",
        ] {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }
}
