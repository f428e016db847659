//! Passwords for registries, sealed: one for a registry in a project. A row goes with its resource.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum RegistrySecret {
    Table,
    ResourceId,
    ProjectId,
    Registry,
    Username,
    Sealed,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let secret = Table::create()
            .table(RegistrySecret::Table)
            .col(
                ColumnDef::new(RegistrySecret::ResourceId)
                    .uuid()
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(RegistrySecret::ProjectId).uuid().not_null())
            .col(ColumnDef::new(RegistrySecret::Registry).text().not_null())
            .col(ColumnDef::new(RegistrySecret::Username).text().not_null())
            .col(ColumnDef::new(RegistrySecret::Sealed).binary().not_null())
            .to_owned();
        manager.create_table(secret).await?;
        let one = Index::create()
            .name("registry_secret_registry")
            .table(RegistrySecret::Table)
            .col(RegistrySecret::ProjectId)
            .col(RegistrySecret::Registry)
            .unique()
            .to_owned();
        manager.create_index(one).await
    }
}
