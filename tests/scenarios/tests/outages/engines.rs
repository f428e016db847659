//! A Docker engine that is restarted, and one that is killed and away for a while. Each test has one of its own.

use std::time::{Duration, Instant};

use anyhow::ensure;
use drover_scenarios::engine::{Orphans, OwnEngine};
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

/// Containers are made, started, stopped and removed while it is told to end, and it ends those that run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_under_way_when_the_engine_was_restarted_comes_true_once() {
    const EACH: usize = 6;
    let mut engine = OwnEngine::start(Orphans::End).await.unwrap();
    let embedded = Embedded::start_over(&engine).await.unwrap();
    let drover = &embedded.drover;
    let lasting = with(json!({ "restartPolicy": { "condition": "always" } }));
    let asked = (0..3 * EACH).map(|_| drover.run(lasting.clone(), SOON));
    let running = futures::future::try_join_all(asked).await.unwrap();
    let (settled, rest) = running.split_at(EACH);
    let (stops, goes) = rest.split_at(EACH);

    let new = (0..2 * EACH).map(|_| drover.create(lasting.clone()));
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
    let restarted = Instant::now();
    engine.restart().await.unwrap();
    eprintln!("the engine was back after {:?}", restarted.elapsed());

    for (ids, state) in [(stops, "stopped"), (goes, "removed")] {
        for id in ids {
            drover.wait_for_state(id, state, TRUE_WITHIN).await.unwrap();
        }
    }
    let lasting: Vec<&String> = settled.iter().chain(&new).collect();
    until("what is to run runs", TRUE_WITHIN, || async {
        for id in &lasting {
            let container = drover.container(id).await?;
            ensure!(container["state"] == "running", "{container}");
            let runs = drover.is_running_in_docker(id).await?;
            ensure!(runs == Some(true), "{id} does not run in Docker");
        }
        Ok(())
    })
    .await
    .unwrap();
    eprintln!("all came true {:?} after that", restarted.elapsed());
    for id in stops {
        assert_eq!(drover.is_running_in_docker(id).await.unwrap(), Some(false));
        drover.act(id, "remove").await.unwrap();
        let removed = drover.wait_for_state(id, "removed", TRUE_WITHIN);
        removed.await.unwrap();
    }
    let there: Vec<String> = lasting.into_iter().cloned().collect();
    drover.docker_has_exactly(&there).await.unwrap();
}

/// Nothing fails for that, and what ended meanwhile is noticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_away_for_half_a_minute_is_waited_for() {
    const AWAY: Duration = Duration::from_secs(30);
    let mut engine = OwnEngine::start(Orphans::GoOn).await.unwrap();
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
