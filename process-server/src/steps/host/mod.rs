//! The steps of hosts.

pub(crate) mod refuse_strays;
pub(crate) mod refuse_while_occupied;
pub(crate) mod replace_occupants;
pub(crate) mod retire_agent;
pub(crate) mod stop_occupants;
pub(crate) mod take_inventory;
