//! What a cluster does while a part of it is gone, and after it is back.
//!
//! Intents are answered as long as the database is there; what they ask for comes true once the rest
//! is back, even when the bus and the lock service come back with an empty disk.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "all of this file is a test, and how long it took is part of its output"
)]

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bollard::models::ContainerSummaryStateEnum;
use drover_scenarios::installation::{CONTAINER_LABEL, Cluster, Drover, Runtime, id_of};
use drover_scenarios::process::Process;
use drover_scenarios::until::until;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
/// An intent is answered within this time, whatever else is down.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// A container that was asked for during an outage runs within this time of its end.
const RUNS_WITHIN: Duration = Duration::from_secs(15);
/// The containers of a dead process server run within this time.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(30);

fn without_network() -> Value {
    json!({ "networks": [{ "network": "none" }] })
}

/// Asks for containers, of every API server, while a part is down.
async fn ask_during_outage(drover: &Drover) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..4 {
        let began = Instant::now();
        ids.push(drover.create(json!({})).await.unwrap());
        let took = began.elapsed();
        assert!(took < ANSWERED_WITHIN, "answered after {took:?}");
    }
    // The sweep and its retries get to see the outage as well.
    tokio::time::sleep(Duration::from_secs(3)).await;
    for id in &ids {
        let state = drover.container(id).await.unwrap()["state"].clone();
        assert_ne!(state, "running", "there was no outage");
        assert_ne!(state, "error", "an outage is no reason to give up");
    }
    ids
}

