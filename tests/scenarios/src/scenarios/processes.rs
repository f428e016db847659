//! What a process tells of itself, and what it leaves behind when it fails.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::SOON;
use crate::facts;
use crate::installation::Drover;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_create_that_fails_undoes_what_it_did_and_tells_each_try,
        a_process_tells_its_steps_their_times_and_who_ran_them,
        lifecycles_tell_how_long_and_how_hard_a_process_tries,
    ]
    .hold()
    .await;
}

async fn processes_of(drover: &Drover, resource: &str) -> Result<Vec<Value>> {
    let path = format!("/v1/processes?resourceId={resource}");
    drover.api.list(&path).await
}

fn entry<'a>(process: &'a Value, step: &str) -> Result<&'a Value> {
    let journal = process["journal"].as_array().context("a journal")?;
    let entry = journal.iter().find(|entry| entry["step"] == step);
    entry.with_context(|| format!("no step {step} in {process}"))
}

async fn a_create_that_fails_undoes_what_it_did_and_tells_each_try(drover: &Drover) -> Result<()> {
    let spec = json!({
        "labels": { "sim.fail": "create" },
        "resources": { "memoryMiB": 16 },
    });
    let id = drover.create(spec).await?;
    let failed = drover.wait_for_state(&id, "error", SOON).await?;
    ensure!(failed["hostId"].is_null(), "it keeps its host: {failed}");
    let processes = processes_of(drover, &id).await?;
    let create = processes.first().context("its process")?;
    ensure!(create["phase"] == "failed", "it is {}", create["phase"]);
    let tries = &entry(create, "create-on-host")?["failures"];
    let tries = tries.as_array().context("failures")?;
    ensure!(tries.len() == 4, "the tries are {tries:?}");
    ensure!(tries[0]["at"].is_string() && tries[0]["error"].is_string());
    for undo in ["remove-from-host", "unplace"] {
        let finished = &entry(create, undo)?["finished"];
        ensure!(finished.is_string(), "{undo} was finished {finished}");
    }
    let error = failed["error"].as_str().unwrap_or_default();
    let last = tries[3]["error"].as_str().unwrap_or("no error");
    ensure!(
        error == last,
        "the container says {error}, its process {last}"
    );
    Ok(())
}

async fn a_process_tells_its_steps_their_times_and_who_ran_them(drover: &Drover) -> Result<()> {
    let id = drover.create(json!({})).await?;
    drover.wait_for_state(&id, "running", SOON).await?;
    let processes = processes_of(drover, &id).await?;
    let [create, start] = processes.as_slice() else {
        anyhow::bail!("it has {} processes", processes.len());
    };
    ensure!(create["successorId"] == start["id"], "{create}");
    ensure!(start["cause"] == create["cause"], "the cause is the same");
    ensure!(start["priority"] == "normal", "{}", start["priority"]);
    for step in ["place", "create-on-host", "start-on-host"] {
        let entry = entry(start, step)?;
        ensure!(entry["finished"].is_string(), "{entry}");
        ensure!(entry["serverId"] == start["serverId"], "{entry}");
    }
    let children = start["links"]["children"].as_str().context("a link")?;
    let children = drover.api.list(children).await?;
    ensure!(children.is_empty(), "it has children: {children:?}");
    Ok(())
}

async fn lifecycles_tell_how_long_and_how_hard_a_process_tries(drover: &Drover) -> Result<()> {
    let lifecycle = drover
        .api
        .get("/v1/lifecycles/container")
        .await?
        .expect(200)?;
    let processes = lifecycle["processes"].as_array().context("processes")?;
    let create = processes.iter().find(|process| process["name"] == "create");
    let create = create.context("a create")?;
    ensure!(create["isAtomic"] == true, "{create}");
    ensure!(create["undoSteps"] == json!(["remove-from-host", "unplace"]));
    ensure!(create["attempts"].as_u64() > Some(1), "{create}");
    let remove = processes.iter().find(|process| process["name"] == "remove");
    ensure!(remove.context("a removal")?["priority"] == "urgent");
    Ok(())
}
