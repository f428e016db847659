//! An agent server that dies.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use drover_scenarios::installation::{Cluster, Drover, Runtime, id_of};
use drover_scenarios::stream::Stream;
use drover_scenarios::until::until;
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

/// Without agent servers there are no streams, and all else is answered; with them there are again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_ends_with_its_agent_server_for_a_reason_and_a_new_one_is_had_when_there_is_one() {
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    let fields = json!({ "labels": { "sim.log-every": "50ms" } });
    let id = cluster.drover.run(fields, SOON).await.unwrap();
    let logs = format!("/v1/containers/{id}/logs");
    let followed = format!("{logs}?follow=true");
    let mut stream = Stream::open(&cluster.drover.api, &followed).await.unwrap();
    // It is under way.
    assert_eq!(stream.next().await.unwrap().0, 1);
    for server in &mut cluster.agent_servers {
        server.kill_hard().unwrap();
    }
    let told = stream.rest().await.unwrap();
    let error = &told.control.last().unwrap()["error"];
    assert_eq!(error["code"], "stream.lost", "{told:?}");
    assert_eq!(told.closed, Some(1011), "{told:?}");
    let api = &cluster.drover.api;
    let refused = api.get(&logs).await.unwrap();
    assert!(matches!(refused.status, 409 | 503), "{refused:?}");
    let code = refused.body["code"].as_str().unwrap();
    assert!(
        ["host.notConnected", "stream.failed"].contains(&code),
        "{code}"
    );
    for path in ["/v1/containers", "/v1/hosts", "/v1/processes"] {
        api.get(path).await.unwrap().expect(200).unwrap();
    }
    for server in &mut cluster.agent_servers {
        server.start_again().unwrap();
    }
    cluster.wait_until_servers_are_ready().await.unwrap();
    let stream = until("the log can be followed again", SOON, || async {
        Stream::open(&cluster.drover.api, &followed).await
    });
    let stream = stream.await.unwrap();
    cluster.drover.act(&id, "stop").await.unwrap();
    let told = stream.rest().await.unwrap();
    assert_eq!(told.closed, Some(1000), "{told:?}");
}
