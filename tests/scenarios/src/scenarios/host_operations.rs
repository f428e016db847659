//! What an operator asks of hosts and their agents: how much containers may take, who takes none, what a
//! host is and how busy, and other credentials.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::http;
use crate::installation::{Drover, Fleet, id_of, send};
use crate::until::until;

/// All facts of this theme. They need simulated containers.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_host_gives_as_much_as_it_was_told_to_and_what_it_found_again,
        of_many_that_race_for_the_places_of_a_host_as_many_run_as_it_takes,
        a_host_says_whether_it_takes_containers_and_why_not,
        a_host_tells_what_it_is_and_how_busy_for_as_long_as_it_is_connected,
        what_no_host_could_give_is_refused,
        an_agent_is_given_another_credential_while_it_works,
        a_credential_that_is_revoked_ends_at_once_and_its_connection_with_it,
        the_command_line_sees_to_hosts_and_their_agents,
    ]
    .hold()
    .await;
}

/// A fleet of one host, and that host.
async fn one(drover: &Drover, name: &str) -> Result<(Fleet, String)> {
    let fleet = Fleet::start(drover, name, 1, &[]).await?;
    let host = until(&format!("{name} is active"), SOON, || async {
        let path = format!("/v1/hosts?name={name}-0001");
        let hosts = drover.api.list(&path).await?;
        let host = hosts.first().context("the host is not there")?;
        ensure!(host["state"] == "active", "it is {}", host["state"]);
        id_of(host)
    })
    .await?;
    Ok((fleet, host))
}

async fn host(drover: &Drover, id: &str) -> Result<Value> {
    drover
        .api
        .get(&format!("/v1/hosts/{id}"))
        .await?
        .expect(200)
}

async fn set(drover: &Drover, id: &str, patch: Value) -> Result<Value> {
    let path = format!("/v1/hosts/{id}");
    drover.api.patch(&path, &patch).await?.expect(200)
}

fn on(host: &str, resources: Value) -> Value {
    json!({ "placement": { "hostId": host }, "resources": resources })
}

/// Waits until a container is refused for a reason.
async fn refused(drover: &Drover, id: &str, words: &str) -> Result<()> {
    let failed = drover.wait_for_state(id, "error", SOON).await?;
    let error = failed["error"].as_str().unwrap_or_default();
    ensure!(error.contains(words), "the reason is {error}");
    Ok(())
}

async fn a_host_gives_as_much_as_it_was_told_to_and_what_it_found_again(
    drover: &Drover,
) -> Result<()> {
    let (_fleet, id) = one(drover, "gives").await?;
    let found = host(drover, &id).await?;
    ensure!(found["capacity"] == found["foundCapacity"], "{found}");
    ensure!(found["maximumContainers"].is_null(), "{found}");
    let asked = json!({ "capacity": { "memoryMiB": 64 }, "maximumContainers": 2 });
    let limited = set(drover, &id, asked).await?;
    ensure!(limited["capacity"]["memoryMiB"] == 64, "{limited}");
    let cpus = &limited["capacity"]["cpuMillis"];
    ensure!(*cpus == found["foundCapacity"]["cpuMillis"], "{limited}");
    ensure!(limited["foundCapacity"] == found["foundCapacity"]);

    let large = drover.create(on(&id, json!({ "memoryMiB": 100 }))).await?;
    refused(drover, &large, "have too little memory left").await?;
    for _ in 0..2 {
        drover
            .run(on(&id, json!({ "memoryMiB": 10 })), SOON)
            .await?;
    }
    let third = drover.create(on(&id, json!({ "memoryMiB": 10 }))).await?;
    refused(drover, &third, "have as many containers as they take").await?;
    let full = host(drover, &id).await?;
    ensure!(full["schedulable"] == false, "{full}");
    let reason = "it has 2 containers and takes 2 at most";
    ensure!(full["unschedulableReason"] == reason, "{full}");

    let nothing = json!({ "capacity": null, "maximumContainers": null });
    let free = set(drover, &id, nothing).await?;
    ensure!(free["capacity"] == found["foundCapacity"], "{free}");
    ensure!(free["schedulable"] == true && free["unschedulableReason"].is_null());
    for waiting in [&large, &third] {
        drover.act_until(waiting, "start", "running", SOON).await?;
    }
    // Less than is taken is no reason to touch what runs.
    let less = set(drover, &id, json!({ "maximumContainers": 1 })).await?;
    ensure!(less["reserved"]["containers"] == 4, "{less}");
    ensure!(drover.container(&large).await?["state"] == "running");
    Ok(())
}

