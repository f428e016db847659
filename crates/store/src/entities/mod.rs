//! The tables, as sea-orm sees them, and how their rows become what the domain knows.

#![expect(
    unreachable_pub,
    reason = "sea-orm's derive makes public items of each entity"
)]

pub(crate) mod agent_key;
pub(crate) mod change;
pub(crate) mod counter;
pub(crate) mod credential;
pub(crate) mod host_port;
pub(crate) mod host_room;
pub(crate) mod process;
pub(crate) mod reservation;
pub(crate) mod resource;
