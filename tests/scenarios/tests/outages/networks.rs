//! Hosts whose network fails them, and an agent server that loses the bus. The hosts have networks of
//! their own.

use std::time::{Duration, Instant};

use anyhow::ensure;
use drover_scenarios::installation::{Cluster, Drover, Runtime, Shape, id_of};
use drover_scenarios::network::{Loss, Network};
use drover_scenarios::until::until;
use serde_json::{Value, json};

use crate::SOON;

/// A host that nothing is heard of is given up within this time, with the times of [`hurry`].
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(30);
/// A host is back within this time, once its network is: the kernel waits the longer for an answer the
/// longer there was none.
const BACK_WITHIN: Duration = Duration::from_secs(30);

/// One agent on this machine, and short times.
async fn cluster() -> Cluster {
    let shape = Shape {
        api_servers: 1,
        process_servers: 1,
        agents: 1,
        is_open_to_networks: true,
        ..Shape::default()
    };
    let cluster = Cluster::of(Runtime::Simulated, &shape).await.unwrap();
    for (name, seconds) in [("agentHeartbeatSeconds", 1), ("hostReconnectSeconds", 8)] {
        let path = format!("/v1/settings/{name}");
        let put = cluster.drover.api.request(reqwest::Method::PUT, &path);
        let put = put.json(&json!({ "value": seconds })).send().await.unwrap();
        assert_eq!(put.status(), 200);
    }
    // An agent server looks at the settings now and then, and tells the agents that come later.
    tokio::time::sleep(Duration::from_secs(5)).await;
    cluster
}

async fn host(drover: &Drover, name: &str) -> Value {
    let hosts = drover.api.list(&format!("/v1/hosts?name={name}")).await;
    hosts.unwrap().remove(0)
}

async fn until_it_is(drover: &Drover, name: &str, state: &str, within: Duration) {
    until(&format!("{name} is {state}"), within, || async {
        let host = host(drover, name).await;
        ensure!(host["state"] == state, "it is {}", host["state"]);
        Ok(())
    })
    .await
    .unwrap();
}

fn on(host: &Value) -> Value {
    json!({ "placement": { "hostId": host["id"] } })
}

/// How many containers a host runs, as its agent says.
async fn runs(drover: &Drover, host: &Value) -> u64 {
    let path = format!("/v1/hosts/{}/stats", id_of(host).unwrap());
    let stats = drover.api.get(&path).await.unwrap().expect(200).unwrap();
    stats["containers"]["running"].as_u64().unwrap()
}

