//! The steps of images.

pub(crate) mod pull_on_hosts;
