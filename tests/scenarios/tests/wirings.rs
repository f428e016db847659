//! What holds in both wirings: the same scenarios against one process and against a cluster.

use drover_scenarios::installation::{Cluster, Embedded, Runtime};
use drover_scenarios::scenarios;

/// Each theme, with what runs the containers, as a test for each wiring.
macro_rules! in_both_wirings {
    ($($theme:ident on $runtime:ident,)+) => {
        mod embedded {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $theme() {
                    let embedded = Embedded::start(Runtime::$runtime).await.unwrap();
                    scenarios::$theme::hold(&embedded.drover).await;
                }
            )+
        }
        mod cluster {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $theme() {
                    let cluster = Cluster::start(Runtime::$runtime).await.unwrap();
                    scenarios::$theme::hold(&cluster.drover).await;
                }
            )+
        }
    };
}

in_both_wirings! {
    lifecycle on Docker,
    failures on Docker,
    by_hand on Docker,
    storage on Docker,
    images on Docker,
    private_images on Docker,
    recovery on Simulated,
    refusals on Simulated,
    intents on Simulated,
    placement on Simulated,
    volumes on Simulated,
    registries on Simulated,
    prefetch on Simulated,
    hosts on Simulated,
    host_operations on Simulated,
    processes on Simulated,
    tokens on Simulated,
    accounts on Simulated,
    api_keys on Simulated,
    sessions on Simulated,
    command_line on Simulated,
    metrics on Simulated,
    lists on Simulated,
    bulk on Simulated,
    conditional_requests on Simulated,
    updates on Simulated,
    watches on Simulated,
    idempotency on Simulated,
    audit on Simulated,
    quotas on Simulated,
    settings on Simulated,
    rate_limits on Simulated,
    streams on Simulated,
}
