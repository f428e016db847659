//! Processes.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Process {
    Table,
    Id,
    Request,
    ResourceType,
    ResourceId,
    ProjectId,
    Phase,
    Origin,
    Force,
    Journal,
    RunAfter,
    Deadline,
    Priority,
    Fence,
    ServerId,
    Cause,
    ParentId,
    SuccessorId,
    Message,
    WaitsFor,
    CreatedAt,
    StartedAt,
    FinishedAt,
}

/// What is unfinished: small, however long the history is.
const UNFINISHED: &str = "phase IN ('queued', 'running', 'waiting')";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Process::Table)
            .col(ColumnDef::new(Process::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Process::Request).string_len(32).not_null())
            .col(
                ColumnDef::new(Process::ResourceType)
                    .string_len(32)
                    .not_null(),
            )
            .col(ColumnDef::new(Process::ResourceId).uuid().not_null())
            .col(ColumnDef::new(Process::ProjectId).uuid())
            .col(ColumnDef::new(Process::Phase).string_len(16).not_null())
            .col(ColumnDef::new(Process::Origin).string_len(32).not_null())
            .col(ColumnDef::new(Process::Force).boolean().not_null())
            .col(ColumnDef::new(Process::Journal).json_binary().not_null())
            .col(ColumnDef::new(Process::RunAfter).big_integer().not_null())
            .col(ColumnDef::new(Process::Deadline).big_integer().not_null())
            .col(ColumnDef::new(Process::Priority).small_integer().not_null())
            .col(ColumnDef::new(Process::Fence).big_integer().not_null())
            .col(ColumnDef::new(Process::ServerId).uuid())
            .col(ColumnDef::new(Process::Cause).json_binary().not_null())
            .col(ColumnDef::new(Process::ParentId).uuid())
            .col(ColumnDef::new(Process::SuccessorId).uuid())
            .col(ColumnDef::new(Process::Message).text())
            .col(ColumnDef::new(Process::WaitsFor).string_len(64))
            .col(ColumnDef::new(Process::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(Process::StartedAt).big_integer())
            .col(ColumnDef::new(Process::FinishedAt).big_integer())
            .to_owned();
        manager.create_table(table).await?;

        let by_resource = Index::create()
            .name("process_by_resource")
            .table(Process::Table)
            .col(Process::ResourceId)
            .col(Process::Id)
            .to_owned();
        manager.create_index(by_resource).await?;
        for statement in [
            // At most one unfinished process changes a resource: the database sees to it.
            format!(
                "CREATE UNIQUE INDEX process_unfinished_by_resource ON process (resource_id) \
                 WHERE {UNFINISHED}"
            ),
            format!("CREATE INDEX process_due ON process (run_after) WHERE {UNFINISHED}"),
            "CREATE INDEX process_waiting ON process (waits_for) \
             WHERE phase = 'waiting' AND waits_for IS NOT NULL"
                .to_owned(),
        ] {
            manager
                .get_connection()
                .execute_unprepared(&statement)
                .await?;
        }
        Ok(())
    }
}
