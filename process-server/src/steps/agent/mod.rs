//! The steps of agents.

pub(crate) mod greet;
