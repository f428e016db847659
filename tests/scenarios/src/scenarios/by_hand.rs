//! What happens to containers behind Drover's back: they end, somebody takes them away, stops them or
//! starts them. The row wins. On Docker.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bollard::query_parameters::{RemoveContainerOptionsBuilder, StopContainerOptionsBuilder};
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::Drover;
use crate::until::until;

/// What happens on a host is settled within this time.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_container_that_fails_is_started_again_by_drover_and_not_by_docker,
        a_container_that_somebody_takes_away_is_made_and_started_again,
        a_container_that_somebody_stops_is_started_again,
        a_container_that_somebody_starts_is_stopped_again,
        a_container_that_was_removed_and_is_there_again_is_taken_away,
        a_container_of_others_is_left_alone,
        the_health_of_a_container_is_what_its_command_says,
        the_health_of_a_container_is_what_its_port_answers,
    ]
    .hold()
    .await;
}

fn always() -> Value {
    json!({ "condition": "always", "maximumDelaySeconds": 1 })
}

fn name(id: &str) -> String {
    format!("drover-{id}")
}

/// Waits until a container runs and was started again so often.
async fn wait_for_restarts(drover: &Drover, id: &str, restarts: u64) -> Result<Value> {
    let what = format!("{id} was started again {restarts} times");
    until(&what, SOON, || async {
        let container = drover.container(id).await?;
        ensure!(
            container["state"] == "running" && container["restarts"] == restarts,
            "it is {container}"
        );
        Ok(container)
    })
    .await
}

async fn a_container_that_fails_is_started_again_by_drover_and_not_by_docker(
    drover: &Drover,
) -> Result<()> {
    let id = drover
        .create(json!({
            "command": ["sh", "-c", "sleep 1; exit 7"],
            "restartPolicy": { "condition": "onFailure", "maximumDelaySeconds": 1 },
        }))
        .await?;
    wait_for_restarts(drover, &id, 2).await?;
    let inspected = drover.inspect(&id).await?.context("Docker has it")?;
    ensure!(
        inspected.restart_count.unwrap_or_default() == 0,
        "Docker has started it again: {:?}",
        inspected.restart_count
    );
    drover.act_until(&id, "remove", "removed", SOON).await?;
    Ok(())
}

async fn a_container_that_somebody_takes_away_is_made_and_started_again(
    drover: &Drover,
) -> Result<()> {
    let id = drover
        .run(json!({ "restartPolicy": always() }), SOON)
        .await?;
    let first = drover.container(&id).await?["runtimeId"].clone();
    let force = RemoveContainerOptionsBuilder::new().force(true).build();
    let docker = &drover.engine()?.client;
    docker.remove_container(&name(&id), Some(force)).await?;
    let again = wait_for_restarts(drover, &id, 1).await?;
    ensure!(again["runtimeId"] != first, "it is the same: {again}");
    ensure!(
        drover.is_running_in_docker(&id).await? == Some(true),
        "Docker does not run it"
    );
    Ok(())
}

async fn a_container_that_somebody_stops_is_started_again(drover: &Drover) -> Result<()> {
    let id = drover
        .run(json!({ "restartPolicy": always() }), SOON)
        .await?;
    let at_once = StopContainerOptionsBuilder::new().t(0).build();
    let docker = &drover.engine()?.client;
    docker.stop_container(&name(&id), Some(at_once)).await?;
    wait_for_restarts(drover, &id, 1).await.map(drop)
}

async fn a_container_that_somebody_starts_is_stopped_again(drover: &Drover) -> Result<()> {
    let id = drover
        .run(json!({ "restartPolicy": always() }), SOON)
        .await?;
    let stopped = drover.act_until(&id, "stop", "stopped", SOON).await?;
    let began = Instant::now();
    drover
        .engine()?
        .client
        .start_container(&name(&id), None)
        .await?;
    until("it is stopped again", SETTLED_WITHIN, || async {
        let is_running = drover.is_running_in_docker(&id).await?;
        ensure!(is_running == Some(false), "Docker runs it");
        Ok(())
    })
    .await
    .with_context(|| format!("after {:?}", began.elapsed()))?;
    let after = drover.container(&id).await?;
    ensure!(
        after["state"] == "stopped" && after["version"] == stopped["version"],
        "the row has changed: {after}"
    );
    drover
        .act_until(&id, "start", "running", SOON)
        .await
        .map(drop)
}

