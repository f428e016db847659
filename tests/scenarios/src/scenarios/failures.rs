//! Containers that cannot run, or run no longer: each says why, and the others run on. On Docker.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bollard::query_parameters::{KillContainerOptionsBuilder, RemoveContainerOptionsBuilder};
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::Drover;
use crate::ports::Port;
use crate::until::until;

/// A container that ends by itself is known to have ended within this time.
const NOTICED_WITHIN: Duration = Duration::from_secs(5);

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        an_image_that_docker_does_not_have_is_told_in_dockers_words,
        a_command_that_does_not_exist_is_told_in_dockers_words,
        a_host_port_that_another_program_holds_is_told_in_dockers_words,
        a_container_that_ends_by_itself_is_stopped_with_its_exit_code,
        a_container_that_somebody_kills_is_stopped_with_its_exit_code,
        a_container_that_somebody_took_away_can_be_started_again,
    ]
    .hold()
    .await;
    facts![drover; the_next_good_container_runs].hold().await;
}

/// No registry can be assumed, so the one that the image names is a port where nobody listens.
async fn an_image_that_docker_does_not_have_is_told_in_dockers_words(
    drover: &Drover,
) -> Result<()> {
    let registry = Port::reserve()?;
    let image = format!("{}/absent:1", registry.address());
    let failed = ends_in_error(drover, json!({ "image": image })).await?;
    says(&failed, &registry.address())?;
    ensure!(failed["runtimeId"].is_null(), "it was created: {failed}");
    let id = failed["id"].as_str().context("an id")?;
    drover
        .act_until(id, "remove", "removed", SOON)
        .await
        .map(drop)
}

async fn a_command_that_does_not_exist_is_told_in_dockers_words(drover: &Drover) -> Result<()> {
    let failed = ends_in_error(drover, json!({ "command": ["/no/such/program"] })).await?;
    says(&failed, "/no/such/program")?;
    says(&failed, "no such file or directory")?;
    let id = failed["id"].as_str().context("an id")?;
    drover.act_until(id, "remove", "removed", SOON).await?;
    ensure!(
        drover.inspect(id).await?.is_none(),
        "removed, but Docker has it"
    );
    Ok(())
}

/// Once the port is free, a start makes it good.
async fn a_host_port_that_another_program_holds_is_told_in_dockers_words(
    drover: &Drover,
) -> Result<()> {
    let port = Port::reserve()?;
    let holder = TcpListener::bind(port.address())?;
    let published = json!([{
        "hostIp": "127.0.0.1", "hostPort": port.number(), "containerPort": 80,
    }]);
    let failed = ends_in_error(drover, json!({ "ports": published })).await?;
    says(&failed, &port.number().to_string())?;
    says(&failed, "address already in use")?;
    drop(holder);
    let id = failed["id"].as_str().context("an id")?;
    drover.act(id, "start").await?;
    until("the start once the port is free", SOON, || async {
        let container = drover.container(id).await?;
        ensure!(
            container["state"] == "running",
            "it is {}",
            container["state"]
        );
        ensure!(
            container["error"].is_null(),
            "the old error stays: {}",
            container["error"]
        );
        Ok(())
    })
    .await
}

async fn a_container_that_ends_by_itself_is_stopped_with_its_exit_code(
    drover: &Drover,
) -> Result<()> {
    let command = json!({ "command": ["sh", "-c", "sleep 1; exit 7"] });
    let id = drover.run(command, SOON).await?;
    let second = Duration::from_secs(1);
    let stopped = drover
        .wait_for_state(&id, "stopped", second + NOTICED_WITHIN)
        .await?;
    ensure!(
        stopped["exitCode"] == 7,
        "the exit code is {}",
        stopped["exitCode"]
    );
    drover.act(&id, "start").await.map(drop)
}

async fn a_container_that_somebody_kills_is_stopped_with_its_exit_code(
    drover: &Drover,
) -> Result<()> {
    let id = drover.run(json!({}), SOON).await?;
    let name = format!("drover-{id}");
    let kill = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
    drover
        .engine()?
        .client
        .kill_container(&name, Some(kill))
        .await?;
    let stopped = drover
        .wait_for_state(&id, "stopped", NOTICED_WITHIN)
        .await?;
    ensure!(
        stopped["exitCode"] == 137,
        "the exit code is {}",
        stopped["exitCode"]
    );
    Ok(())
}

async fn a_container_that_somebody_took_away_can_be_started_again(drover: &Drover) -> Result<()> {
    let id = drover.run(json!({}), SOON).await?;
    let name = format!("drover-{id}");
    let force = RemoveContainerOptionsBuilder::new().force(true).build();
    drover
        .engine()?
        .client
        .remove_container(&name, Some(force))
        .await?;
    drover
        .wait_for_state(&id, "stopped", NOTICED_WITHIN)
        .await?;
    drover.act_until(&id, "start", "running", SOON).await?;
    ensure!(
        drover.is_running_in_docker(&id).await? == Some(true),
        "Docker does not run it"
    );
    Ok(())
}

/// None of the failures has taken anything else along.
async fn the_next_good_container_runs(drover: &Drover) -> Result<()> {
    let id = drover.run(json!({}), SOON).await?;
    ensure!(
        drover.is_running_in_docker(&id).await? == Some(true),
        "Docker does not run it"
    );
    Ok(())
}

/// The container, once it is in `error`, which is also how its process ended.
async fn ends_in_error(drover: &Drover, fields: Value) -> Result<Value> {
    let id = drover.create(fields).await?;
    let failed = drover
        .wait_for_state(&id, "error", Duration::from_secs(60))
        .await?;
    let process = drover.processes(&id).await?.pop().context("a process")?;
    ensure!(
        process["phase"] == "failed" && process["message"] == failed["error"],
        "the last process is {process}"
    );
    ensure!(
        failed["transitioning"] == "error",
        "transitioning is {}",
        failed["transitioning"]
    );
    Ok(failed)
}

fn says(failed: &Value, words: &str) -> Result<()> {
    let error = failed["error"].as_str().unwrap_or_default();
    ensure!(
        error.contains(words),
        "the error does not say `{words}`: {error}"
    );
    Ok(())
}
