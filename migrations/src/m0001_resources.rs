//! Resources of every type.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Resource {
    Table,
    Id,
    Type,
    ProjectId,
    Name,
    Description,
    Labels,
    Metadata,
    State,
    Version,
    HostId,
    CreatedAt,
    UpdatedAt,
    RemovedAt,
    Spec,
    Status,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Resource::Table)
            .col(ColumnDef::new(Resource::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Resource::Type).string_len(32).not_null())
            .col(ColumnDef::new(Resource::ProjectId).uuid())
            .col(ColumnDef::new(Resource::Name).string_len(128).not_null())
            .col(ColumnDef::new(Resource::Description).text().not_null())
            .col(ColumnDef::new(Resource::Labels).json_binary().not_null())
            .col(ColumnDef::new(Resource::Metadata).json_binary().not_null())
            .col(ColumnDef::new(Resource::State).string_len(32).not_null())
            .col(ColumnDef::new(Resource::Version).big_integer().not_null())
            .col(ColumnDef::new(Resource::HostId).uuid())
            .col(ColumnDef::new(Resource::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(Resource::UpdatedAt).big_integer().not_null())
            .col(ColumnDef::new(Resource::RemovedAt).big_integer())
            .col(ColumnDef::new(Resource::Spec).json_binary().not_null())
            .col(ColumnDef::new(Resource::Status).json_binary().not_null())
            .to_owned();
        manager.create_table(table).await?;

        let by_type = Index::create()
            .name("resource_by_type")
            .table(Resource::Table)
            .col(Resource::Type)
            .col(Resource::Id)
            .to_owned();
        manager.create_index(by_type).await?;
        let by_name = Index::create()
            .name("resource_by_name")
            .table(Resource::Table)
            .col(Resource::Type)
            .col(Resource::Name)
            .col(Resource::Id)
            .to_owned();
        manager.create_index(by_name).await?;
        manager
            .get_connection()
            .execute_unprepared(
                "CREATE INDEX resource_by_host ON resource (host_id) \
                 WHERE host_id IS NOT NULL AND removed_at IS NULL",
            )
            .await?;
        Ok(())
    }
}
