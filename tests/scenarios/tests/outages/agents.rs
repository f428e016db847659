//! An agent that dies.

use anyhow::ensure;
use drover_scenarios::installation::{Cluster, Drover, Runtime, id_of};
use drover_scenarios::until::until;
use serde_json::json;

use crate::{RUNS_WITHIN, SOON};

/// What was asked and what happened while the agent was dead comes true once it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_outlive_the_death_of_their_agent() {
    let mut cluster = Cluster::start(Runtime::Docker).await.unwrap();
    let host = the_host_of(&cluster.drover, "host-1").await;
    let there = json!({ "placement": { "hostId": host } });
    let asked = (0..3).map(|_| cluster.drover.run(there.clone(), SOON));
    let ids = futures::future::try_join_all(asked).await.unwrap();
    let [lives, dies, stops] = ids.as_slice() else {
        panic!("three were asked for");
    };
    cluster.agents[1].kill_hard().unwrap();

    let drover = &cluster.drover;
    let docker = &drover.engine().unwrap().client;
    docker
        .kill_container(&format!("drover-{dies}"), None)
        .await
        .unwrap();
    let accepted = drover.act(stops, "stop").await.unwrap();
    let process = accepted["links"]["process"].as_str().unwrap().to_owned();
    until("the stop waits for the agent and says so", SOON, || async {
        let process = drover.api.get(&process).await?.expect(200)?;
        let message = process["message"].as_str().unwrap_or_default();
        ensure!(process["phase"] == "waiting", "it is {}", process["phase"]);
        ensure!(
            message.contains("the agent of the host"),
            "it says `{message}`"
        );
        Ok(())
    })
    .await
    .unwrap();
    let elsewhere = drover.run(json!({}), SOON);
    let asked = drover.create(there.clone());
    let (_, late) = tokio::try_join!(elsewhere, asked).unwrap();

    cluster.agents[1].start_again().unwrap();
    let drover = &cluster.drover;
    drover
        .wait_for_state(stops, "stopped", RUNS_WITHIN)
        .await
        .unwrap();
    drover
        .wait_for_state(&late, "running", RUNS_WITHIN)
        .await
        .unwrap();
    let dead = drover
        .wait_for_state(dies, "stopped", RUNS_WITHIN)
        .await
        .unwrap();
    assert_eq!(dead["exitCode"], 137, "{dead}");
    assert_eq!(drover.container(lives).await.unwrap()["state"], "running");
    assert_eq!(
        drover.is_running_in_docker(lives).await.unwrap(),
        Some(true)
    );
    assert_eq!(
        drover.is_running_in_docker(stops).await.unwrap(),
        Some(false)
    );
}

/// The host is left alone and its work says why; nobody else is held up, and nothing has to be done
/// by hand when it is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_work_of_a_host_that_fails_again_and_again_waits_and_holds_nobody_up() {
    const STUCK: usize = 40;
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    let host = the_host_of(&cluster.drover, "host-1").await;
    cluster.agents[1].kill_hard().unwrap();

    let drover = &cluster.drover;
    let there = json!({ "placement": { "hostId": host } });
    let asked = (0..STUCK).map(|_| drover.create(there.clone()));
    let stuck = futures::future::try_join_all(asked).await.unwrap();
    until("the work of the host says why it waits", SOON, || async {
        let waiting = drover.api.list("/v1/processes?phase=waiting").await?;
        let told = waiting.iter().filter(|process| {
            let message = process["message"].as_str().unwrap_or_default();
            message.contains("times in a row") && process["waitsSince"].is_string()
        });
        let told = told.count();
        ensure!(told > STUCK / 2, "{told} of {} say so", waiting.len());
        Ok(())
    })
    .await
    .unwrap();
    drover.run(json!({}), SOON).await.unwrap();

    cluster.agents[1].start_again().unwrap();
    let drover = &cluster.drover;
    let running = stuck
        .iter()
        .map(|id| drover.wait_for_state(id, "running", RUNS_WITHIN));
    futures::future::try_join_all(running).await.unwrap();
}

async fn the_host_of(drover: &Drover, name: &str) -> String {
    let hosts = drover
        .api
        .list(&format!("/v1/hosts?name={name}"))
        .await
        .unwrap();
    id_of(hosts.first().unwrap()).unwrap()
}