async fn of_many_that_race_for_the_places_of_a_host_as_many_run_as_it_takes(
    drover: &Drover,
) -> Result<()> {
    const PLACES: usize = 3;
    const RIVALS: usize = 12;
    let (_fleet, id) = one(drover, "places").await?;
    set(drover, &id, json!({ "maximumContainers": PLACES })).await?;
    let asked = (0..RIVALS).map(|_| drover.create(on(&id, json!({}))));
    let rivals = futures::future::try_join_all(asked).await?;
    until("each runs or is refused", SOON, || async {
        let (mut running, mut refused) = (0, 0);
        for rival in &rivals {
            match drover.container(rival).await?["state"].as_str() {
                Some("running") => running += 1,
                Some("error") => refused += 1,
                _ => {}
            }
        }
        let settled = (running, refused);
        ensure!(settled == (PLACES, RIVALS - PLACES), "{settled:?}");
        Ok(())
    })
    .await?;
    let full = host(drover, &id).await?;
    ensure!(full["reserved"]["containers"] == PLACES, "{full}");
    Ok(())
}

async fn a_host_says_whether_it_takes_containers_and_why_not(drover: &Drover) -> Result<()> {
    let (_fleet, id) = one(drover, "says").await?;
    let active = host(drover, &id).await?;
    ensure!(active["schedulable"] == true, "{active}");
    let path = format!("/v1/hosts/{id}/deactivate");
    drover.api.post(&path, &json!({})).await?.expect(202)?;
    until("it says that it was taken out of use", SOON, || async {
        let host = host(drover, &id).await?;
        ensure!(host["state"] == "inactive", "it is {}", host["state"]);
        ensure!(host["schedulable"] == false, "{host}");
        let reason = &host["unschedulableReason"];
        ensure!(*reason == "it was taken out of use", "it says {reason}");
        Ok(())
    })
    .await
}

async fn a_host_tells_what_it_is_and_how_busy_for_as_long_as_it_is_connected(
    drover: &Drover,
) -> Result<()> {
    let (mut fleet, id) = one(drover, "busy").await?;
    let facts = host(drover, &id).await?["facts"].clone();
    ensure!(facts["runtime"] == "simulated", "{facts}");
    for field in ["cpus", "memoryMiB", "diskMiB"] {
        ensure!(facts[field].as_u64() > Some(0), "no {field}: {facts}");
    }
    for field in ["hostname", "kernel", "architecture", "agentVersion"] {
        ensure!(facts[field].as_str() != Some(""), "no {field}: {facts}");
    }
    let made = drover.run(on(&id, json!({})), SOON).await?;
    let idle = drover.create(json!({ "placement": { "hostId": id }, "start": false }));
    let idle = idle.await?;
    drover.wait_for_state(&idle, "created", SOON).await?;
    let before = host(drover, &id).await?["version"].clone();
    let path = format!("/v1/hosts/{id}/stats");
    let stats = drover.api.get(&path).await?.expect(200)?;
    ensure!(stats["hostId"] == id.as_str(), "{stats}");
    let counted = json!({ "created": 1, "running": 1, "exited": 0 });
    ensure!(stats["containers"] == counted, "{stats}");
    for (used, all) in [("memoryUsedMiB", "memoryMiB"), ("diskUsedMiB", "diskMiB")] {
        let (used, all) = (stats[used].as_u64(), stats[all].as_u64());
        ensure!(used > Some(0) && used <= all, "{stats}");
    }
    ensure!(stats["load"].as_array().map(Vec::len) == Some(3), "{stats}");
    // Nobody writes anything down for that.
    ensure!(host(drover, &id).await?["version"] == before);
    ensure!(drover.container(&made).await?["state"] == "running");

    fleet.process.kill_hard()?;
    until("the host cannot be asked", SOON, || async {
        let reply = drover.api.get(&path).await?;
        let problem = reply.problem(409, "host.unreachable")?;
        let detail = problem["detail"].as_str().unwrap_or_default();
        ensure!(detail.contains("its agent"), "{detail}");
        Ok(())
    })
    .await?;
    let unknown = "/v1/hosts/01a1fbae-b524-750c-b7b5-f853a174e0a7/stats";
    drover.api.get(unknown).await?.problem(404, "notFound")?;
    Ok(())
}

