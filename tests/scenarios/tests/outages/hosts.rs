//! A host that is lost, and what it ran.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use drover_scenarios::installation::{Cluster, Drover, Runtime, id_of};
use drover_scenarios::until::until;
use serde_json::{Value, json};

use crate::SOON;

/// What ran on a lost host runs elsewhere within this time, with the defaults.
const ELSEWHERE_WITHIN: Duration = Duration::from_secs(30);

/// Two containers on one host, of which one is to be replaced and one to wait.
async fn two_on_a_host(drover: &Drover) -> (String, String, String) {
    let replaced = json!({ "placement": { "onHostLoss": "replace" } });
    let replaced = drover.run(replaced, SOON).await.unwrap();
    let host = host_of(drover, &replaced).await;
    let waits = json!({ "placement": { "hostId": host } });
    let waits = drover.run(waits, SOON).await.unwrap();
    (host, replaced, waits)
}

async fn host_of(drover: &Drover, container: &str) -> String {
    let container = drover.container(container).await.unwrap();
    container["hostId"].as_str().unwrap().to_owned()
}

async fn host(drover: &Drover, id: &str) -> Value {
    let host = drover.api.get(&format!("/v1/hosts/{id}")).await.unwrap();
    host.expect(200).unwrap()
}

async fn until_it_is(drover: &Drover, id: &str, state: &str, within: Duration) -> Value {
    until(&format!("the host is {state}"), within, || async {
        let host = host(drover, id).await;
        ensure!(host["state"] == state, "it is {}", host["state"]);
        Ok(host)
    })
    .await
    .unwrap()
}

/// The agent of the host and its containers live on, cut off, and are there again when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ran_on_a_lost_host_runs_elsewhere_and_there_no_more_when_it_is_back() {
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    let (lost, replaced, waits) = two_on_a_host(&cluster.drover).await;
    let name = host(&cluster.drover, &lost).await["name"].clone();
    let index: usize = name
        .as_str()
        .and_then(|name| name.strip_prefix("host-"))
        .and_then(|index| index.parse().ok())
        .unwrap();
    let began = Instant::now();
    cluster.agents[index].pause().unwrap();
    let drover = &cluster.drover;
    until("it runs elsewhere", ELSEWHERE_WITHIN, || async {
        let container = drover.container(&replaced).await?;
        ensure!(container["hostId"] != lost.as_str(), "it is where it was");
        ensure!(
            container["state"] == "running",
            "it is {}",
            container["state"]
        );
        ensure!(container["formerHostId"].is_null(), "it is elsewhere, too");
        Ok(())
    })
    .await
    .unwrap();
    eprintln!("it ran elsewhere after {:?}", began.elapsed());
    until_it_is(drover, &lost, "disconnected", SOON).await;
    let waiting = drover.container(&waits).await.unwrap();
    assert_eq!(waiting["hostId"], lost.as_str(), "{waiting}");
    assert_eq!(waiting["state"], "running", "{waiting}");

    cluster.agents[index].resume().unwrap();
    let drover = &cluster.drover;
    until_it_is(drover, &lost, "active", SOON).await;
    let log = cluster.process_servers.iter().map(|server| server.log());
    let taken_away = log
        .filter(|log| log.contains("a container that nobody wants is taken away"))
        .count();
    assert!(taken_away > 0, "nothing was taken away from the host");
    let waiting = drover.container(&waits).await.unwrap();
    assert_eq!(waiting["state"], "running", "{waiting}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_evacuated_is_left_by_what_may_and_tells_what_stays() {
    let cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    let drover = &cluster.drover;
    let (from, replaced, waits) = two_on_a_host(drover).await;
    let asked = host(drover, &from).await;
    let link = asked["actions"]["evacuate"].as_str().unwrap().to_owned();
    let accepted = drover.api.post(&link, &json!({})).await.unwrap();
    accepted.expect(202).unwrap();
    let emptied = until_it_is(drover, &from, "inactive", SOON).await;
    let left = emptied["leftBehind"].as_str().unwrap_or_default();
    assert!(left.contains("its policy is to wait"), "{emptied}");
    let moved = drover.container(&replaced).await.unwrap();
    assert_eq!(moved["state"], "running", "{moved}");
    assert_ne!(moved["hostId"], from.as_str(), "{moved}");
    let stays = drover.container(&waits).await.unwrap();
    assert_eq!(stays["hostId"], from.as_str(), "{stays}");

    let processes = drover.processes(&replaced).await.unwrap();
    let replacing = processes
        .iter()
        .find(|process| process["name"] == "replace");
    let parent = replacing.context("a process").unwrap()["parentId"].clone();
    assert!(parent.is_string(), "{processes:?}");
    assert_eq!(id_of(&emptied).unwrap(), from);
}
