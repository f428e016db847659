//! Which host takes a container, and what is said when none does.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
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
        those_who_stand_apart_are_on_a_host_each_and_the_last_one_says_why_not,
        one_that_is_to_be_near_another_is_on_its_host,
        an_affinity_that_names_nothing_or_too_much_is_refused,
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

async fn those_who_stand_apart_are_on_a_host_each_and_the_last_one_says_why_not(
    drover: &Drover,
) -> Result<()> {
    let hosts = drover.api.list("/v1/hosts").await?.len();
    let fields = json!({
        "labels": { "app": "lonely" },
        "placement": { "apart": [{ "containers": "app=lonely" }] },
    });
    let creating = (0..=hosts).map(|_| drover.create(fields.clone()));
    let all = try_join_all(creating).await?;
    let settled = until("all but one run", SOON, || async {
        let containers = drover.api.list("/v1/containers?labels=app=lonely").await?;
        let (running, rest): (Vec<_>, Vec<_>) = containers
            .into_iter()
            .partition(|container| container["state"] == "running");
        ensure!(running.len() == hosts, "{} run", running.len());
        ensure!(rest.iter().all(|container| container["state"] == "error"));
        Ok((running, rest))
    });
    let (running, rest) = settled.await?;
    let on: HashSet<String> = running
        .iter()
        .map(|container| container["hostId"].to_string())
        .collect();
    ensure!(on.len() == hosts, "they are on {on:?}");
    let words = format!(
        "no host takes the container: of {hosts}, {hosts} have a container that it is to be apart from"
    );
    let told = rest.iter().map(|container| &container["error"]);
    ensure!(told.clone().all(|told| *told == words), "it says {told:?}");
    for id in all {
        drover.act_until(&id, "remove", "removed", SOON).await?;
    }
    Ok(())
}

async fn one_that_is_to_be_near_another_is_on_its_host(drover: &Drover) -> Result<()> {
    for host in drover.api.list("/v1/hosts").await? {
        let host = id_of(&host)?;
        let name = format!("beacon of {host}");
        let beacon = json!({ "name": name, "placement": { "hostId": host } });
        let beacon = drover.create(beacon).await?;
        drover.wait_for_state(&beacon, "running", SOON).await?;
        let fields = json!({
            "placement": { "near": [{ "container": name }], "strategy": "binpack" },
        });
        let near = drover.create(fields).await?;
        let near = drover.wait_for_state(&near, "running", SOON).await?;
        ensure!(
            near["hostId"] == host.as_str(),
            "it is on {}",
            near["hostId"]
        );
    }
    let nowhere = json!({ "placement": { "near": [{ "containers": "app=nobody" }] } });
    let nowhere = drover.create(nowhere).await?;
    let failed = drover.wait_for_state(&nowhere, "error", SOON).await?;
    let told = failed["error"].as_str().context("a reason")?;
    ensure!(
        told.ends_with("have none of the containers that it is to be near to"),
        "it says {told}"
    );
    // Who is near to its own kind, and the first of it, has to begin.
    let kind = json!({
        "labels": { "app": "herd" },
        "placement": { "near": [{ "containers": "app=herd" }] },
    });
    let first = drover.create(kind.clone()).await?;
    let first = drover.wait_for_state(&first, "running", SOON).await?;
    let second = drover.create(kind).await?;
    let second = drover.wait_for_state(&second, "running", SOON).await?;
    ensure!(first["hostId"] == second["hostId"], "they are not together");
    Ok(())
}

async fn an_affinity_that_names_nothing_or_too_much_is_refused(drover: &Drover) -> Result<()> {
    for (placement, field) in [
        (json!({ "near": [{}] }), "placement.near[0]"),
        (
            json!({ "apart": [{ "hosts": "a=b" }, { "hosts": "a", "container": "b" }] }),
            "placement.apart[1]",
        ),
        (
            json!({ "near": [{ "hosts": "a in (" }] }),
            "placement.near[0].hosts",
        ),
        (
            json!({ "near": [{ "hosts": "a", "weight": 0 }] }),
            "placement.near[0]",
        ),
        (json!({ "strategy": "random" }), "placement.strategy"),
    ] {
        let body = json!({ "image": "x", "placement": placement });
        let refused = drover.api.post("/v1/containers", &body).await?;
        let problem = refused.expect(422)?;
        ensure!(problem["field"] == field, "{problem} names {field}");
    }
    Ok(())
}
