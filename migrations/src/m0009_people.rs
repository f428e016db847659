//! People: whose a credential is and until when it counts, passwords, sessions, and the history of
//! logins.
//!
//! Of the secret of a session its SHA-256 is kept, as of every secret of 256 random bits. A password
//! is something that people make up, so what is kept of it is a slow and salted hash.
//!
//! Sessions are found by the moment that they end, logins by the moment that they began: that is how
//! they are forgotten. A login that failed is also found by its name and by where it came from, since
//! it is these rows that keep others from guessing on.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Credential {
    Table,
    AccountId,
    ProjectId,
    ExpiresAt,
    LastUsedAt,
}

#[derive(DeriveIden)]
enum Password {
    Table,
    AccountId,
    Hash,
    ChangedAt,
    LastLoginAt,
}

#[derive(DeriveIden)]
enum Session {
    Table,
    Id,
    AccountId,
    Hash,
    CreatedAt,
    ExpiresAt,
    FromAddress,
    UserAgent,
}

#[derive(DeriveIden)]
enum Login {
    Table,
    Id,
    At,
    Name,
    AccountId,
    FromAddress,
    UserAgent,
    Outcome,
}

/// What SQLite and PostgreSQL read alike.
const INDEXES: [&str; 8] = [
    "CREATE INDEX credential_by_account ON credential (account_id) WHERE account_id IS NOT NULL",
    "CREATE INDEX credential_by_project ON credential (project_id) WHERE project_id IS NOT NULL",
    "CREATE UNIQUE INDEX account_name ON resource (name) \
     WHERE type = 'account' AND removed_at IS NULL",
    "CREATE INDEX session_by_account ON session (account_id)",
    "CREATE INDEX login_by_account ON login (account_id, id) WHERE account_id IS NOT NULL",
    "CREATE INDEX login_by_name ON login (name, at)",
    "CREATE INDEX login_by_address ON login (from_address, at) WHERE outcome = 'failed'",
    "CREATE INDEX login_by_time ON login (at)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column at a time.
        for mut column in [
            ColumnDef::new(Credential::AccountId).uuid().take(),
            ColumnDef::new(Credential::ProjectId).uuid().take(),
            ColumnDef::new(Credential::ExpiresAt).big_integer().take(),
            ColumnDef::new(Credential::LastUsedAt).big_integer().take(),
        ] {
            let add = Table::alter()
                .table(Credential::Table)
                .add_column(&mut column)
                .to_owned();
            manager.alter_table(add).await?;
        }

        let password = Table::create()
            .table(Password::Table)
            .col(
                ColumnDef::new(Password::AccountId)
                    .uuid()
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(Password::Hash).text().not_null())
            .col(ColumnDef::new(Password::ChangedAt).big_integer().not_null())
            .col(ColumnDef::new(Password::LastLoginAt).big_integer())
            .to_owned();
        manager.create_table(password).await?;

        let session = Table::create()
            .table(Session::Table)
            .col(ColumnDef::new(Session::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Session::AccountId).uuid().not_null())
            .col(ColumnDef::new(Session::Hash).binary_len(32).not_null())
            .col(ColumnDef::new(Session::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(Session::ExpiresAt).big_integer().not_null())
            .col(ColumnDef::new(Session::FromAddress).string_len(64))
            .col(ColumnDef::new(Session::UserAgent).text())
            .to_owned();
        manager.create_table(session).await?;
        let by_end = Index::create()
            .name("session_by_end")
            .table(Session::Table)
            .col(Session::ExpiresAt)
            .to_owned();
        manager.create_index(by_end).await?;

        let login = Table::create()
            .table(Login::Table)
            .col(ColumnDef::new(Login::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Login::At).big_integer().not_null())
            .col(ColumnDef::new(Login::Name).string_len(128).not_null())
            .col(ColumnDef::new(Login::AccountId).uuid())
            .col(ColumnDef::new(Login::FromAddress).string_len(64))
            .col(ColumnDef::new(Login::UserAgent).text())
            .col(ColumnDef::new(Login::Outcome).string_len(32).not_null())
            .to_owned();
        manager.create_table(login).await?;

        for statement in INDEXES {
            manager
                .get_connection()
                .execute_unprepared(statement)
                .await?;
        }
        Ok(())
    }
}
