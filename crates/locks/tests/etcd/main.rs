//! The lock manager over a real etcd does what every lock manager does, comes through etcd's
//! outages, and loses its disk with dignity.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot set up ends it by a panic"
)]

mod batches;
mod doubt;
mod outages;
mod proxy;
mod service;

use drover_locks::conformance;

use crate::service::{Service, TwoServers};

macro_rules! hold {
    ($($fact:ident)*) => {$(
        #[tokio::test]
        async fn $fact() {
            let service = Service::start().await;
            let servers = TwoServers::on(&service).await;
            conformance::$fact(&servers).await;
        }
    )*};
}

drover_locks::every_lock_fact!(hold);
