//! Streams: where an agent server is dialled, and the tickets by which it is.
//!
//! A ticket is a row for some seconds: written by the API server that has looked whether a stream may
//! be had, and deleted by the agent server that it is shown to.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum AgentServer {
    Table,
    Address,
}

#[derive(DeriveIden)]
enum StreamTicket {
    Table,
    Id,
    Hash,
    HostId,
    AgentId,
    ContainerId,
    Request,
    ExpiresAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let address = Table::alter()
            .table(AgentServer::Table)
            .add_column(ColumnDef::new(AgentServer::Address).text())
            .to_owned();
        manager.alter_table(address).await?;

        let ticket = Table::create()
            .table(StreamTicket::Table)
            .col(
                ColumnDef::new(StreamTicket::Id)
                    .uuid()
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(StreamTicket::Hash).binary().not_null())
            .col(ColumnDef::new(StreamTicket::HostId).uuid().not_null())
            .col(ColumnDef::new(StreamTicket::AgentId).uuid().not_null())
            .col(ColumnDef::new(StreamTicket::ContainerId).uuid().not_null())
            .col(ColumnDef::new(StreamTicket::Request).text().not_null())
            .col(
                ColumnDef::new(StreamTicket::ExpiresAt)
                    .big_integer()
                    .not_null(),
            )
            .to_owned();
        manager.create_table(ticket).await
    }
}
