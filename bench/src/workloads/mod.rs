//! The workloads, a file each.

pub(crate) mod agents;
pub(crate) mod api;
pub(crate) mod churn;
pub(crate) mod create;
pub(crate) mod docker;
pub(crate) mod floors;
pub(crate) mod idle;
pub(crate) mod placement;
pub(crate) mod stuck;
pub(crate) mod takeover;
pub(crate) mod watchers;
