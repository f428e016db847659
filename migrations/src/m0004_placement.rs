//! What containers take of hosts.
//!
//! `host_room` has one row a host with what it has and what is taken of it; that row is locked
//! by whoever reserves on the host, so of two that race for the last megabyte or for one port, one
//! sees what the other took.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum HostRoom {
    Table,
    HostId,
    CpuMillis,
    MemoryMib,
    CpuMillisTaken,
    MemoryMibTaken,
    Containers,
}

#[derive(DeriveIden)]
enum Reservation {
    Table,
    ContainerId,
    HostId,
    CpuMillis,
    MemoryMib,
}

#[derive(DeriveIden)]
enum HostPort {
    Table,
    HostId,
    Protocol,
    Port,
    Ip,
    ContainerId,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let room = Table::create()
            .table(HostRoom::Table)
            .col(
                ColumnDef::new(HostRoom::HostId)
                    .uuid()
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(HostRoom::CpuMillis).big_integer().not_null())
            .col(ColumnDef::new(HostRoom::MemoryMib).big_integer().not_null())
            .col(
                ColumnDef::new(HostRoom::CpuMillisTaken)
                    .big_integer()
                    .not_null(),
            )
            .col(
                ColumnDef::new(HostRoom::MemoryMibTaken)
                    .big_integer()
                    .not_null(),
            )
            .col(ColumnDef::new(HostRoom::Containers).integer().not_null())
            .to_owned();
        manager.create_table(room).await?;

        let reservation = Table::create()
            .table(Reservation::Table)
            .col(
                ColumnDef::new(Reservation::ContainerId)
                    .uuid()
                    .not_null()
                    .primary_key(),
            )
            .col(ColumnDef::new(Reservation::HostId).uuid().not_null())
            .col(
                ColumnDef::new(Reservation::CpuMillis)
                    .big_integer()
                    .not_null(),
            )
            .col(
                ColumnDef::new(Reservation::MemoryMib)
                    .big_integer()
                    .not_null(),
            )
            .to_owned();
        manager.create_table(reservation).await?;

        // An empty address stands for all of them.
        let port = Table::create()
            .table(HostPort::Table)
            .col(ColumnDef::new(HostPort::HostId).uuid().not_null())
            .col(ColumnDef::new(HostPort::Protocol).string_len(8).not_null())
            .col(ColumnDef::new(HostPort::Port).integer().not_null())
            .col(ColumnDef::new(HostPort::Ip).string_len(64).not_null())
            .col(ColumnDef::new(HostPort::ContainerId).uuid().not_null())
            .primary_key(
                Index::create()
                    .col(HostPort::HostId)
                    .col(HostPort::Protocol)
                    .col(HostPort::Port)
                    .col(HostPort::Ip),
            )
            .to_owned();
        manager.create_table(port).await?;
        let by_container = Index::create()
            .name("host_port_by_container")
            .table(HostPort::Table)
            .col(HostPort::ContainerId)
            .to_owned();
        manager.create_index(by_container).await
    }
}
