//! How many containers a host takes: held where its room is, by whoever reserves there.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum HostRoom {
    Table,
    MaximumContainers,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let limit = Table::alter()
            .table(HostRoom::Table)
            .add_column(ColumnDef::new(HostRoom::MaximumContainers).big_integer())
            .to_owned();
        manager.alter_table(limit).await
    }
}
