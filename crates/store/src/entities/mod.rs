//! The tables, as sea-orm sees them, and how their rows become what the domain knows.

#![expect(
    unreachable_pub,
    reason = "sea-orm's derive makes public items of each entity"
)]

pub(crate) mod agent_connection;
pub(crate) mod agent_key;
pub(crate) mod agent_server;
pub(crate) mod audit;
pub(crate) mod change;
pub(crate) mod counter;
pub(crate) mod credential;
mod direct;
pub(crate) mod host_port;
pub(crate) mod host_room;
pub(crate) mod kept_answer;
pub(crate) mod login;
pub(crate) mod password;
pub(crate) mod process;
pub(crate) mod registry_secret;
pub(crate) mod reservation;
pub(crate) mod resource;
pub(crate) mod session;
pub(crate) mod setting;
pub(crate) mod stream_ticket;

pub(crate) use direct::Direct;

/// What a row says; none, and a line in the log, if this release cannot read it. For where many rows
/// are read at once, and one that is broken must not keep the others from being served.
pub(crate) fn readable<Row, Read>(row: Row) -> Option<Read>
where
    Read: TryFrom<Row, Error = crate::StoreError>,
{
    if_read(Read::try_from(row))
}

/// What was read of a row. One that cannot be read is told of and left out.
pub(crate) fn if_read<Read>(read: Result<Read, crate::StoreError>) -> Option<Read> {
    read.inspect_err(|error| tracing::error!(%error, "a row cannot be read"))
        .ok()
}
