//! An agent server that dies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use drover_scenarios::installation::{Cluster, Drover, Runtime, id_of};
use serde_json::json;

use crate::SOON;

/// Agents are back through another agent server within this time.
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// Nothing is written about hosts whose agents come back in time, and each takes work soon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_agents_of_a_dead_server_come_back_through_another_and_no_host_was_ever_lost() {
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    let before = versions(&cluster.drover).await;
    for server in 0..2 {
        cluster.agent_servers[server].kill_hard().unwrap();
        let killed = Instant::now();
        let drover = &cluster.drover;
        let asked = before.keys().map(|host| {
            let there = json!({ "placement": { "hostId": host } });
            drover.run(there, BACK_WITHIN)
        });
        futures::future::try_join_all(asked).await.unwrap();
        // Long enough for the end of the server to be found, and for a host to be given up.
        while killed.elapsed() < Duration::from_secs(25) {
            assert_eq!(versions(drover).await, before);
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        cluster.agent_servers[server].start_again().unwrap();
        cluster.wait_until_servers_are_ready().await.unwrap();
    }
}

/// A server that is told to end says so; its agents find the other one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_told_to_end_hands_its_agents_over() {
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    let before = versions(&cluster.drover).await;
    for server in 0..2 {
        let stopped = cluster.agent_servers[server].stop_gently(SOON).await;
        assert!(stopped.unwrap().success());
        let drover = &cluster.drover;
        let asked = before.keys().map(|host| {
            let there = json!({ "placement": { "hostId": host } });
            drover.run(there, BACK_WITHIN)
        });
        futures::future::try_join_all(asked).await.unwrap();
        assert_eq!(versions(drover).await, before);
        cluster.agent_servers[server].start_again().unwrap();
        cluster.wait_until_servers_are_ready().await.unwrap();
    }
}

/// The state of each host, and how often it was written.
async fn versions(drover: &Drover) -> BTreeMap<String, (String, i64)> {
    let hosts = drover.api.list("/v1/hosts").await.unwrap();
    let versions = hosts.iter().map(|host| {
        let state = host["state"].as_str().unwrap().to_owned();
        let version = host["version"].as_i64().unwrap();
        (id_of(host).unwrap(), (state, version))
    });
    versions.collect()
}
