//! Containers that end by themselves, or do not do their work, and what their policies have done about
//! it. On simulated hosts, whose labels say when a container ends and when it is well.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::Drover;
use crate::until::until;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        without_a_policy_a_container_that_ends_is_stopped,
        a_container_that_always_ends_is_started_again_and_says_so,
        on_failure_an_exit_code_of_0_is_no_failure,
        a_crash_loop_is_shown_and_ends_in_an_error_that_says_how_often_it_tried,
        a_stop_wins_over_a_start_that_is_pending,
        a_removal_wins_over_a_start_that_is_pending,
        a_start_does_not_wait_and_begins_to_count_anew,
        a_retry_of_the_process_does_not_wait_either,
        the_health_of_a_container_is_shown_and_watched,
        a_container_that_is_unhealthy_is_started_again_if_that_is_asked_for,
        a_policy_or_a_check_that_makes_no_sense_is_refused_by_its_field,
    ]
    .hold()
    .await;
    // It cuts off the agent of all the others.
    facts![drover; a_lost_reply_starts_nothing_twice]
        .hold()
        .await;
}

/// A container that ends so soon after each start.
fn ends_after(after: &str, code: u8, policy: Value) -> Value {
    json!({
        "labels": { "sim.exit-after": after, "sim.exit-code": code.to_string() },
        "restartPolicy": policy,
    })
}

/// One that waits long before it is started again.
fn waits_long() -> Value {
    let policy = json!({ "condition": "always", "delaySeconds": 600, "maximumDelaySeconds": 600 });
    ends_after("300ms", 1, policy)
}

async fn without_a_policy_a_container_that_ends_is_stopped(drover: &Drover) -> Result<()> {
    let id = drover.create(ends_after("300ms", 3, json!({}))).await?;
    let stopped = drover.wait_for_state(&id, "stopped", SOON).await?;
    ensure!(stopped["exitCode"] == 3, "{stopped}");
    ensure!(stopped["restarts"] == 0, "{stopped}");
    ensure!(stopped["restartPolicy"]["condition"] == "no", "{stopped}");
    Ok(())
}

async fn a_container_that_always_ends_is_started_again_and_says_so(drover: &Drover) -> Result<()> {
    let policy = json!({ "condition": "always", "maximumDelaySeconds": 1 });
    let id = drover.create(ends_after("1s", 0, policy)).await?;
    until("it was started again twice", SOON, || async {
        let container = drover.container(&id).await?;
        let restarts = container["restarts"].as_u64().context("restarts")?;
        ensure!(restarts >= 2, "it is {container}");
        Ok(())
    })
    .await?;
    let passed = drover.states_until(&id, "restarting", SOON).await?;
    let expected = "creating created starting running stopped restarting";
    ensure!(passed.join(" ") == expected, "it passed {passed:?}");
    let processes = drover.processes(&id).await?;
    let recoveries = processes.iter().filter(|one| one["name"] == "recover");
    let causes: Vec<_> = recoveries
        .map(|one| one["cause"]["requestId"].clone())
        .collect();
    ensure!(
        causes.iter().all(Value::is_string) && !causes.is_empty(),
        "the causes are {causes:?}"
    );
    drover.act(&id, "remove").await.map(drop)
}

async fn on_failure_an_exit_code_of_0_is_no_failure(drover: &Drover) -> Result<()> {
    let policy = json!({ "condition": "onFailure" });
    let id = drover.create(ends_after("300ms", 0, policy)).await?;
    let stopped = drover.wait_for_state(&id, "stopped", SOON).await?;
    ensure!(stopped["restarts"] == 0, "{stopped}");
    Ok(())
}

