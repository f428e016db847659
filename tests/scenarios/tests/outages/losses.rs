//! Intents are answered as long as the database is there; what they ask for comes true once the rest
//! is back, even when the bus and the lock service come back with an empty disk.

use std::time::{Duration, Instant};

use anyhow::Result;
use drover_scenarios::installation::{Cluster, Drover, Runtime};
use drover_scenarios::process::Process;
use serde_json::json;

use crate::{RUNS_WITHIN, SOON};

/// An intent is answered within this time, whatever else is down.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

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

fn each(servers: &mut [Process], act: impl Fn(&mut Process) -> Result<()>) {
    for server in servers {
        act(server).unwrap();
    }
}
