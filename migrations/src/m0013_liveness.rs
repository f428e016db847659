//! Who is connected to whom.
//!
//! `agent_server` has a row for each agent server, in which it counts its heartbeats: one write a
//! second, whatever the number of its agents. `agent_connection` has a row for each host, which is
//! written when its agent connects and when it is lost. How a host stands follows from both, so that
//! the end of a server with thousands of agents is one write.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum AgentServer {
    Table,
    Id,
    Beats,
    StartedAt,
    EndedAt,
}

#[derive(DeriveIden)]
enum AgentConnection {
    Table,
    HostId,
    AgentId,
    ServerId,
    Number,
    ConnectedAt,
    LostAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let server = Table::create()
            .table(AgentServer::Table)
            .col(
                ColumnDef::new(AgentServer::Id)
                    .uuid()
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(AgentServer::Beats).big_integer().not_null())
            .col(
                ColumnDef::new(AgentServer::StartedAt)
                    .big_integer()
                    .not_null(),
            )
            .col(ColumnDef::new(AgentServer::EndedAt).big_integer())
            .to_owned();
        manager.create_table(server).await?;

        let connection = Table::create()
            .table(AgentConnection::Table)
            .col(
                ColumnDef::new(AgentConnection::HostId)
                    .uuid()
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(AgentConnection::AgentId).uuid().not_null())
            .col(ColumnDef::new(AgentConnection::ServerId).uuid().not_null())
            .col(
                ColumnDef::new(AgentConnection::Number)
                    .big_integer()
                    .not_null(),
            )
            .col(
                ColumnDef::new(AgentConnection::ConnectedAt)
                    .big_integer()
                    .not_null(),
            )
            .col(ColumnDef::new(AgentConnection::LostAt).big_integer())
            .to_owned();
        manager.create_table(connection).await?;

        // Those that are out of reach are looked for every second, and are few.
        let statement = "CREATE INDEX host_out_of_reach ON resource (id) WHERE type = 'host' \
                         AND state IN ('reconnecting', 'disconnecting', 'disconnected') \
                         AND removed_at IS NULL";
        manager
            .get_connection()
            .execute_unprepared(statement)
            .await?;
        Ok(())
    }
}
