//! What only the embedded wiring can show: one process, one data directory, and what outlives both
//! the gentle and the hard end of the process. On Docker, whose containers outlive it too.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "all of this file is a test"
)]

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use bollard::query_parameters::KillContainerOptionsBuilder;
use drover_scenarios::installation::{Drover, Embedded, Runtime, id_of};
use drover_scenarios::until::until;
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
/// A gentle end takes no longer, whatever is under way.
const END_WITHIN: Duration = Duration::from_secs(15);

fn without_network() -> Value {
    json!({ "networks": [{ "network": "none" }] })
}

async fn began(drover: &Drover, id: &str) -> String {
    let inspected = drover.inspect(id).await.unwrap().expect("Docker has it");
    inspected.state.unwrap().started_at.unwrap()
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_key_is_made_once_and_for_its_owner_alone() {
    let mut embedded = Embedded::start(Runtime::Simulated).await.unwrap();
    let key_file = embedded.drover.key_file.clone();
    let key = std::fs::read_to_string(&key_file).unwrap();
    assert!(key.starts_with("drv_"), "a key of another form");
    assert_eq!(mode(&key_file), 0o600);
    assert_eq!(mode(&embedded.data_dir), 0o700);
    let log = embedded.droverd.log();
    assert!(!log.contains(key.trim()), "the log shows the key");

    let ended = embedded.droverd.stop_gently(END_WITHIN).await.unwrap();
    assert_eq!(ended.code(), Some(0), "a gentle end is a success");
    std::fs::remove_file(&key_file).unwrap();
    embedded.start_again().await.unwrap();
    assert!(!key_file.exists(), "a second start made a key");
    let hosts = embedded.drover.api.list("/v1/hosts").await.unwrap();
    assert_eq!(hosts.len(), 1, "a second start made a second host");
}

/// Also with a watch that is open and a container on its way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_it_soon_and_with_success() {
    let mut embedded = Embedded::start(Runtime::Simulated).await.unwrap();
    let watch = embedded.drover.api.request(Method::GET, "/v1/watch");
    let watch = watch.send().await.unwrap();
    let slow = json!({ "labels": { "sim.delay": "3s" } });
    let id = embedded.drover.create(slow).await.unwrap();
    let ended = embedded.droverd.stop_gently(END_WITHIN).await.unwrap();
    assert_eq!(ended.code(), Some(0));
    drop(watch);
    embedded.start_again().await.unwrap();
    let drover = &embedded.drover;
    drover.wait_for_state(&id, "running", SOON).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn containers_outlive_a_restart_and_what_ended_meanwhile_is_noticed() {
    let mut embedded = Embedded::start(Runtime::Docker).await.unwrap();
    let drover = &embedded.drover;
    let lives = drover.run(json!({}), SOON).await.unwrap();
    let dies = drover.run(json!({}), SOON).await.unwrap();
    let ends =
        json!({ "command": ["sh", "-c", "trap 'exit 5' USR1; while :; do sleep 0.1; done"] });
    let ends = drover.run(ends, SOON).await.unwrap();
    let stopped = drover.run(json!({}), SOON).await.unwrap();
    drover
        .act_until(&stopped, "stop", "stopped", SOON)
        .await
        .unwrap();
    let before = began(drover, &lives).await;

    let ended = embedded.droverd.stop_gently(END_WITHIN).await.unwrap();
    assert_eq!(ended.code(), Some(0));
    let docker = embedded.drover.engine().unwrap().client.clone();
    for (id, signal) in [(&dies, "SIGKILL"), (&ends, "SIGUSR1")] {
        let kill = KillContainerOptionsBuilder::new().signal(signal).build();
        docker
            .kill_container(&format!("drover-{id}"), Some(kill))
            .await
            .unwrap();
    }
    embedded.start_again().await.unwrap();

    let drover = &embedded.drover;
    for (id, code) in [(&dies, 137), (&ends, 5)] {
        let container = drover.wait_for_state(id, "stopped", SOON).await.unwrap();
        assert_eq!(container["exitCode"], code, "{container}");
    }
    let container = drover.container(&lives).await.unwrap();
    assert_eq!(container["state"], "running");
    assert_eq!(began(drover, &lives).await, before, "it was started again");
    assert_eq!(
        drover.container(&stopped).await.unwrap()["state"],
        "stopped"
    );
    assert_eq!(
        drover.is_running_in_docker(&stopped).await.unwrap(),
        Some(false)
    );
    drover
        .act_until(&lives, "stop", "stopped", SOON)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hard_kill_loses_nothing_and_repeats_nothing() {
    const IN_FLIGHT: usize = 20;
    let mut embedded = Embedded::start(Runtime::Docker).await.unwrap();
    let drover = &embedded.drover;
    let settled = drover.run(without_network(), SOON).await.unwrap();
    let before = drover.container(&settled).await.unwrap();
    let asked = (0..IN_FLIGHT).map(|_| drover.create(without_network()));
    let mut ids = futures::future::try_join_all(asked).await.unwrap();
    until("some are under way", SOON, || async {
        let running = drover
            .api
            .list("/v1/containers?state=starting,running")
            .await?;
        anyhow::ensure!(running.len() > 2, "{}", running.len());
        Ok(())
    })
    .await
    .unwrap();
    embedded.droverd.kill_hard().unwrap();
    let ended = embedded.droverd.exit_status().unwrap().unwrap();
    assert_eq!(ended.signal(), Some(9));
    embedded.start_again().await.unwrap();

    let drover = &embedded.drover;
    for id in &ids {
        let within = Duration::from_secs(30);
        drover.wait_for_state(id, "running", within).await.unwrap();
    }
    let after = drover.container(&settled).await.unwrap();
    assert_eq!(
        after["version"], before["version"],
        "what was settled was touched"
    );
    ids.push(settled);
    drover.docker_has_exactly(&ids).await.unwrap();
    let listed = drover.api.list("/v1/containers?limit=1000").await.unwrap();
    let listed: HashSet<String> = listed.iter().map(|one| id_of(one).unwrap()).collect();
    assert_eq!(listed, ids.into_iter().collect(), "the list has others");
}
