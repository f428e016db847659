//! The workloads, a file each.

pub(crate) mod create;
