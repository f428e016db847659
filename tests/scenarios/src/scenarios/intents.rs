//! Intents that meet, that are waited for, and that are put in other words.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::{Drover, id_of, send};
use crate::until::until;

/// All facts of this theme. They need simulated containers.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_stop_during_a_start_wins,
        an_answer_can_be_held_until_the_process_has_ended,
        a_wait_that_is_too_short_is_answered_with_202,
        deleting_is_removing,
        a_container_on_the_move_is_removed_by_force_only,
        a_step_that_fails_twice_is_tried_again_and_then_done,
        a_step_that_always_fails_ends_in_error_and_says_so,
    ]
    .hold()
    .await;
}

async fn a_stop_during_a_start_wins(drover: &Drover) -> Result<()> {
    let id = drover
        .create(json!({ "labels": { "sim.delay": "1s" } }))
        .await?;
    let starting = drover.wait_for_state(&id, "starting", SOON).await?;
    let start = starting["links"]["process"]
        .as_str()
        .context("links.process")?
        .to_owned();
    let stopping = drover.act(&id, "stop").await?;
    ensure!(
        stopping["state"] == "stopping",
        "the stop is {}",
        stopping["state"]
    );
    let stop = stopping["links"]["process"]
        .as_str()
        .context("links.process")?
        .to_owned();

    let started = drover
        .api
        .get(&format!("{start}?wait=10"))
        .await?
        .expect(200)?;
    let stopped = drover.api.get(&stop).await?.expect(200)?;
    let expected = format!("superseded by {}", id_of(&stopped)?);
    ensure!(
        started["phase"] == "canceled" && started["message"] == expected,
        "the start is {}: {}",
        started["phase"],
        started["message"]
    );
    drover.wait_for_state(&id, "stopped", SOON).await?;
    let passed = drover.states_until(&id, "stopped", SOON).await?;
    ensure!(
        passed == ["creating", "created", "starting", "stopping", "stopped"],
        "it passed {passed:?}"
    );
    Ok(())
}

/// 201 for a creation and 200 for an action, each with the container as it is then.
async fn an_answer_can_be_held_until_the_process_has_ended(drover: &Drover) -> Result<()> {
    let spec = drover.hello(json!({ "labels": { "sim.delay": "200ms" } }));
    let created = prefer(drover, "/v1/containers", &spec, 30)
        .await?
        .expect(201)?;
    ensure!(
        created["state"] == "running",
        "it is {} then",
        created["state"]
    );
    let path = format!("/v1/containers/{}/stop", id_of(&created)?);
    let stopped = prefer(drover, &path, &json!({}), 30).await?.expect(200)?;
    ensure!(
        stopped["state"] == "stopped",
        "it is {} then",
        stopped["state"]
    );
    Ok(())
}

async fn a_wait_that_is_too_short_is_answered_with_202(drover: &Drover) -> Result<()> {
    let spec = drover.hello(json!({ "labels": { "sim.delay": "4s" } }));
    let began = Instant::now();
    let accepted = prefer(drover, "/v1/containers", &spec, 1)
        .await?
        .expect(202)?;
    ensure!(
        began.elapsed() >= Duration::from_secs(1),
        "answered after {:?}",
        began.elapsed()
    );
    ensure!(
        accepted["links"]["process"].is_string(),
        "no process to go on with: {accepted}"
    );
    Ok(())
}

async fn deleting_is_removing(drover: &Drover) -> Result<()> {
    let id = drover.run(json!({}), SOON).await?;
    let path = format!("/v1/containers/{id}");
    let removing = drover.api.delete(&path).await?.expect(202)?;
    ensure!(
        removing["state"] == "removing",
        "the deletion is {}",
        removing["state"]
    );
    let removed = drover.wait_for_state(&id, "removed", SOON).await?;
    let process = drover.processes(&id).await?.pop().context("a process")?;
    ensure!(process["name"] == "remove", "the process is {process}");
    ensure!(
        removed["actions"]["purge"].is_string(),
        "no purge: {}",
        removed["actions"]
    );
    let gone = drover
        .api
        .list("/v1/containers?state=removed&limit=1000")
        .await?;
    ensure!(
        gone.iter().any(|other| other["id"] == id),
        "not among the removed"
    );
    drover
        .api
        .delete(&path)
        .await?
        .problem(409, "container.state")
        .map(drop)
}

async fn a_container_on_the_move_is_removed_by_force_only(drover: &Drover) -> Result<()> {
    let id = drover
        .create(json!({ "labels": { "sim.delay": "1s" } }))
        .await?;
    let path = format!("/v1/containers/{id}");
    drover
        .api
        .delete(&path)
        .await?
        .problem(409, "container.state")?;
    drover
        .api
        .delete(&format!("{path}?force=true"))
        .await?
        .expect(202)?;
    drover.wait_for_state(&id, "removed", SOON).await.map(drop)
}

async fn a_step_that_fails_twice_is_tried_again_and_then_done(drover: &Drover) -> Result<()> {
    let id = drover
        .run(json!({ "labels": { "sim.fail": "start:2" } }), SOON)
        .await?;
    let start = drover.processes(&id).await?.pop().context("a process")?;
    let journal = start["journal"].as_array().context("a journal")?;
    let step = journal
        .iter()
        .find(|entry| entry["step"] == "start-on-host");
    let attempts = step.map(|entry| &entry["attempts"]);
    ensure!(attempts == Some(&json!(2)), "the journal is {journal:?}");
    Ok(())
}

async fn a_step_that_always_fails_ends_in_error_and_says_so(drover: &Drover) -> Result<()> {
    let id = drover
        .create(json!({ "labels": { "sim.fail": "create" } }))
        .await?;
    let failed = drover.wait_for_state(&id, "error", SOON).await?;
    let error = failed["error"].as_str().unwrap_or_default();
    ensure!(
        error.contains("makes every create fail"),
        "the error is `{error}`"
    );
    // Neither a hint nor a sweep takes it up again.
    until("its end", SOON, || async {
        let unfinished = drover.processes(&id).await?;
        let unfinished = unfinished
            .iter()
            .filter(|process| process["finished"].is_null());
        ensure!(unfinished.count() == 0, "some are not finished");
        Ok(())
    })
    .await
}

async fn prefer(
    drover: &Drover,
    path: &str,
    body: &Value,
    seconds: u32,
) -> Result<crate::installation::Reply> {
    let request = drover.api.request(Method::POST, path);
    let request = request.header("Prefer", format!("wait={seconds}"));
    send(request.json(body)).await
}