async fn what_no_host_could_give_is_refused(drover: &Drover) -> Result<()> {
    let (_fleet, id) = one(drover, "refuses").await?;
    let before = host(drover, &id).await?;
    for (patch, field) in [
        (
            json!({ "capacity": { "memoryMiB": -1 } }),
            "capacity.memoryMiB",
        ),
        (json!({ "capacity": { "disks": 1 } }), "capacity.disks"),
        (json!({ "capacity": 5 }), "capacity"),
        (json!({ "maximumContainers": "few" }), "maximumContainers"),
        (json!({ "deactivated": true }), "deactivated"),
        (json!({ "agentId": null }), "agentId"),
    ] {
        let path = format!("/v1/hosts/{id}");
        let reply = drover.api.patch(&path, &patch).await?;
        let problem = reply.problem(422, "invalid")?;
        ensure!(problem["field"] == field, "{patch}: {problem}");
    }
    let after = host(drover, &id).await?;
    ensure!(
        after["version"] == before["version"],
        "something was changed"
    );
    Ok(())
}

/// The state file of the agent of a fleet of one.
fn state_file(drover: &Drover, name: &str) -> PathBuf {
    let host = format!("{name}-0001");
    let folder = drover.folder().join(name).join("simulated").join(host);
    folder.join("agent.json")
}

fn credential(drover: &Drover, name: &str) -> Result<String> {
    let text = std::fs::read_to_string(state_file(drover, name))?;
    let state: Value = serde_json::from_str(&text)?;
    let credential = state["credential"].as_str().context("a credential")?;
    Ok(credential.to_owned())
}

/// The status with which an agent server answers to a credential that is refused, if it is.
async fn refusal(drover: &Drover, credential: &str) -> Result<Option<u16>> {
    let server = drover.agent_servers.first().context("an agent server")?;
    let asked = http::client()?
        .request(Method::GET, format!("{server}/agent/v1/events"))
        .header("Accept", "text/html")
        .bearer_auth(credential);
    // One that is valid is told that it asks for no form of the protocol, and disturbs nobody.
    let status = asked.send().await?.status().as_u16();
    Ok(Some(status).filter(|status| *status != 406))
}

async fn operations(drover: &Drover, agent: &str) -> Result<Vec<String>> {
    let path = format!("/v1/auditLogs?resourceId={agent}");
    let rows = drover.api.list(&path).await?.into_iter();
    let names = rows.filter_map(|row| row["operation"].as_str().map(str::to_owned));
    Ok(names.collect())
}

