//! Without the database nothing is accepted, and nothing is half accepted.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use drover_scenarios::installation::{Cluster, Drover, Runtime, id_of};
use drover_scenarios::until::until;
use serde_json::{Value, json};

use crate::SOON;

/// Without the database, a request is refused within this time.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);
/// A database that hangs is given up on within this time.
const UNANSWERED_WITHIN: Duration = Duration::from_secs(15);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_half_done_is_seen_after_an_outage_of_the_database() {
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    let settled = cluster.drover.run(json!({}), SOON).await.unwrap();
    let slow = json!({ "labels": { "sim.delay": "2s" } });
    let under_way = cluster.drover.create(slow).await.unwrap();
    let before = everything(&cluster.drover).await;

    cluster.postgres.stop().await.unwrap();
    // An odd number of requests at a time, so that each server gets to see each of them.
    for _ in 0..2 {
        let (api, spec) = (&cluster.drover.api, cluster.drover.hello(json!({})));
        let (stop, nothing) = (format!("/v1/containers/{settled}/stop"), json!({}));
        let began = Instant::now();
        let replies = tokio::try_join!(
            api.post("/v1/containers", &spec),
            api.post(&stop, &nothing),
            api.get("/v1/containers"),
        );
        let (created, stopped, listed) = replies.unwrap();
        for reply in [created, stopped, listed] {
            reply.problem(503, "unavailable").unwrap();
        }
        let took = began.elapsed();
        assert!(took < REFUSED_WITHIN, "answered after {took:?}");
    }
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

/// A request whose answer is "unavailable" may have come through or not, but never half.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_is_told_of_as_one_that_is_gone() {
    let mut cluster = Cluster::start(Runtime::Simulated).await.unwrap();
    let settled = cluster.drover.run(json!({}), SOON).await.unwrap();
    let asking = (0..8).map(|_| cluster.drover.create(json!({})));
    let asked = futures::future::try_join_all(asking).await.unwrap();
    cluster.postgres.freeze().unwrap();
    let (api, spec) = (&cluster.drover.api, cluster.drover.hello(json!({})));
    for _ in 0..2 {
        let began = Instant::now();
        let refused = (0..3).map(|_| api.post("/v1/containers", &spec));
        for reply in futures::future::try_join_all(refused).await.unwrap() {
            reply.problem(503, "unavailable").unwrap();
        }
        api.get("/v1/containers")
            .await
            .unwrap()
            .problem(503, "unavailable")
            .unwrap();
        let took = began.elapsed();
        assert!(took < UNANSWERED_WITHIN, "answered after {took:?}");
    }
    cluster.postgres.thaw().unwrap();

    let drover = &cluster.drover;
    until("the API answers again", SOON, || async {
        drover.api.list("/v1/containers").await.map(drop)
    })
    .await
    .unwrap();
    until("whatever there is runs", SOON * 2, || async {
        let containers = drover.api.list("/v1/containers?limit=1000").await?;
        for container in &containers {
            ensure!(
                container["state"] == "running",
                "one is {}",
                container["state"]
            );
        }
        let known: HashSet<String> = containers.iter().map(id_of).collect::<Result<_>>()?;
        ensure!(asked.iter().all(|id| known.contains(id)), "one is lost");
        Ok(())
    })
    .await
    .unwrap();
    drover
        .act_until(&settled, "stop", "stopped", SOON)
        .await
        .unwrap();
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
