//! What is written down beside a mutation: the audit row, and the answer that a repeated request is
//! given; and the settings that can be changed while servers run.
//!
//! The id of an audit row begins with the moment of the row, so rows in the order of their ids are
//! rows in the order of time: newest first, between two moments, and older than the retention are
//! all ranges of the primary key.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Audit {
    Table,
    Id,
    At,
    AccountId,
    CredentialId,
    FromAddress,
    Method,
    Path,
    Operation,
    ResourceType,
    ResourceId,
    ProjectId,
    Status,
    Code,
    RequestId,
}

#[derive(DeriveIden)]
enum KeptAnswer {
    Table,
    Caller,
    Key,
    BodyHash,
    Status,
    Location,
    Etag,
    ProcessId,
    Body,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Setting {
    Table,
    Name,
    Value,
    Version,
    UpdatedAt,
}

/// For the filters that name one of very many; all others read along the primary key.
const INDEXES: [&str; 3] = [
    "CREATE INDEX audit_by_resource ON audit (resource_id, id) WHERE resource_id IS NOT NULL",
    "CREATE INDEX audit_by_account ON audit (account_id, id) WHERE account_id IS NOT NULL",
    "CREATE INDEX kept_answer_by_age ON kept_answer (created_at)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let audit = Table::create()
            .table(Audit::Table)
            .col(ColumnDef::new(Audit::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Audit::At).big_integer().not_null())
            .col(ColumnDef::new(Audit::AccountId).uuid())
            .col(ColumnDef::new(Audit::CredentialId).uuid())
            .col(ColumnDef::new(Audit::FromAddress).string_len(64))
            .col(ColumnDef::new(Audit::Method).string_len(16).not_null())
            .col(ColumnDef::new(Audit::Path).text().not_null())
            .col(ColumnDef::new(Audit::Operation).string_len(64).not_null())
            .col(ColumnDef::new(Audit::ResourceType).string_len(32))
            .col(ColumnDef::new(Audit::ResourceId).uuid())
            .col(ColumnDef::new(Audit::ProjectId).uuid())
            .col(ColumnDef::new(Audit::Status).small_integer().not_null())
            .col(ColumnDef::new(Audit::Code).string_len(64))
            .col(ColumnDef::new(Audit::RequestId).string_len(128).not_null())
            .to_owned();
        manager.create_table(audit).await?;

        let answer = Table::create()
            .table(KeptAnswer::Table)
            .col(ColumnDef::new(KeptAnswer::Caller).uuid().not_null())
            .col(ColumnDef::new(KeptAnswer::Key).string_len(300).not_null())
            .col(
                ColumnDef::new(KeptAnswer::BodyHash)
                    .string_len(64)
                    .not_null(),
            )
            .col(
                ColumnDef::new(KeptAnswer::Status)
                    .small_integer()
                    .not_null(),
            )
            .col(ColumnDef::new(KeptAnswer::Location).text())
            .col(ColumnDef::new(KeptAnswer::Etag).string_len(128))
            .col(ColumnDef::new(KeptAnswer::ProcessId).uuid())
            .col(ColumnDef::new(KeptAnswer::Body).text().not_null())
            .col(
                ColumnDef::new(KeptAnswer::CreatedAt)
                    .big_integer()
                    .not_null(),
            )
            .primary_key(Index::create().col(KeptAnswer::Caller).col(KeptAnswer::Key))
            .to_owned();
        manager.create_table(answer).await?;

        let setting = Table::create()
            .table(Setting::Table)
            .col(
                ColumnDef::new(Setting::Name)
                    .string_len(64)
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(Setting::Value).json_binary().not_null())
            .col(ColumnDef::new(Setting::Version).big_integer().not_null())
            .col(ColumnDef::new(Setting::UpdatedAt).big_integer().not_null())
            .to_owned();
        manager.create_table(setting).await?;

        for statement in INDEXES {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }
}
