//! Changing what a resource says of itself, while whatever it does goes on.

use anyhow::{Context, Result, ensure};
use reqwest::Method;
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::{Drover, Reply, send};

/// All facts of this theme. They need simulated containers.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_patch_changes_what_it_names_and_takes_away_what_is_null,
        a_change_during_a_start_stays_and_the_start_goes_on,
        what_cannot_be_changed_is_refused_and_nothing_is,
        a_host_and_a_project_can_be_changed,
        two_changes_at_once_both_count,
        a_change_is_seen_by_whoever_watches,
    ]
    .hold()
    .await;
}

async fn patch(drover: &Drover, path: &str, patch: &Value) -> Result<Reply> {
    send(drover.api.request(Method::PATCH, path).json(patch)).await
}

async fn a_patch_changes_what_it_names_and_takes_away_what_is_null(drover: &Drover) -> Result<()> {
    let fields = json!({
        "name": "before",
        "description": "stays",
        "start": false,
        "labels": { "a": "1", "b": "2" },
        "metadata": { "kept": { "x": 1, "y": 2 }, "gone": true },
    });
    let id = drover.create(fields).await?;
    let before = drover.wait_for_state(&id, "created", SOON).await?;
    let path = format!("/v1/containers/{id}");
    let changes = json!({
        "name": "after",
        "labels": { "a": null, "c": "3" },
        "metadata": { "gone": null, "kept": { "y": 3 } },
    });
    let after = patch(drover, &path, &changes).await?.expect(200)?;
    ensure!(
        after["name"] == "after" && after["description"] == "stays",
        "{after}"
    );
    ensure!(
        after["labels"]["a"].is_null() && after["labels"]["b"] == "2",
        "{}",
        after["labels"]
    );
    ensure!(after["labels"]["c"] == "3", "{}", after["labels"]);
    let expected = json!({ "kept": { "x": 1, "y": 3 } });
    ensure!(after["metadata"] == expected, "{}", after["metadata"]);
    let versions = [&before, &after].map(|one| one["version"].as_i64().unwrap_or_default());
    ensure!(
        versions[1] == versions[0] + 1,
        "the versions are {versions:?}"
    );
    let read = drover.api.get(&path).await?.expect(200)?;
    ensure!(read == after, "what is read is not what was answered");
    Ok(())
}

async fn a_change_during_a_start_stays_and_the_start_goes_on(drover: &Drover) -> Result<()> {
    let fields = json!({ "name": "slow", "labels": { "sim.delay": "1s" } });
    let id = drover.create(fields).await?;
    let path = format!("/v1/containers/{id}");
    drover.wait_for_state(&id, "starting", SOON).await?;
    for number in 0..3 {
        let changes =
            json!({ "name": format!("renamed-{number}"), "labels": { "n": format!("{number}") } });
        patch(drover, &path, &changes).await?.expect(200)?;
    }
    let running = drover.wait_for_state(&id, "running", SOON).await?;
    ensure!(
        running["name"] == "renamed-2",
        "it is called {}",
        running["name"]
    );
    ensure!(
        running["labels"]["n"] == "2",
        "its labels are {}",
        running["labels"]
    );
    let processes = drover.processes(&id).await?;
    let phases: Vec<&Value> = processes.iter().map(|one| &one["phase"]).collect();
    ensure!(
        phases.iter().all(|phase| **phase == "done"),
        "the phases are {phases:?}"
    );
    Ok(())
}

async fn what_cannot_be_changed_is_refused_and_nothing_is(drover: &Drover) -> Result<()> {
    let id = drover
        .create(json!({ "name": "firm", "start": false }))
        .await?;
    drover.wait_for_state(&id, "created", SOON).await?;
    let path = format!("/v1/containers/{id}");
    for (changes, field) in [
        (json!({ "name": "x", "state": "running" }), "state"),
        (json!({ "id": "x" }), "id"),
        (json!({ "image": "other" }), "image"),
        (json!({ "colour": "red" }), "colour"),
        (json!({ "name": 7 }), "name"),
        (json!({ "name": "a\u{7}" }), "name"),
        (json!({ "labels": { "drover.x": "y" } }), "labels.drover.x"),
        (json!({ "labels": "none" }), "labels"),
    ] {
        let problem = patch(drover, &path, &changes)
            .await?
            .problem(422, "invalid");
        let problem = problem.with_context(|| changes.to_string())?;
        ensure!(
            problem["field"] == field,
            "{changes} is blamed on {}",
            problem["field"]
        );
    }
    let read = drover.api.get(&path).await?.expect(200)?;
    ensure!(read["name"] == "firm", "it is called {}", read["name"]);
    patch(drover, &path, &json!([]))
        .await?
        .problem(400, "body")
        .map(drop)
}

async fn a_host_and_a_project_can_be_changed(drover: &Drover) -> Result<()> {
    for collection in ["hosts", "projects"] {
        let listed = drover.api.list(&format!("/v1/{collection}")).await?;
        let one = listed.first().context("there is one")?;
        let path = one["links"]["self"].as_str().context("a link")?;
        let changes = json!({ "description": "ours", "labels": { "rack": "7" } });
        let changed = patch(drover, path, &changes).await?.expect(200)?;
        ensure!(changed["description"] == "ours", "{changed}");
        let selected = format!("/v1/{collection}?labels=rack%3D7");
        ensure!(
            drover.api.list(&selected).await?.len() == 1,
            "it is not selected by its label"
        );
        patch(drover, path, &json!({ "labels": { "rack": null } }))
            .await?
            .expect(200)?;
    }
    Ok(())
}

async fn two_changes_at_once_both_count(drover: &Drover) -> Result<()> {
    let id = drover.create(json!({ "start": false })).await?;
    let path = format!("/v1/containers/{id}");
    let changes = (0..8).map(|number| {
        let path = path.clone();
        async move {
            let changes = json!({ "labels": { format!("n{number}"): "x" } });
            patch(drover, &path, &changes).await?.expect(200)
        }
    });
    futures::future::try_join_all(changes).await?;
    let read = drover.api.get(&path).await?.expect(200)?;
    for number in 0..8 {
        let label = &read["labels"][format!("n{number}")];
        ensure!(
            *label == "x",
            "the change {number} is lost: {}",
            read["labels"]
        );
    }
    Ok(())
}

async fn a_change_is_seen_by_whoever_watches(drover: &Drover) -> Result<()> {
    let id = drover.create(json!({ "start": false })).await?;
    drover.wait_for_state(&id, "created", SOON).await?;
    let path = format!("/v1/containers/{id}");
    let changed = patch(drover, &path, &json!({ "name": "seen" }))
        .await?
        .expect(200)?;
    let request = drover
        .api
        .request(Method::GET, &format!("/v1/watch?after=0&resourceId={id}"));
    let mut response = request.timeout(SOON).send().await?;
    let version = format!("\"version\":{}", changed["version"]);
    let mut told = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        told.extend_from_slice(&chunk);
        if String::from_utf8_lossy(&told).contains(&version) {
            return Ok(());
        }
    }
    anyhow::bail!("the watch ended without {version}")
}
