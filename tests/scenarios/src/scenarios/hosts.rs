//! Hosts whose agents are lost: how they stand meanwhile, and after the agents are back.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::SOON;
use super::settings::put;
use crate::facts;
use crate::installation::{Drover, Fleet, id_of};
use crate::until::until;

/// With the times of [`hurry`] a host is given up within this time.
const GIVEN_UP_WITHIN: Duration = Duration::from_secs(30);

/// All facts of this theme. They need simulated containers.
pub async fn hold(drover: &Drover) {
    facts![drover; hurry].hold().await;
    facts![
        drover;
        a_host_whose_agent_dies_is_given_up_and_comes_back_with_its_work,
        a_host_that_a_person_deactivated_comes_back_inactive,
    ]
    .hold()
    .await;
}

/// Short times, for what has connected from now on.
async fn hurry(drover: &Drover) -> Result<()> {
    for (name, seconds) in [("agentHeartbeatSeconds", 1), ("hostReconnectSeconds", 8)] {
        put(drover, name, json!(seconds)).await?.expect(200)?;
    }
    Ok(())
}

/// Asks a host for an action that it offers.
async fn act(drover: &Drover, host: &Value, action: &str) -> Result<()> {
    let link = host["actions"][action].as_str();
    let link = link.with_context(|| format!("no action {action}: {host}"))?;
    let asked = drover.api.post(link, &json!({})).await?;
    asked.expect(202).map(drop)
}

/// The one host of a fleet.
async fn host_of(drover: &Drover, name: &str) -> Result<Value> {
    let path = format!("/v1/hosts?name={name}-0001");
    let hosts = drover.api.list(&path).await?;
    hosts.into_iter().next().context("the host is not there")
}

async fn until_it_is(drover: &Drover, name: &str, state: &str, within: Duration) -> Result<Value> {
    until(&format!("{name} is {state}"), within, || async {
        let host = host_of(drover, name).await?;
        ensure!(host["state"] == state, "it is {}", host["state"]);
        Ok(host)
    })
    .await
}

async fn a_host_whose_agent_dies_is_given_up_and_comes_back_with_its_work(
    drover: &Drover,
) -> Result<()> {
    let mut fleet = Fleet::start(drover, "dies", 1, &[]).await?;
    let host = id_of(&until_it_is(drover, "dies", "active", SOON).await?)?;
    let there = json!({ "placement": { "hostId": host } });
    let id = drover.run(there.clone(), SOON).await?;
    fleet.process.kill_hard()?;
    until_it_is(drover, "dies", "reconnecting", SOON).await?;
    let given_up = until_it_is(drover, "dies", "disconnected", GIVEN_UP_WITHIN).await?;
    ensure!(given_up["actions"]["remove"].is_string(), "{given_up}");
    // The container keeps its state, and its work says what it waits for.
    ensure!(drover.container(&id).await?["state"] == "running");
    let accepted = drover.act(&id, "stop").await?;
    let process = accepted["links"]["process"].as_str().context("a process")?;
    until("the stop says why it waits", SOON, || async {
        let process = drover.api.get(process).await?.expect(200)?;
        let message = process["message"].as_str().unwrap_or_default();
        ensure!(
            message.contains("the host is disconnected"),
            "it says `{message}`"
        );
        Ok(())
    })
    .await?;
    let late = drover.create(there).await?;
    fleet.process.start_again()?;
    until_it_is(drover, "dies", "active", SOON).await?;
    drover.wait_for_state(&id, "stopped", SOON).await?;
    drover.wait_for_state(&late, "running", SOON).await?;
    Ok(())
}

async fn a_host_that_a_person_deactivated_comes_back_inactive(drover: &Drover) -> Result<()> {
    let mut fleet = Fleet::start(drover, "idle", 1, &[]).await?;
    let host = until_it_is(drover, "idle", "active", SOON).await?;
    act(drover, &host, "deactivate").await?;
    until_it_is(drover, "idle", "inactive", SOON).await?;
    fleet.process.kill_hard()?;
    until_it_is(drover, "idle", "reconnecting", SOON).await?;
    fleet.process.start_again()?;
    let host = until_it_is(drover, "idle", "inactive", SOON).await?;
    ensure!(host["deactivated"] == true, "{host}");
    // And after it was given up.
    fleet.process.kill_hard()?;
    until_it_is(drover, "idle", "disconnected", GIVEN_UP_WITHIN).await?;
    fleet.process.start_again()?;
    let host = until_it_is(drover, "idle", "inactive", SOON).await?;
    act(drover, &host, "activate").await?;
    let host = until_it_is(drover, "idle", "active", SOON).await?;
    ensure!(host["deactivated"] == false, "{host}");
    Ok(())
}