async fn run_after_outage(drover: &Drover, ids: Vec<String>) {
    let back = Instant::now();
    for id in &ids {
        let left = RUNS_WITHIN.saturating_sub(back.elapsed());
        drover.wait_for_state(id, "running", left).await.unwrap();
    }
    eprintln!(
        "all ran {:.1} s after the end of the outage",
        back.elapsed().as_secs_f64()
    );
    let id = drover.run(json!({}), SOON).await.unwrap();
    drover
        .act_until(&id, "stop", "stopped", SOON)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intents_outlive_the_loss_of_the_bus_with_all_that_it_held() {
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    cluster.nats.stop().await.unwrap();
    let ids = ask_during_outage(&cluster.drover).await;
    cluster.nats.start_empty().await.unwrap();
    run_after_outage(&cluster.drover, ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intents_outlive_the_loss_of_the_lock_service_with_all_that_it_held() {
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    cluster.etcd.stop().await.unwrap();
    let ids = ask_during_outage(&cluster.drover).await;
    cluster.etcd.start_empty().await.unwrap();
    run_after_outage(&cluster.drover, ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intents_outlive_the_loss_of_every_process_server() {
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    each(&mut cluster.process_servers, Process::kill_hard);
    let ids = ask_during_outage(&cluster.drover).await;
    each(&mut cluster.process_servers, Process::start_again);
    run_after_outage(&cluster.drover, ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intents_outlive_the_loss_of_every_agent_server() {
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    each(&mut cluster.agent_servers, Process::kill_hard);
    let ids = ask_during_outage(&cluster.drover).await;
    each(&mut cluster.agent_servers, Process::start_again);
    run_after_outage(&cluster.drover, ids).await;
}

/// All of them at once: the API server needs the database and nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intents_outlive_the_loss_of_all_but_the_api_and_the_database() {
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    each(&mut cluster.agents, Process::pause);
    each(&mut cluster.agent_servers, Process::kill_hard);
    each(&mut cluster.process_servers, Process::kill_hard);
    cluster.nats.stop().await.unwrap();
    cluster.etcd.stop().await.unwrap();
    let ids = ask_during_outage(&cluster.drover).await;
    cluster.etcd.start_empty().await.unwrap();
    cluster.nats.start_empty().await.unwrap();
    each(&mut cluster.process_servers, Process::start_again);
    each(&mut cluster.agent_servers, Process::start_again);
    each(&mut cluster.agents, Process::resume);
    run_after_outage(&cluster.drover, ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_half_done_is_seen_after_an_outage_of_the_database() {
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    let settled = cluster.drover.run(json!({}), SOON).await.unwrap();
    let slow = json!({ "labels": { "sim.delay": "2s" } });
    let under_way = cluster.drover.create(slow).await.unwrap();
    let before = everything(&cluster.drover).await;

    cluster.postgres.stop().await.unwrap();
    for _ in 0..4 {
        let spec = cluster.drover.hello(json!({}));
        let began = Instant::now();
        let reply = cluster
            .drover
            .api
            .post("/v1/containers", &spec)
            .await
            .unwrap();
        reply.problem(503, "unavailable").unwrap();
        let path = format!("/v1/containers/{settled}/stop");
        let reply = cluster.drover.api.post(&path, &json!({})).await.unwrap();
        reply.problem(503, "unavailable").unwrap();
        let took = began.elapsed();
        assert!(took < 2 * Duration::from_secs(5), "answered after {took:?}");
    }
    let reply = cluster.drover.api.get("/v1/containers").await.unwrap();
    reply.problem(503, "unavailable").unwrap();
    cluster.postgres.start_again().await.unwrap();

    let drover = &cluster.drover;
    until("the API answers again", SOON, || async {
        drover.api.list("/v1/containers").await.map(drop)
    })
    .await
    .unwrap();
    let running = drover.container(&settled).await.unwrap();
    assert_eq!(running["state"], "running", "{running}");
    assert_eq!(running["transitioning"], "no", "{running}");
    drover
        .wait_for_state(&under_way, "running", SOON)
        .await
        .unwrap();
    let after = everything(drover).await;
    let new: Vec<_> = after.difference(&before).collect();
    // The start that follows from the creation which was under way.
    assert!(
        new.iter().all(|(_, of)| *of == under_way),
        "{new:?} came from nowhere"
    );
    assert!(
        before.is_subset(&after),
        "something is lost: {before:?}, {after:?}"
    );
    drover
        .act_until(&settled, "stop", "stopped", SOON)
        .await
        .unwrap();
    drover.run(json!({}), SOON).await.unwrap();
}

/// Each container and each process of a container: its id, and the container's.
async fn everything(drover: &Drover) -> HashSet<(String, String)> {
    let containers = drover
        .api
        .list("/v1/containers?removed=true&limit=1000")
        .await
        .unwrap();
    let processes = drover.api.list("/v1/processes?limit=1000").await.unwrap();
    let of_containers = processes
        .iter()
        .filter(|one| one["resourceType"] == "container");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    containers
        .iter()
        .map(|one| (text(&one["id"]), text(&one["id"])))
        .chain(of_containers.map(|one| (text(&one["id"]), text(&one["resourceId"]))))
        .collect()
}

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
    docker_has_exactly(&cluster.drover, ids).await;
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
    docker_has_exactly(&cluster.drover, ids).await;
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

/// These containers and no others of this installation, each once, and each running.
async fn docker_has_exactly(drover: &Drover, ids: Vec<String>) {
    let (name, value) = drover.label();
    let found = drover
        .engine()
        .unwrap()
        .containers(name, value)
        .await
        .unwrap();
    let known: Vec<String> = found
        .iter()
        .filter_map(|container| container.labels.as_ref()?.get(CONTAINER_LABEL).cloned())
        .collect();
    assert_eq!(known.len(), ids.len(), "Docker has more or fewer");
    let known: HashSet<String> = known.into_iter().collect();
    assert_eq!(known, ids.into_iter().collect(), "Docker has others");
    for container in found {
        assert_eq!(
            container.state,
            Some(ContainerSummaryStateEnum::RUNNING),
            "{container:?}"
        );
    }
}

fn each(servers: &mut [Process], act: impl Fn(&mut Process) -> Result<()>) {
    for server in servers {
        act(server).unwrap();
    }
}
