//! A Docker engine that is killed, and is away for a while. Each test has one of its own.

use std::time::{Duration, Instant};

use anyhow::ensure;
use drover_scenarios::engine::OwnEngine;
use drover_scenarios::installation::{Drover, Embedded};
use drover_scenarios::until::until;
use serde_json::{Value, json};

use crate::{SOON, without_network};

/// What waited for the engine is true within this time of its return.
const TRUE_WITHIN: Duration = Duration::from_secs(30);

async fn began(drover: &Drover, id: &str) -> String {
    let inspected = drover.inspect(id).await.unwrap().unwrap();
    inspected.state.unwrap().started_at.unwrap()
}

fn with(fields: Value) -> Value {
    let mut spec = without_network();
    if let (Value::Object(spec), Value::Object(fields)) = (&mut spec, fields) {
        spec.extend(fields);
    }
    spec
}

/// Containers that are made, started, stopped and removed at the moment in which it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_under_way_when_the_engine_was_killed_comes_true_once() {
    const EACH: usize = 6;
    let mut engine = OwnEngine::start().await.unwrap();
    let embedded = Embedded::start_over(&engine).await.unwrap();
    let drover = &embedded.drover;
    let asked = (0..3 * EACH).map(|_| drover.run(without_network(), SOON));
    let running = futures::future::try_join_all(asked).await.unwrap();
    let (settled, rest) = running.split_at(EACH);
    let (stops, goes) = rest.split_at(EACH);
    let before = began(drover, &settled[0]).await;

    let new = (0..2 * EACH).map(|_| drover.create(without_network()));
    let new = futures::future::try_join_all(new).await.unwrap();
    for id in stops {
        drover.act(id, "stop").await.unwrap();
    }
    for id in goes {
        let path = format!("/v1/containers/{id}");
        drover.api.delete(&path).await.unwrap().expect(202).unwrap();
    }
    until("some of it is done", SOON, || async {
        let mut done = 0;
        for id in &new {
            done += usize::from(drover.container(id).await?["state"] == "running");
        }
        ensure!(done > 0, "none runs");
        Ok(())
    })
    .await
    .unwrap();
    engine.kill().unwrap();
    let killed = Instant::now();
    engine.start_again().await.unwrap();
    eprintln!("the engine was back after {:?}", killed.elapsed());

    for (ids, state) in [(&new[..], "running"), (stops, "stopped"), (goes, "removed")] {
        for id in ids {
            drover.wait_for_state(id, state, TRUE_WITHIN).await.unwrap();
        }
    }
    eprintln!("all came true {:?} after its death", killed.elapsed());
    for id in settled.iter().chain(&new) {
        let container = drover.container(id).await.unwrap();
        assert_eq!(container["state"], "running", "{container}");
        assert_eq!(drover.is_running_in_docker(id).await.unwrap(), Some(true));
    }
    for id in stops {
        assert_eq!(drover.is_running_in_docker(id).await.unwrap(), Some(false));
    }
    for id in goes {
        assert_eq!(drover.is_running_in_docker(id).await.unwrap(), None);
    }
    assert_eq!(
        began(drover, &settled[0]).await,
        before,
        "it was started again"
    );
}

/// Nothing fails for that, and what ended meanwhile is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_away_for_half_a_minute_is_waited_for() {
    const AWAY: Duration = Duration::from_secs(30);
    let mut engine = OwnEngine::start().await.unwrap();
    let embedded = Embedded::start_over(&engine).await.unwrap();
    let drover = &embedded.drover;
    let lives = drover.run(without_network(), SOON).await.unwrap();
    let stops = drover.run(without_network(), SOON).await.unwrap();
    let ends = with(json!({ "command": ["sh", "-c", "sleep 12; exit 7"] }));
    let ends = drover.run(ends, SOON).await.unwrap();
    let before = began(drover, &lives).await;

    engine.kill().unwrap();
    let killed = Instant::now();
    let new = drover.create(without_network()).await.unwrap();
    let accepted = drover.act(&stops, "stop").await.unwrap();
    let process = accepted["links"]["process"].as_str().unwrap().to_owned();
    until("the stop says what it waits for", SOON, || async {
        let process = drover.api.get(&process).await?.expect(200)?;
        let message = process["message"].as_str().unwrap_or_default();
        ensure!(message.contains("the runtime of the host"), "{message}");
        Ok(())
    })
    .await
    .unwrap();
    while killed.elapsed() < AWAY {
        for id in [&lives, &ends] {
            let container = drover.container(id).await.unwrap();
            assert_eq!(container["state"], "running", "{container}");
        }
        for id in [&new, &stops] {
            let container = drover.container(id).await.unwrap();
            assert_ne!(container["state"], "error", "{container}");
        }
        let host = drover.api.list("/v1/hosts").await.unwrap().remove(0);
        assert_eq!(host["state"], "active", "its agent is connected");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    engine.start_again().await.unwrap();
    let back = Instant::now();
    drover
        .wait_for_state(&new, "running", TRUE_WITHIN)
        .await
        .unwrap();
    drover
        .wait_for_state(&stops, "stopped", TRUE_WITHIN)
        .await
        .unwrap();
    let ended = drover.wait_for_state(&ends, "stopped", TRUE_WITHIN).await;
    let ended = ended.unwrap();
    eprintln!("all was well {:?} after its return", back.elapsed());
    assert_eq!(ended["exitCode"], 7, "{ended}");
    assert_eq!(began(drover, &lives).await, before, "it was started again");
    assert_eq!(drover.container(&lives).await.unwrap()["state"], "running");
}