async fn an_agent_is_given_another_credential_while_it_works(drover: &Drover) -> Result<()> {
    let (mut fleet, id) = one(drover, "rotates").await?;
    let before = host(drover, &id).await?;
    let agent = before["agentId"].as_str().context("an agent")?.to_owned();
    let old = credential(drover, "rotates")?;
    ensure!(refusal(drover, &old).await?.is_none(), "it is valid");

    let shown = drover.api.get(&format!("/v1/agents/{agent}")).await?;
    let shown = shown.expect(200)?;
    let link = shown["actions"]["rotate"].as_str().context("the action")?;
    let accepted = drover.api.post(link, &json!({})).await?.expect(202)?;
    ensure!(accepted["state"] == "rotating", "{accepted}");
    until("the old credential is void", SOON, || async {
        let agent = drover.api.get(&format!("/v1/agents/{agent}")).await?;
        let agent = agent.expect(200)?;
        ensure!(
            agent["state"] == "active",
            "the agent is {}",
            agent["state"]
        );
        ensure!(refusal(drover, &old).await? == Some(401));
        Ok(())
    })
    .await?;
    let new = credential(drover, "rotates")?;
    ensure!(new != old, "it has the old one");
    ensure!(
        refusal(drover, &new).await?.is_none(),
        "the new one is void"
    );
    // It is connected, and nobody noticed anything.
    drover.run(on(&id, json!({})), SOON).await?;
    let after = host(drover, &id).await?;
    ensure!(after["version"] == before["version"], "{after}");
    ensure!(
        operations(drover, &agent)
            .await?
            .contains(&"agent.rotate".to_owned())
    );
    let processes = drover.processes(&agent).await?;
    let told = format!("{processes:?}");
    ensure!(!told.contains("dra_"), "a process tells a credential");
    // And after a restart.
    fleet.process.kill_hard()?;
    fleet.process.start_again()?;
    drover.run(on(&id, json!({})), SOON).await?;
    ensure!(
        credential(drover, "rotates")? == new,
        "it has registered again"
    );
    Ok(())
}

async fn a_credential_that_is_revoked_ends_at_once_and_its_connection_with_it(
    drover: &Drover,
) -> Result<()> {
    let (_fleet, id) = one(drover, "revokes").await?;
    let agent = host(drover, &id).await?["agentId"].clone();
    let agent = agent.as_str().context("an agent")?;
    let old = credential(drover, "revokes")?;
    let path = format!("/v1/agents/{agent}/revoke");
    drover.api.post(&path, &json!({})).await?.expect(204)?;
    ensure!(
        refusal(drover, &old).await? == Some(401),
        "it is still valid"
    );
    // It has a token, so it registers again as the same agent. Long before anybody would look by itself.
    until("it is back with another credential", SOON, || async {
        let new = credential(drover, "revokes")?;
        ensure!(new != old, "it has the old one");
        ensure!(refusal(drover, &new).await?.is_none());
        Ok(())
    })
    .await?;
    drover.run(on(&id, json!({})), SOON).await?;
    ensure!(host(drover, &id).await?["agentId"] == agent);
    ensure!(
        operations(drover, agent)
            .await?
            .contains(&"agent.revoke".to_owned())
    );
    Ok(())
}

async fn the_command_line_sees_to_hosts_and_their_agents(drover: &Drover) -> Result<()> {
    let (_fleet, id) = one(drover, "typed").await?;
    let name = "typed-0001";
    let limits = ["--memory", "1g", "--cpus", "0.5", "--max-containers", "7"];
    let set = [&["host", "set", name, "--label", "rack=7"], &limits[..]].concat();
    let told = drover.command(&set).await?;
    ensure!(told.contains("maximumContainers"), "{told}");
    let changed = host(drover, &id).await?;
    let capacity = json!({ "cpuMillis": 500, "memoryMiB": 1_024 });
    ensure!(changed["capacity"] == capacity, "{changed}");
    ensure!(changed["maximumContainers"] == 7 && changed["labels"]["rack"] == "7");
    let stats = drover.command(&["host", "stats", name]).await?;
    ensure!(
        stats.contains("0 running") && stats.contains("memory"),
        "{stats}"
    );
    let list = drover.command(&["hosts"]).await?;
    ensure!(list.contains("0 of 7"), "{list}");
    let gone = drover.command(&["host", "deactivate", name]).await?;
    ensure!(gone == "typed-0001: inactive", "{gone}");
    let back = drover.command(&["host", "activate", name]).await?;
    ensure!(back == "typed-0001: active", "{back}");
    let old = credential(drover, "typed")?;
    let rotated = drover.command(&["host", "rotate", name]).await?;
    ensure!(rotated.ends_with(": active"), "{rotated}");
    ensure!(refusal(drover, &old).await? == Some(401));
    let nothing = drover
        .api
        .request(Method::POST, "/v1/agents/nothing/revoke")
        .json(&json!({}));
    send(nothing).await?.problem(404, "notFound")?;
    Ok(())
}
