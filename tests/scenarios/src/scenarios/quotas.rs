//! Quotas of projects. The default project is given one, so this theme wants an installation of its own.

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::facts;
use crate::installation::{Drover, id_of, send};

/// All facts of this theme. They need simulated containers.
pub async fn hold(drover: &Drover) {
    facts![drover; a_quota_holds_for_everybody_from_the_moment_that_it_is_set,]
        .hold()
        .await;
    facts![drover; a_quota_cannot_be_overrun_by_a_race,]
        .hold()
        .await;
    facts![drover; what_is_limited_has_to_be_stated,]
        .hold()
        .await;
}

async fn set(drover: &Drover, quota: Value) -> Result<()> {
    let projects = drover.api.list("/v1/projects").await?;
    let project = id_of(projects.first().context("a project")?)?;
    let patch = drover
        .api
        .request(Method::PATCH, &format!("/v1/projects/{project}"));
    send(patch.json(&json!({ "quota": quota })))
        .await?
        .expect(200)
        .map(drop)
}

fn unlimited() -> Value {
    json!({ "containers": null, "memoryMiB": null, "cpuMillis": null })
}

async fn containers(drover: &Drover) -> Result<usize> {
    let list = "/v1/containers?limit=1000";
    Ok(drover.api.list(list).await?.len())
}

async fn a_quota_holds_for_everybody_from_the_moment_that_it_is_set(drover: &Drover) -> Result<()> {
    drover.create(json!({ "start": false })).await?;
    let has = containers(drover).await?;
    set(drover, json!({ "containers": has })).await?;
    let spec = drover.hello(json!({ "start": false }));
    for _ in 0..4 {
        let refused = drover.api.post("/v1/containers", &spec).await?;
        let problem = refused.problem(403, "quota.exceeded")?;
        let told = json!([
            problem["quota"],
            problem["used"],
            problem["asked"],
            problem["allowed"]
        ]);
        ensure!(told == json!(["containers", has, 1, has]), "{problem}");
    }
    set(drover, unlimited()).await?;
    drover.create(json!({ "start": false })).await.map(drop)
}

async fn a_quota_cannot_be_overrun_by_a_race(drover: &Drover) -> Result<()> {
    for _ in 0..5 {
        let has = containers(drover).await?;
        set(drover, json!({ "containers": has + 3 })).await?;
        let spec = drover.hello(json!({ "start": false }));
        let posting = (0..10).map(|_| drover.api.post("/v1/containers", &spec));
        let mut accepted = 0;
        for reply in join_all(posting).await {
            let reply = reply?;
            match reply.status {
                202 => accepted += 1,
                _ => drop(reply.problem(403, "quota.exceeded")?),
            }
        }
        ensure!(accepted == 3, "{accepted} were accepted");
        ensure!(containers(drover).await? == has + 3, "it was overrun");
        set(drover, unlimited()).await?;
    }
    Ok(())
}

async fn what_is_limited_has_to_be_stated(drover: &Drover) -> Result<()> {
    set(drover, json!({ "memoryMiB": 100_000 })).await?;
    let spec = drover.hello(json!({ "start": false }));
    let refused = drover.api.post("/v1/containers", &spec).await?;
    let problem = refused.problem(422, "invalid")?;
    ensure!(problem["field"] == "resources.memoryMiB", "{problem}");
    let resources = json!({ "memoryMiB": 64 });
    drover
        .create(json!({ "start": false, "resources": resources }))
        .await?;
    set(drover, unlimited()).await
}
