//! Volumes and networks as clients see them: names, hosts, and what is in the way of a removal.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::{Drover, id_of};
use crate::until::until;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_volume_goes_to_the_host_of_the_first_container_and_the_others_follow,
        containers_that_come_at_once_agree_on_the_host_of_a_new_volume,
        a_volume_is_detached_by_the_last_container_and_removed_only_then,
        a_name_means_one_volume_in_a_project,
        what_a_container_refers_to_must_be_there,
        a_network_that_containers_join_is_not_removed,
        paths_of_a_host_are_mounted_only_where_it_allows_them,
        volumes_and_networks_are_led_from_the_command_line,
    ]
    .hold()
    .await;
}

async fn make(drover: &Drover, plural: &str, name: &str) -> Result<String> {
    let path = format!("/v1/{plural}");
    let made = drover.api.post(&path, &json!({ "name": name })).await?;
    id_of(&made.expect(201)?)
}

fn mounting(volume: &str) -> Value {
    json!({ "volumes": [{ "volume": volume, "target": "/data" }] })
}

async fn volume(drover: &Drover, id: &str) -> Result<Value> {
    drover
        .api
        .get(&format!("/v1/volumes/{id}"))
        .await?
        .expect(200)
}

async fn until_volume_is(drover: &Drover, id: &str, state: &str) -> Result<Value> {
    until("the volume has the state", SOON, || async {
        let volume = volume(drover, id).await?;
        ensure!(volume["state"] == state, "it is {volume}");
        Ok(volume)
    })
    .await
}

/// Removes containers, and the volume that they mounted once it is free.
async fn clear(drover: &Drover, containers: &[String], volume: &str) -> Result<()> {
    for container in containers {
        drover
            .act_until(container, "remove", "removed", SOON)
            .await?;
    }
    until_volume_is(drover, volume, "detached").await?;
    let removed = drover.api.delete(&format!("/v1/volumes/{volume}")).await?;
    removed.expect(202)?;
    until_volume_is(drover, volume, "removed").await?;
    Ok(())
}

async fn a_volume_goes_to_the_host_of_the_first_container_and_the_others_follow(
    drover: &Drover,
) -> Result<()> {
    let id = make(drover, "volumes", "followed").await?;
    ensure!(volume(drover, &id).await?["hostId"].is_null());
    let mut containers = vec![drover.run(mounting("followed"), SOON).await?];
    let attached = until_volume_is(drover, &id, "active").await?;
    let host = attached["hostId"].clone();
    ensure!(host.is_string(), "it has no host: {attached}");
    for _ in 0..3 {
        containers.push(drover.run(mounting("followed"), SOON).await?);
    }
    for container in &containers {
        let container = drover.container(container).await?;
        ensure!(
            container["hostId"] == host,
            "it is elsewhere than its volume: {container}"
        );
        let linked = container["links"]["volumes"].as_str().unwrap_or_default();
        let linked = drover.api.list(linked).await?;
        ensure!(linked.len() == 1 && linked[0]["id"] == id.as_str());
    }
    let users = attached["links"]["containers"].as_str().unwrap_or_default();
    ensure!(drover.api.list(users).await?.len() == containers.len());
    clear(drover, &containers, &id).await
}

async fn containers_that_come_at_once_agree_on_the_host_of_a_new_volume(
    drover: &Drover,
) -> Result<()> {
    let id = make(drover, "volumes", "raced").await?;
    let running = (0..8).map(|_| drover.run(mounting("raced"), SOON));
    let containers = futures::future::try_join_all(running).await?;
    let host = volume(drover, &id).await?["hostId"].clone();
    for container in &containers {
        let container = drover.container(container).await?;
        ensure!(container["hostId"] == host, "it is elsewhere: {container}");
    }
    clear(drover, &containers, &id).await
}

async fn a_volume_is_detached_by_the_last_container_and_removed_only_then(
    drover: &Drover,
) -> Result<()> {
    let id = make(drover, "volumes", "held").await?;
    let mut fields = mounting("held");
    fields["name"] = json!("holder");
    let first = drover.run(fields, SOON).await?;
    let second = drover.run(mounting("held"), SOON).await?;
    drover.act_until(&first, "stop", "stopped", SOON).await?;
    for query in ["", "?force=true"] {
        let path = format!("/v1/volumes/{id}{query}");
        let refused = drover.api.delete(&path).await?.problem(409, "inUse")?;
        ensure!(refused["usedBy"][0] == "holder", "it says {refused}");
    }
    drover.act_until(&second, "remove", "removed", SOON).await?;
    ensure!(volume(drover, &id).await?["state"] == "active");
    clear(drover, &[first], &id).await?;
    // The name is free again.
    let again = make(drover, "volumes", "held").await?;
    let removed = drover.api.delete(&format!("/v1/volumes/{again}")).await?;
    removed.expect(202)?;
    Ok(())
}