async fn a_crash_loop_is_shown_and_ends_in_an_error_that_says_how_often_it_tried(
    drover: &Drover,
) -> Result<()> {
    let policy = json!({
        "condition": "onFailure", "maximumRetries": 3, "delaySeconds": 2, "maximumDelaySeconds": 2,
    });
    let id = drover.create(ends_after("100ms", 7, policy)).await?;
    until("it is shown to be in a crash loop", SOON, || async {
        let container = drover.container(&id).await?;
        ensure!(
            container["crashLoop"] == true && container["state"] == "restarting",
            "it is {container}"
        );
        ensure!(container["transitioning"] == "yes", "it is {container}");
        let message = container["transitioningMessage"].as_str();
        let message = message.context("a message")?;
        ensure!(
            message.starts_with("exited with 7, 3rd time in a row; next start at "),
            "it says {message}"
        );
        ensure!(container["nextStart"].is_string(), "it is {container}");
        Ok(())
    })
    .await?;
    let failed = until("it is given up", SOON, || async {
        let container = drover.container(&id).await?;
        ensure!(container["state"] == "error", "it is {container}");
        Ok(container)
    })
    .await?;
    ensure!(
        failed["error"]
            == "gave up: exited with 7, 4th time in a row, and its policy allows 3 restarts",
        "it says {}",
        failed["error"]
    );
    ensure!(
        failed["restarts"] == 3 && failed["crashLoop"] == false && failed["nextStart"].is_null(),
        "it is {failed}"
    );
    ensure!(failed["actions"]["start"].is_string(), "it is {failed}");
    Ok(())
}

/// The container while it waits to be started again, for long.
async fn pending(drover: &Drover) -> Result<String> {
    let id = drover.create(waits_long()).await?;
    let waiting = drover.wait_for_state(&id, "restarting", SOON).await?;
    ensure!(
        waiting["exitCode"] == 1 && waiting["nextStart"].is_string(),
        "it is {waiting}"
    );
    Ok(id)
}

async fn superseded(drover: &Drover, id: &str) -> Result<()> {
    let processes = drover.processes(id).await?;
    let recovery = processes.iter().find(|one| one["name"] == "recover");
    let recovery = recovery.context("a recovery")?;
    ensure!(recovery["phase"] == "canceled", "it is {recovery}");
    Ok(())
}

async fn a_stop_wins_over_a_start_that_is_pending(drover: &Drover) -> Result<()> {
    let id = pending(drover).await?;
    let stopped = drover.act_until(&id, "stop", "stopped", SOON).await?;
    ensure!(
        stopped["nextStart"].is_null() && stopped["exitCode"] == 1,
        "it is {stopped}"
    );
    superseded(drover, &id).await
}

async fn a_removal_wins_over_a_start_that_is_pending(drover: &Drover) -> Result<()> {
    let id = pending(drover).await?;
    drover.act_until(&id, "remove", "removed", SOON).await?;
    superseded(drover, &id).await
}

async fn a_start_does_not_wait_and_begins_to_count_anew(drover: &Drover) -> Result<()> {
    let id = pending(drover).await?;
    let accepted = drover.act(&id, "start").await?;
    ensure!(accepted["state"] == "starting", "it is {accepted}");
    let again = drover.wait_for_state(&id, "restarting", SOON).await?;
    ensure!(
        again["restarts"] == 1 && again["failedRuns"] == 1,
        "it is {again}"
    );
    drover.act(&id, "remove").await.map(drop)
}

async fn a_retry_of_the_process_does_not_wait_either(drover: &Drover) -> Result<()> {
    let id = pending(drover).await?;
    let processes = drover.processes(&id).await?;
    let recovery = processes.iter().find(|one| one["name"] == "recover");
    let retry = recovery.context("a recovery")?["actions"]["retry"].clone();
    let retry = retry.as_str().context("it can be retried")?;
    drover.api.post(retry, &json!({})).await?.expect(202)?;
    until("it ends a second time", SOON, || async {
        let container = drover.container(&id).await?;
        ensure!(
            container["restarts"] == 2 && container["state"] == "restarting",
            "it is {container}"
        );
        Ok(())
    })
    .await?;
    drover.act(&id, "remove").await.map(drop)
}

