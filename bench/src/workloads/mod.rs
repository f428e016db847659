//! The workloads, a file each.

pub(crate) mod agents;
pub(crate) mod api;
pub(crate) mod budget;
pub(crate) mod churn;
pub(crate) mod create;
pub(crate) mod docker;
pub(crate) mod faults;
pub(crate) mod floors;
pub(crate) mod idle;
pub(crate) mod matrix;
pub(crate) mod placement;
pub(crate) mod scaling;
pub(crate) mod stuck;
pub(crate) mod watchers;
