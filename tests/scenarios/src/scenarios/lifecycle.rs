//! What becomes of a container that is asked for, from the answer to Docker and back. On Docker.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use bollard::models::ContainerInspectResponse;
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::http;
use crate::installation::{Drover, id_of};
use crate::ports::Port;
use crate::until::until;

/// How often a container goes through its whole life.
const CYCLES: usize = 5;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![drover; a_container_is_accepted_and_then_runs_as_asked, five_cycles_in_a_row_leave_nothing_behind]
        .hold()
        .await;
}

/// The answer is 202 with links to follow; then the container passes every state in order, Docker
/// agrees with each field that was asked for, and the published port answers.
async fn a_container_is_accepted_and_then_runs_as_asked(drover: &Drover) -> Result<()> {
    let port = Port::reserve()?;
    let spec = drover.hello(json!({
        "name": "as-asked",
        "entrypoint": ["/bin/sh", "-e"],
        "command": ["/bin/hello"],
        "environment": { "GREETING": "good day", "PORT": "8080" },
        "labels": { "team": "x" },
        "workingDir": "/tmp",
        "user": "nobody",
        "ports": [
            { "hostIp": "127.0.0.1", "hostPort": port.number(), "containerPort": 8080 },
            { "hostIp": "127.0.0.1", "containerPort": 8081 },
        ],
        "resources": { "memoryMiB": 64, "cpuMillis": 500 },
    }));
    let reply = drover.api.post("/v1/containers", &spec).await?;
    let location = reply.header("location").to_owned();
    let accepted = reply.expect(202)?;
    let id = id_of(&accepted)?;
    ensure!(
        location == format!("/v1/containers/{id}"),
        "Location is `{location}`"
    );
    ensure!(
        accepted["state"] == "requested" || accepted["state"] == "creating",
        "it is accepted as {}",
        accepted["state"]
    );
    let process = accepted["links"]["process"]
        .as_str()
        .context("links.process")?;
    let process = drover.api.get(process).await?.expect(200)?;
    ensure!(
        process["name"] == "create" && process["resourceId"] == id,
        "the process is {process}"
    );

    let passed = drover.states_until(&id, "running", SOON).await?;
    ensure!(
        passed == ["creating", "created", "starting", "running"],
        "it passed {passed:?}"
    );
    let running = drover.wait_for_state(&id, "running", SOON).await?;
    ensure!(
        running["transitioning"] == "no",
        "it still moves: {running}"
    );
    let actions = &running["actions"];
    ensure!(
        actions["stop"].is_string() && actions["start"].is_null(),
        "the actions are {actions}"
    );
    let inspected = drover.inspect(&id).await?.context("Docker has it")?;
    docker_agrees(&running, &spec, inspected, port.number())?;
    the_port_answers(&port).await
}

fn docker_agrees(
    running: &Value,
    spec: &Value,
    inspected: ContainerInspectResponse,
    port: u16,
) -> Result<()> {
    ensure!(
        running["runtimeId"] == json!(inspected.id),
        "runtimeId is {}, Docker's {:?}",
        running["runtimeId"],
        inspected.id
    );
    let config = inspected.config.context("a configuration")?;
    let host = inspected.host_config.context("a host configuration")?;
    let bound = inspected.network_settings.and_then(|network| network.ports);
    let bound = bound.context("ports")?;
    let has_label = |name: &str, value: &Value| {
        let labels = config.labels.as_ref();
        labels
            .and_then(|labels| labels.get(name))
            .map(|label| json!(label))
            == Some(value.clone())
    };
    for (name, value) in spec["labels"].as_object().context("labels")? {
        ensure!(has_label(name, value), "label {name}: {:?}", config.labels);
    }
    ensure!(
        has_label("drover.container.id", &running["id"])
            && has_label("drover.project.id", &running["projectId"]),
        "Drover's own labels: {:?}",
        config.labels
    );
    let environment = config.env.clone().unwrap_or_default();
    for variable in ["GREETING=good day", "PORT=8080"] {
        ensure!(
            environment.iter().any(|known| known == variable),
            "{environment:?}"
        );
    }
    let seen = json!({
        "image": config.image,
        "entrypoint": config.entrypoint,
        "command": config.cmd,
        "workingDir": config.working_dir,
        "user": config.user,
        "memory": host.memory,
        "cpus": host.nano_cpus,
    });
    let expected = json!({
        "image": "drover/hello",
        "entrypoint": spec["entrypoint"],
        "command": spec["command"],
        "workingDir": "/tmp",
        "user": "nobody",
        "memory": 64 << 20,
        "cpus": 500_000_000,
    });
    ensure!(seen == expected, "Docker has {seen}, asked was {expected}");

    let bound: HashMap<String, String> = bound
        .into_iter()
        .filter_map(|(port, bindings)| Some((port, bindings?.into_iter().next()?.host_port?)))
        .collect();
    ensure!(
        bound.get("8080/tcp") == Some(&port.to_string()),
        "{bound:?}"
    );
    for (index, inside) in [(0, "8080/tcp"), (1, "8081/tcp")] {
        let told = running["boundPorts"][index]["hostPort"].to_string();
        ensure!(
            bound.get(inside) == Some(&told),
            "{bound:?}, but {}",
            running["boundPorts"]
        );
    }
    Ok(())
}