async fn a_name_means_one_volume_in_a_project(drover: &Drover) -> Result<()> {
    for plural in ["volumes", "networks"] {
        let path = format!("/v1/{plural}");
        let id = make(drover, plural, "once").await?;
        let twice = drover.api.post(&path, &json!({ "name": "once" })).await?;
        twice.problem(409, "nameTaken")?;
        for name in ["", "-x", "two words", "../x"] {
            let wrong = drover.api.post(&path, &json!({ "name": name })).await?;
            let wrong = wrong.problem(422, "invalid")?;
            ensure!(wrong["field"] == "name", "`{name}`: {wrong}");
        }
        drover.api.delete(&format!("{path}/{id}")).await?;
    }
    let reserved = json!({ "name": "host" });
    let reserved = drover.api.post("/v1/networks", &reserved).await?;
    reserved.problem(422, "invalid")?;
    Ok(())
}

async fn what_a_container_refers_to_must_be_there(drover: &Drover) -> Result<()> {
    for (fields, field) in [
        (mounting("absent"), "volumes[0].volume"),
        (
            json!({ "networks": [{ "network": "absent" }] }),
            "networks[0].network",
        ),
        (
            json!({ "volumes": [{ "hostPath": "/srv/../etc", "target": "/x" }] }),
            "volumes[0].hostPath",
        ),
    ] {
        let body = drover.hello(fields);
        let refused = drover.api.post("/v1/containers", &body).await?;
        let refused = refused.problem(422, "invalid")?;
        ensure!(refused["field"] == field, "it says {refused}");
    }
    Ok(())
}

async fn a_network_that_containers_join_is_not_removed(drover: &Drover) -> Result<()> {
    let id = make(drover, "networks", "joined").await?;
    let path = format!("/v1/networks/{id}");
    let fields = json!({ "name": "member", "networks": [{ "network": "joined" }] });
    let container = drover.run(fields, SOON).await?;
    let refused = drover.api.delete(&path).await?.problem(409, "inUse")?;
    ensure!(refused["usedBy"] == json!(["member"]), "it says {refused}");
    let renamed = drover.api.patch(&path, &json!({ "name": "other" })).await?;
    renamed.problem(409, "inUse")?;
    drover
        .act_until(&container, "remove", "removed", SOON)
        .await?;
    drover.api.delete(&path).await?.expect(204)?;
    let removed = drover.api.get(&path).await?.expect(200)?;
    ensure!(removed["state"] == "removed", "it is {removed}");
    Ok(())
}

async fn paths_of_a_host_are_mounted_only_where_it_allows_them(drover: &Drover) -> Result<()> {
    let fields = json!({ "volumes": [{ "hostPath": "/etc", "target": "/x", "readOnly": true }] });
    let id = drover.create(fields).await?;
    let failed = drover.wait_for_state(&id, "error", SOON).await?;
    let reason = failed["error"].as_str().unwrap_or_default();
    ensure!(reason.contains("lets none of its paths"), "it is {reason}");
    drover.act_until(&id, "remove", "removed", SOON).await?;
    Ok(())
}

async fn volumes_and_networks_are_led_from_the_command_line(drover: &Drover) -> Result<()> {
    drover.command(&["volume", "create", "typed"]).await?;
    drover
        .command(&["network", "create", "typed", "--internal"])
        .await?;
    let (label, value) = drover.label();
    let label = format!("{label}={value}");
    let run = ["run", "drover/hello", "--name", "typist", "--label", &label];
    let run: Vec<&str> = run
        .into_iter()
        .chain(["-v", "typed:/data:ro", "--network", "typed"])
        .collect();
    drover.command(&run).await?;
    let listed = drover.command(&["volume", "list"]).await?;
    ensure!(
        listed.contains("typed") && listed.contains("active"),
        "{listed}"
    );
    let shown = drover.command(&["network", "show", "typed"]).await?;
    ensure!(shown.contains("internal"), "{shown}");
    let kept = drover.command(&["volume", "remove", "typed"]).await;
    ensure!(kept.is_err(), "it was removed while it was in use");
    drover.command(&["rm", "typist"]).await?;
    let removed = drover.command(&["volume", "remove", "typed"]).await?;
    ensure!(removed.contains("typed: removed"), "{removed}");
    drover.command(&["network", "remove", "typed"]).await?;
    Ok(())
}
