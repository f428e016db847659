//! Credentials, the keys of agents, and the epochs of the lock service.
//!
//! What is kept of a secret is its SHA-256: secrets are 256 random bits, so a slow hash would add
//! nothing but time.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Credential {
    Table,
    Id,
    Kind,
    OwnerId,
    Role,
    Hash,
    CreatedAt,
}

#[derive(DeriveIden)]
enum AgentKey {
    Table,
    Hash,
    AgentId,
    HostId,
}

#[derive(DeriveIden)]
enum Counter {
    Table,
    Name,
    Value,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let credential = Table::create()
            .table(Credential::Table)
            .col(
                ColumnDef::new(Credential::Id)
                    .uuid()
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(Credential::Kind).string_len(32).not_null())
            .col(ColumnDef::new(Credential::OwnerId).uuid())
            .col(ColumnDef::new(Credential::Role).string_len(32).not_null())
            .col(ColumnDef::new(Credential::Hash).binary_len(32).not_null())
            .col(
                ColumnDef::new(Credential::CreatedAt)
                    .big_integer()
                    .not_null(),
            )
            .to_owned();
        manager.create_table(credential).await?;
        let by_owner = Index::create()
            .name("credential_by_owner")
            .table(Credential::Table)
            .col(Credential::OwnerId)
            .to_owned();
        manager.create_index(by_owner).await?;

        let agent_key = Table::create()
            .table(AgentKey::Table)
            .col(
                ColumnDef::new(AgentKey::Hash)
                    .binary_len(32)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(AgentKey::AgentId).uuid().not_null())
            .col(ColumnDef::new(AgentKey::HostId).uuid().not_null())
            .to_owned();
        manager.create_table(agent_key).await?;

        let counter = Table::create()
            .table(Counter::Table)
            .col(
                ColumnDef::new(Counter::Name)
                    .string_len(32)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(Counter::Value).big_integer().not_null())
            .to_owned();
        manager.create_table(counter).await
    }
}
