//! A process server that dies or sleeps with work in its hands. On Docker.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use drover_scenarios::installation::{Cluster, Drover, Runtime, id_of};
use drover_scenarios::process::Process;
use drover_scenarios::until::until;
use serde_json::{Value, json};

use crate::{SOON, without_network};

/// The containers of a dead process server run within this time.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_containers_outlive_the_death_of_a_process_server() {
    const CONTAINERS: usize = 100;
    let mut cluster = Cluster::start(Runtime::Docker).await.unwrap();
    let drover = &cluster.drover;
    let asked = (0..CONTAINERS).map(|_| drover.create(without_network()));
    let ids = futures::future::try_join_all(asked).await.unwrap();
    until("the first ones are started", SOON, || async {
        let running = drover
            .api
            .list("/v1/containers?state=running&limit=1000")
            .await?;
        ensure!(!running.is_empty(), "none runs");
        Ok(())
    })
    .await
    .unwrap();
    let under_way = held_by(drover, &cluster.process_servers[0]).await.unwrap();
    cluster.process_servers[0].kill_hard().unwrap();
    let killed = Instant::now();
    assert!(
        under_way > 10,
        "the server had {under_way} processes in flight only"
    );

    until("all of them run", TAKEN_OVER_WITHIN, || async {
        let path = "/v1/containers?state=running&limit=1000";
        let running = cluster.drover.api.list(path).await?;
        ensure!(running.len() == CONTAINERS, "{} run", running.len());
        Ok(())
    })
    .await
    .unwrap();
    eprintln!(
        "all ran {:.1} s after the death of a server with {under_way} processes in flight",
        killed.elapsed().as_secs_f64()
    );
    cluster.drover.docker_has_exactly(&ids).await.unwrap();
}

/// Paused for longer than its lease and then awake again, a server finds that its work was done by
/// another, and neither writes a row nor touches a container.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_server_that_slept_through_its_lease_does_nothing_more() {
    const CONTAINERS: usize = 30;
    let mut cluster = Cluster::start_with(Runtime::Docker, &["--lease-seconds", "5"])
        .await
        .unwrap();
    let drover = &cluster.drover;
    let asked = (0..CONTAINERS).map(|_| drover.create(without_network()));
    let ids = futures::future::try_join_all(asked).await.unwrap();
    until("the server has its hands full", SOON, || async {
        let held = held_by(drover, &cluster.process_servers[0]).await?;
        ensure!(held > 5, "it has {held} processes in flight");
        Ok(())
    })
    .await
    .unwrap();
    cluster.process_servers[0].pause().unwrap();
    let paused = Instant::now();
    let under_way = held_by(&cluster.drover, &cluster.process_servers[0])
        .await
        .unwrap();
    assert!(under_way > 0, "the server had nothing in flight");
    for id in &ids {
        cluster
            .drover
            .wait_for_state(id, "running", TAKEN_OVER_WITHIN)
            .await
            .unwrap();
    }
    eprintln!(
        "all ran {:.1} s after a server fell asleep with {under_way} processes in flight",
        paused.elapsed().as_secs_f64()
    );
    let before = versions(&cluster.drover).await;

    cluster.process_servers[0].resume().unwrap();
    cluster.wait_until_servers_are_ready().await.unwrap();
    // It is at work again, beside the other: of many new containers, some are its own.
    until("the server works again", SOON, || async {
        let asked = (0..4).map(|_| cluster.drover.run(json!({ "start": true }), SOON));
        let new = futures::future::try_join_all(asked).await?;
        let server = server_id(&cluster.process_servers[0])?;
        let mut its_own = 0;
        for id in new {
            let processes = cluster.drover.processes(&id).await?;
            its_own += processes
                .iter()
                .filter(|one| one["serverId"] == server)
                .count();
            let path = format!("/v1/containers/{id}?force=true");
            cluster.drover.api.delete(&path).await?.expect(202)?;
            cluster.drover.wait_for_state(&id, "removed", SOON).await?;
        }
        ensure!(its_own > 0, "the other one does everything");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(
        versions(&cluster.drover).await,
        before,
        "a late write came through"
    );
    cluster.drover.docker_has_exactly(&ids).await.unwrap();
}

/// Id and version of each container.
async fn versions(drover: &Drover) -> HashSet<(String, u64)> {
    let containers = drover.api.list("/v1/containers?limit=1000").await.unwrap();
    let version = |one: &Value| (id_of(one).unwrap(), one["version"].as_u64().unwrap());
    containers.iter().map(version).collect()
}

/// How many unfinished processes a process server works on.
async fn held_by(drover: &Drover, server: &Process) -> Result<usize> {
    let server = server_id(server)?;
    let running = drover
        .api
        .list("/v1/processes?phase=running&limit=1000")
        .await?;
    Ok(running
        .iter()
        .filter(|one| one["serverId"] == server)
        .count())
}

/// The id of a process server, as its log tells it.
fn server_id(server: &Process) -> Result<String> {
    let log = server.log();
    let line = log
        .lines()
        .rfind(|line| line.contains("process server started"));
    let id = line.and_then(|line| line.split("server=").nth(1)?.split_whitespace().next());
    let id = id.map(|id| id.trim_matches('"').to_owned());
    id.with_context(|| format!("no id in its log:\n{log}"))
}
