//! Volumes and networks on a real engine.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::Drover;
use crate::until::until;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        data_outlives_the_containers_that_wrote_it,
        containers_of_a_network_find_one_another_by_name_and_alias,
    ]
    .hold()
    .await;
}

/// Runs a script to its end, and takes its container away.
async fn ends_well(drover: &Drover, mut fields: Value, script: &str) -> Result<()> {
    fields["command"] = json!(["sh", "-c", script]);
    let id = drover.create(fields).await?;
    let ended = until("it ends", SOON, || async {
        let container = drover.container(&id).await?;
        ensure!(container["exitCode"].is_i64(), "it is {container}");
        Ok(container)
    })
    .await?;
    ensure!(ended["exitCode"] == 0, "`{script}` ended so: {ended}");
    drover.wait_for_state(&id, "stopped", SOON).await?;
    drover.act_until(&id, "remove", "removed", SOON).await?;
    Ok(())
}

async fn data_outlives_the_containers_that_wrote_it(drover: &Drover) -> Result<()> {
    let made = json!({ "name": "kept" });
    let made = drover.api.post("/v1/volumes", &made).await?.expect(201)?;
    let mounts = json!({ "volumes": [{ "volume": "kept", "target": "/data" }] });
    ends_well(drover, mounts.clone(), "echo kept > /data/file").await?;
    ends_well(drover, mounts, "grep -q kept /data/file").await?;
    let path = made["links"]["self"].as_str().unwrap_or_default();
    let name = format!("drover-{}", made["id"].as_str().unwrap_or_default());
    let docker = drover.engine()?.client.clone();
    ensure!(docker.inspect_volume(&name).await.is_ok(), "Docker lost it");
    drover.api.delete(path).await?.expect(202)?;
    until("it is removed", SOON, || async {
        let volume = drover.api.get(path).await?.expect(200)?;
        ensure!(volume["state"] == "removed", "it is {volume}");
        Ok(())
    })
    .await?;
    ensure!(docker.inspect_volume(&name).await.is_err(), "Docker has it");
    Ok(())
}

async fn containers_of_a_network_find_one_another_by_name_and_alias(drover: &Drover) -> Result<()> {
    let made = json!({ "name": "back", "internal": true });
    let made = drover.api.post("/v1/networks", &made).await?.expect(201)?;
    let serves = "mkdir /w; echo hello > /w/index.html; exec httpd -f -p 80 -h /w";
    let server = json!({
        "name": "store-1",
        "command": ["sh", "-c", serves],
        "networks": [{ "network": "back", "aliases": ["db"] }],
    });
    let server = drover.run(server, SOON).await?;
    let host = drover.container(&server).await?["hostId"].clone();
    for name in ["db", "store-1"] {
        let asks = format!(
            "for i in 1 2 3 4 5 6 7 8 9; do \
             wget -qO- http://{name}/ | grep -q hello && exit 0; sleep 1; done; exit 1"
        );
        let beside = json!({
            "networks": [{ "network": "back" }],
            "placement": { "hostId": host },
        });
        ends_well(drover, beside, &asks).await?;
    }
    let docker = drover.engine()?.client.clone();
    let name = format!("drover-{}", made["id"].as_str().unwrap_or_default());
    ensure!(docker.inspect_network(&name, None).await.is_ok());
    drover.act_until(&server, "remove", "removed", SOON).await?;
    let left = docker.inspect_network(&name, None).await;
    ensure!(left.is_err(), "the network outlives its last container");
    let path = made["links"]["self"].as_str().unwrap_or_default();
    drover.api.delete(path).await?.expect(204)?;
    Ok(())
}