/// The same for each way to be lost: what is asked meanwhile waits, and comes true once.
async fn is_lost_and_comes_back(loss: Loss) {
    let Some(network) = Network::make().unwrap() else {
        return;
    };
    let mut cluster = cluster().await;
    let name = "far";
    cluster.start_agent_within(&network, name).await.unwrap();
    let drover = &cluster.drover;
    let far = host(drover, name).await;
    let stays = drover.run(on(&far), SOON).await.unwrap();
    let stops = drover.run(on(&far), SOON).await.unwrap();

    network.lose(loss).unwrap();
    let lost = Instant::now();
    let late = drover.create(on(&far)).await.unwrap();
    drover.act(&stops, "stop").await.unwrap();
    // Nobody else is held up.
    let near = host(drover, "host-0").await;
    drover.run(on(&near), SOON).await.unwrap();
    until_it_is(drover, name, "disconnected", GIVEN_UP_WITHIN).await;
    eprintln!("{loss:?}: given up after {:?}", lost.elapsed());
    assert_eq!(drover.container(&stays).await.unwrap()["state"], "running");
    assert_ne!(drover.container(&late).await.unwrap()["state"], "error");

    network.heal().unwrap();
    let healed = Instant::now();
    until_it_is(drover, name, "active", BACK_WITHIN).await;
    drover.wait_for_state(&late, "running", SOON).await.unwrap();
    drover
        .wait_for_state(&stops, "stopped", SOON)
        .await
        .unwrap();
    eprintln!("{loss:?}: all was well {:?} after that", healed.elapsed());
    assert_eq!(drover.container(&stays).await.unwrap()["state"], "running");
    assert_eq!(runs(drover, &far).await, 2, "each once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_cut_off_is_given_up_and_its_work_comes_true_when_it_is_back() {
    is_lost_and_comes_back(Loss::Both).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_hears_nothing_is_given_up_though_it_may_be_heard() {
    is_lost_and_comes_back(Loss::Inwards).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_not_heard_is_given_up_though_it_may_hear() {
    is_lost_and_comes_back(Loss::Outwards).await;
}

/// For less than a host is waited for: nobody has to be told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_cut_off_for_a_moment_and_one_that_is_slow_do_their_work() {
    let Some(network) = Network::make().unwrap() else {
        return;
    };
    let mut cluster = cluster().await;
    cluster.start_agent_within(&network, "slow").await.unwrap();
    let drover = &cluster.drover;
    let slow = host(drover, "slow").await;
    network.lose(Loss::Both).unwrap();
    let asked = drover.create(on(&slow)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    network.heal().unwrap();
    drover
        .wait_for_state(&asked, "running", SOON)
        .await
        .unwrap();
    assert_eq!(runs(drover, &slow).await, 1, "it runs once");

    network.slow_down().unwrap();
    let version = host(drover, "slow").await["version"].clone();
    let near = on(&host(drover, "host-0").await);
    let far = on(&slow);
    let asked = (0..10).map(|_| drover.create(far.clone()));
    let asked = futures::future::try_join_all(asked).await.unwrap();
    // Its neighbour is as fast as ever.
    let began = Instant::now();
    drover.run(near, SOON).await.unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "held up for {took:?}");
    for id in &asked {
        drover
            .wait_for_state(id, "running", SOON * 2)
            .await
            .unwrap();
    }
    let now = host(drover, "slow").await;
    assert_eq!(now["version"], version, "it was never lost: {now}");
    assert_eq!(runs(drover, &slow).await, 11);
}

/// The agents stay where they are: they are connected, and the database is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_waits_for_an_agent_server_that_has_lost_the_bus_and_is_done_once() {
    const ASKED: usize = 12;
    let shape = Shape {
        agent_servers: 1,
        agents: 2,
        has_detour: true,
        ..Shape::default()
    };
    let cluster = Cluster::of(Runtime::Simulated, &shape).await.unwrap();
    let drover = &cluster.drover;
    let settled = drover.run(json!({}), SOON).await.unwrap();
    let hosts = drover.api.list("/v1/hosts").await.unwrap();
    let detour = cluster.detour.as_ref().unwrap();

    detour.close();
    let closed = Instant::now();
    let asked = (0..ASKED).map(|_| drover.create(json!({})));
    let asked = futures::future::try_join_all(asked).await.unwrap();
    drover.act(&settled, "restart").await.unwrap();
    until("the work says what it waits for", SOON * 2, || async {
        let waiting = drover.api.list("/v1/processes?phase=waiting").await?;
        let told = waiting.iter().filter(|process| {
            let message = process["message"].as_str().unwrap_or_default();
            message.contains("the agent of the host")
        });
        let told = told.count();
        ensure!(told > ASKED / 2, "{told} of {} say so", waiting.len());
        Ok(())
    })
    .await
    .unwrap();
    while closed.elapsed() < Duration::from_secs(20) {
        for host in drover.api.list("/v1/hosts").await.unwrap() {
            assert_eq!(host["state"], "active", "its agent is connected");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for id in &asked {
        let state = drover.container(id).await.unwrap()["state"].clone();
        assert!(state != "running" && state != "error", "it is {state}");
    }

    detour.open();
    let opened = Instant::now();
    let ids = asked.iter().chain([&settled]);
    let all = ids.map(|id| drover.wait_for_state(id, "running", SOON * 2));
    futures::future::try_join_all(all).await.unwrap();
    eprintln!("all ran {:?} after the bus was back", opened.elapsed());
    let mut running = 0;
    for host in &hosts {
        running += runs(drover, host).await;
    }
    assert_eq!(running, 1 + ASKED as u64, "each once");
    let offences = drover.api.list("/v1/auditLogs?limit=1000").await.unwrap();
    let offences = offences.iter().filter(|row| row["method"] == "AGENT");
    let serious = offences.filter(|row| row["code"] != "agent.reply.late");
    assert_eq!(
        serious.count(),
        0,
        "the agents did nothing that they may not"
    );
}
