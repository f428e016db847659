//! The steps of agents.

pub(crate) mod greet;
pub(crate) mod rotate_credential;