/// A check that is made each second, and believed at once.
fn check(on_unhealthy: &str) -> Value {
    json!({
        "probe": { "tcp": { "port": 80 } },
        "intervalSeconds": 1,
        "unhealthyThreshold": 1,
        "onUnhealthy": on_unhealthy,
    })
}

async fn wait_for_health(drover: &Drover, id: &str, health: &str) -> Result<Value> {
    until(&format!("{id} is {health}"), SOON, || async {
        let container = drover.container(id).await?;
        ensure!(container["healthState"] == health, "it is {container}");
        Ok(container)
    })
    .await
}

async fn the_health_of_a_container_is_shown_and_watched(drover: &Drover) -> Result<()> {
    let fields = json!({
        "labels": { "sim.health": "unhealthy-after=3s" },
        "healthCheck": check("none"),
    });
    let id = drover.run(fields, SOON).await?;
    wait_for_health(drover, &id, "healthy").await?;
    let before = drover.container(&id).await?["version"].clone();
    let sick = wait_for_health(drover, &id, "unhealthy").await?;
    ensure!(
        sick["state"] == "running" && sick["restarts"] == 0,
        "it is {sick}"
    );
    ensure!(
        sick["healthMessage"] == "the label sim.health makes every probe fail",
        "it says {}",
        sick["healthMessage"]
    );
    ensure!(
        sick["version"].as_i64() > before.as_i64(),
        "no watcher is told"
    );
    let stopped = drover.act_until(&id, "stop", "stopped", SOON).await?;
    ensure!(stopped["healthState"].is_null(), "it is {stopped}");
    Ok(())
}

async fn a_container_that_is_unhealthy_is_started_again_if_that_is_asked_for(
    drover: &Drover,
) -> Result<()> {
    let fields = json!({
        "labels": { "sim.health": "unhealthy-after=2s" },
        "healthCheck": check("restart"),
        "restartPolicy": { "maximumDelaySeconds": 1 },
    });
    let id = drover.run(fields, SOON).await?;
    until("it was started again", SOON, || async {
        let container = drover.container(&id).await?;
        ensure!(
            container["restarts"] == 1 && container["healthState"] == "healthy",
            "it is {container}"
        );
        Ok(())
    })
    .await?;
    let processes = drover.processes(&id).await?;
    let recovery = processes.iter().find(|one| one["name"] == "recover");
    let recovery = recovery.context("a recovery")?;
    ensure!(recovery["origin"] == "running", "it is {recovery}");
    drover.act(&id, "remove").await.map(drop)
}

/// The connection of the agent breaks between a start and its reply; the command is sent again.
async fn a_lost_reply_starts_nothing_twice(drover: &Drover) -> Result<()> {
    let fields = json!({ "labels": { "sim.disconnect": "start" } });
    let id = drover.run(fields, SOON).await?;
    let container = drover.container(&id).await?;
    ensure!(container["restarts"] == 0, "it is {container}");
    Ok(())
}

async fn a_policy_or_a_check_that_makes_no_sense_is_refused_by_its_field(
    drover: &Drover,
) -> Result<()> {
    for (field, fields) in [
        (
            "restartPolicy.delaySeconds",
            json!({ "restartPolicy": { "delaySeconds": 0 } }),
        ),
        (
            "healthCheck.probe.http.path",
            json!({ "healthCheck": { "probe": { "http": { "port": 80, "path": "x" } } } }),
        ),
        (
            "healthCheck.probe",
            json!({
                "networks": [{ "network": "none" }],
                "healthCheck": { "probe": { "tcp": { "port": 80 } } },
            }),
        ),
    ] {
        let reply = drover
            .api
            .post("/v1/containers", &drover.hello(fields))
            .await?;
        let problem = reply.expect(422)?;
        ensure!(problem["field"] == field, "it is {problem}");
    }
    Ok(())
}
