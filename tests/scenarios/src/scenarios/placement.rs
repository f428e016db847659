//! Which host takes a container, and what is said when none does.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::{Drover, id_of};
use crate::ports::Port;
use crate::until::until;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        hosts_tell_what_they_are_and_what_they_have,
        a_container_that_fits_nowhere_says_what_is_lacking,
        of_two_containers_for_one_port_of_a_host_one_runs_and_the_other_says_why,
        memory_that_is_reserved_is_given_back,
    ]
    .hold()
    .await;
}

async fn hosts_tell_what_they_are_and_what_they_have(drover: &Drover) -> Result<()> {
    for host in drover.api.list("/v1/hosts").await? {
        let facts = &host["facts"];
        ensure!(host["state"] == "active", "a host is {}", host["state"]);
        ensure!(facts["cpus"].as_u64() > Some(0), "its facts are {facts}");
        ensure!(
            host["capacity"]["memoryMiB"] == facts["memoryMiB"],
            "its capacity is {}, its facts are {facts}",
            host["capacity"]
        );
        let agent = host["agentId"].as_str().context("an agent")?;
        // Agent and host come in by processes of their own; neither waits for the other.
        until("its agent is active", SOON, || async {
            let agent = drover.api.get(&format!("/v1/agents/{agent}")).await?;
            let state = agent.expect(200)?["state"].clone();
            ensure!(state == "active", "it is {state}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

async fn a_container_that_fits_nowhere_says_what_is_lacking(drover: &Drover) -> Result<()> {
    let hosts = drover.api.list("/v1/hosts").await?.len();
    let cases = [
        (
            json!({ "memoryMiB": 4_000_000 }),
            "have too little memory left",
        ),
        (
            json!({ "cpuMillis": 4_000_000 }),
            "have too little CPU left",
        ),
    ];
    for (resources, words) in cases {
        let id = drover.create(json!({ "resources": resources })).await?;
        let failed = drover.wait_for_state(&id, "error", SOON).await?;
        let expected = format!("no host takes the container: of {hosts}, {hosts} {words}");
        ensure!(
            failed["error"] == expected,
            "the reason is {}",
            failed["error"]
        );
        ensure!(failed["hostId"].is_null(), "it has a host: {failed}");
    }
    Ok(())
}

/// The loser runs too, once the winner is gone.
async fn of_two_containers_for_one_port_of_a_host_one_runs_and_the_other_says_why(
    drover: &Drover,
) -> Result<()> {
    let port = Port::reserve()?;
    let host = id_of(
        drover
            .api
            .list("/v1/hosts")
            .await?
            .first()
            .context("a host")?,
    )?;
    let fields = json!({
        "ports": [{ "hostPort": port.number(), "containerPort": 80 }],
        "placement": { "hostId": host },
    });
    let ids = tokio::try_join!(drover.create(fields.clone()), drover.create(fields))?;
    let (winner, loser) = until("one runs and one does not", SOON, || async {
        let first = drover.container(&ids.0).await?;
        let second = drover.container(&ids.1).await?;
        let is = |container: &Value, state: &str| container["state"] == state;
        match (&first, &second) {
            (first, second) if is(first, "running") && is(second, "error") => {
                Ok((first.clone(), second.clone()))
            }
            (first, second) if is(first, "error") && is(second, "running") => {
                Ok((second.clone(), first.clone()))
            }
            _ => anyhow::bail!("they are {} and {}", first["state"], second["state"]),
        }
    })
    .await?;
    let error = loser["error"].as_str().unwrap_or_default();
    ensure!(
        error.contains("1 have a port taken that is asked for"),
        "the reason is `{error}`"
    );
    drover
        .act_until(&id_of(&winner)?, "remove", "removed", SOON)
        .await?;
    drover.act(&id_of(&loser)?, "start").await?;
    until("the loser runs once the port is free", SOON, || async {
        let state = drover.container(&id_of(&loser)?).await?["state"].clone();
        ensure!(state == "running", "it is {state}");
        Ok(())
    })
    .await
}

/// Half of a host fits once, and again when the first is gone.
async fn memory_that_is_reserved_is_given_back(drover: &Drover) -> Result<()> {
    let hosts = drover.api.list("/v1/hosts").await?;
    let host = hosts.last().context("a host")?;
    let path = format!("/v1/hosts/{}", id_of(host)?);
    let memory = host["capacity"]["memoryMiB"]
        .as_u64()
        .context("its memory")?;
    let fields = json!({
        "resources": { "memoryMiB": memory / 2 + 1 },
        "placement": { "hostId": id_of(host)? },
    });
    let first = drover.run(fields.clone(), SOON).await?;
    let reserved = drover.api.get(&path).await?.expect(200)?["reserved"].clone();
    ensure!(
        reserved["memoryMiB"].as_u64() > Some(memory / 2),
        "reserved is {reserved}"
    );
    let second = drover.create(fields.clone()).await?;
    drover.wait_for_state(&second, "error", SOON).await?;
    drover.act_until(&first, "remove", "removed", SOON).await?;
    drover.run(fields, SOON).await.map(drop)
}