/// Somebody has kept a container over its removal, under another name, and brings it back.
async fn a_container_that_was_removed_and_is_there_again_is_taken_away(
    drover: &Drover,
) -> Result<()> {
    let id = drover.run(json!({}), SOON).await?;
    let docker = &drover.engine()?.client;
    let mut kept = drover.inspect(&id).await?.context("Docker has it")?;
    drover.act_until(&id, "remove", "removed", SOON).await?;
    let labels = kept.config.take().and_then(|config| config.labels);
    let body = bollard::models::ContainerCreateBody {
        image: Some(crate::docker::HELLO.to_owned()),
        labels,
        ..Default::default()
    };
    let options = bollard::query_parameters::CreateContainerOptionsBuilder::new()
        .name(&name(&id))
        .build();
    docker.create_container(Some(options), body).await?;
    docker.start_container(&name(&id), None).await?;
    until("it is taken away", SETTLED_WITHIN, || async {
        ensure!(drover.inspect(&id).await?.is_none(), "Docker has it");
        Ok(())
    })
    .await
}

/// It bears a label of the test, so that it is swept away in the end, and none of Drover's.
async fn a_container_of_others_is_left_alone(drover: &Drover) -> Result<()> {
    let docker = &drover.engine()?.client;
    let (label, value) = drover.label();
    let body = bollard::models::ContainerCreateBody {
        image: Some(crate::docker::HELLO.to_owned()),
        labels: Some([(label.to_owned(), value.to_owned())].into()),
        ..Default::default()
    };
    let others = docker.create_container(None, body).await?.id;
    docker.start_container(&others, None).await?;
    // By the time that a change of Drover's own is settled, this one would have been too.
    a_container_that_somebody_starts_is_stopped_again(drover).await?;
    let inspected = docker.inspect_container(&others, None).await?;
    let is_running = inspected.state.and_then(|state| state.running);
    ensure!(is_running == Some(true), "it was stopped");
    let force = RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&others, Some(force)).await?;
    Ok(())
}

async fn wait_for_health(drover: &Drover, id: &str, health: &str) -> Result<Value> {
    until(&format!("{id} is {health}"), SOON, || async {
        let container = drover.container(id).await?;
        ensure!(container["healthState"] == health, "it is {container}");
        Ok(container)
    })
    .await
}

async fn the_health_of_a_container_is_what_its_command_says(drover: &Drover) -> Result<()> {
    let script = "sleep 3; touch /tmp/ready; sleep 3; rm /tmp/ready; sleep 600";
    let id = drover
        .run(
            json!({
                "command": ["sh", "-c", script],
                "healthCheck": {
                    "probe": { "command": ["sh", "-c", "echo looking; test -e /tmp/ready"] },
                    "startPeriodSeconds": 10,
                    "intervalSeconds": 1,
                    "unhealthyThreshold": 2,
                },
            }),
            SOON,
        )
        .await?;
    let starting = drover.container(&id).await?;
    ensure!(starting["healthState"] == "starting", "it is {starting}");
    wait_for_health(drover, &id, "healthy").await?;
    let sick = wait_for_health(drover, &id, "unhealthy").await?;
    ensure!(
        sick["healthMessage"] == "the command ended with 1: looking",
        "it says {}",
        sick["healthMessage"]
    );
    drover
        .act_until(&id, "remove", "removed", SOON)
        .await
        .map(drop)
}

async fn the_health_of_a_container_is_what_its_port_answers(drover: &Drover) -> Result<()> {
    let check = |path: &str| {
        json!({
            "environment": { "PORT": "8080" },
            "healthCheck": {
                "probe": { "http": { "port": 8080, "path": path } },
                "intervalSeconds": 1,
            },
        })
    };
    let well = drover.run(check("/"), SOON).await?;
    wait_for_health(drover, &well, "healthy").await?;
    let mut deaf = check("/");
    deaf["healthCheck"]["probe"] = json!({ "tcp": { "port": 9 } });
    let deaf = drover.run(deaf, SOON).await?;
    let deaf = wait_for_health(drover, &deaf, "unhealthy").await?;
    let message = deaf["healthMessage"].as_str().unwrap_or_default();
    ensure!(
        message.contains("port 9 takes no connection"),
        "it says {message}"
    );
    Ok(())
}