async fn the_port_answers(port: &Port) -> Result<()> {
    let (http, url) = (http::client()?, port.url());
    until("the published port answers", SOON, || async {
        let page = http
            .get(&url)
            .send()
            .await?
            .error_for_status()?
            .text()
            .await?;
        ensure!(
            page.contains("Hello from as-asked") && page.contains("GREETING=good day"),
            "it says {page}"
        );
        Ok(())
    })
    .await
}

/// Stop, start, restart, remove and purge, each seen in the watch and in Docker, again and again.
async fn five_cycles_in_a_row_leave_nothing_behind(drover: &Drover) -> Result<()> {
    for cycle in 1..=CYCLES {
        whole_life(drover)
            .await
            .with_context(|| format!("cycle {cycle}"))?;
    }
    Ok(())
}

async fn whole_life(drover: &Drover) -> Result<()> {
    let id = drover.run(json!({}), SOON).await?;
    ensure!(
        drover.is_running_in_docker(&id).await? == Some(true),
        "created, but not running"
    );
    let first = began(drover, &id).await?;

    let stopped = drover.act_until(&id, "stop", "stopped", SOON).await?;
    ensure!(
        drover.is_running_in_docker(&id).await? == Some(false),
        "stopped, but running"
    );
    ensure!(
        stopped["exitCode"] == 0,
        "the exit code is {}",
        stopped["exitCode"]
    );

    let started = drover.act_until(&id, "start", "running", SOON).await?;
    ensure!(
        drover.is_running_in_docker(&id).await? == Some(true),
        "started, but not running"
    );
    ensure!(
        started["exitCode"].is_null(),
        "an exit code of the run before: {started}"
    );
    let second = began(drover, &id).await?;
    ensure!(second != first, "it was not started again");

    let restarting = drover.act(&id, "restart").await?;
    ensure!(
        restarting["state"] == "restarting",
        "a restart is {}",
        restarting["state"]
    );
    drover.wait_for_state(&id, "running", SOON).await?;
    ensure!(
        drover.is_running_in_docker(&id).await? == Some(true),
        "restarted, but not running"
    );
    ensure!(
        began(drover, &id).await? != second,
        "a restart that started nothing"
    );

    let removed = drover.act_until(&id, "remove", "removed", SOON).await?;
    ensure!(
        removed["removed"].is_string(),
        "when it was removed is not said: {removed}"
    );
    ensure!(
        drover.inspect(&id).await?.is_none(),
        "removed, but Docker has it"
    );
    let listed = drover.api.list("/v1/containers?limit=1000").await?;
    ensure!(
        listed.iter().all(|other| other["id"] != id),
        "removed, but in the list"
    );

    drover.act(&id, "purge").await?;
    drover.wait_until_forgotten(&id, SOON).await?;
    let passed = drover.states_until(&id, "purged", SOON).await?;
    let expected = "creating created starting running stopping stopped starting running \
                    restarting running removing removed purging purged";
    ensure!(passed.join(" ") == expected, "it passed {passed:?}");
    Ok(())
}

/// When the present run of a container began, in Docker's words.
async fn began(drover: &Drover, id: &str) -> Result<String> {
    let inspected = drover.inspect(id).await?.context("Docker has it")?;
    let state = inspected.state.context("a state")?;
    state.started_at.context("a beginning")
}
