//! What `/metrics` tells of the work that was done, taken together from all programs.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::SOON;
use crate::facts;
use crate::installation::Drover;
use crate::scrape::Scrape;
use crate::until::until;

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        a_container_that_ran_is_told_by_every_part_that_it_went_through,
        what_is_unfinished_is_counted_and_told_for_how_long,
        every_program_tells_which_version_it_is_and_nothing_of_the_fleet,
    ]
    .hold()
    .await;
}

async fn a_container_that_ran_is_told_by_every_part_that_it_went_through(
    drover: &Drover,
) -> Result<()> {
    let before = Scrape::take(drover).await?;
    let id = drover.run(json!({ "name": "measured" }), SOON).await?;
    // It was started by the command that made it; the second time it is by one of its own.
    drover.act_until(&id, "stop", "stopped", SOON).await?;
    drover.act_until(&id, "start", "running", SOON).await?;
    // What was committed is counted a moment later than it is seen.
    until("the metrics tell of it", SOON, || async {
        let after = Scrape::take(drover).await?;
        let grown = |metric: &str, labels: &[&str]| {
            let growth = after.sum(metric, labels) - before.sum(metric, labels);
            ensure!(growth >= 1.0, "{metric}{labels:?} has grown by {growth}");
            Ok(growth)
        };
        grown(
            "drover_api_requests_total",
            &[
                r#"method="POST""#,
                r#"route="/v1/containers""#,
                r#"status="2xx""#,
            ],
        )?;
        grown(
            "drover_store_items_total",
            &[r#"group="intents""#, r#"outcome="committed""#],
        )?;
        grown("drover_store_rows_written_total", &[r#"table="process""#])?;
        grown("drover_locks_total", &[r#"outcome="acquired""#])?;
        grown("drover_claims_total", &[r#"outcome="won""#])?;
        grown("drover_queue_latency_seconds_count", &[])?;
        grown("drover_bus_published_total", &[r#"topic="process""#])?;
        grown("drover_agent_commands_total", &[r#"outcome="sent""#])?;
        grown("drover_agent_replies_total", &[r#"outcome="delivered""#])?;
        grown(
            "drover_bus_request_duration_seconds_count",
            &[r#"outcome="replied""#],
        )?;
        for step in ["place", "create-on-host", "stop-on-host", "start-on-host"] {
            let step = format!(r#"step="{step}""#);
            grown("drover_steps_total", &[&step, r#"outcome="done""#])?;
        }
        for request in ["create", "start"] {
            let request = format!(r#"request="{request}""#);
            let ended = [r#"resource_type="container""#, &request, r#"phase="done""#];
            grown("drover_processes_ended_total", &ended)?;
            grown("drover_process_duration_seconds_count", &[&request])?;
        }
        let hosts = drover.api.list("/v1/hosts").await?.len();
        let connected = after.sum("drover_agents_connected", &[]);
        ensure!(
            connected >= hosts as f64,
            "{connected} agents of {hosts} hosts are connected"
        );
        let is_told = after.texts.iter().any(|text| text.contains(&id));
        ensure!(!is_told, "its id is told");
        Ok(())
    })
    .await
}

/// The rows are counted every few seconds only, so the work is such as takes longer.
async fn what_is_unfinished_is_counted_and_told_for_how_long(drover: &Drover) -> Result<()> {
    let slow = json!({ "labels": { "sim.delay": "15s" } });
    drover.create(slow).await?;
    let create = [r#"request="create""#];
    until("what is unfinished is counted", SOON, || async {
        let scrape = Scrape::take(drover).await?;
        let highest = |metric| scrape.values(metric, &create).fold(0.0, f64::max);
        let (processes, oldest) = (
            highest("drover_processes"),
            highest("drover_oldest_process_age_seconds"),
        );
        ensure!(
            processes >= 1.0 && oldest > 0.0,
            "{processes} are unfinished, since {oldest} s"
        );
        Ok(())
    })
    .await
}

async fn every_program_tells_which_version_it_is_and_nothing_of_the_fleet(
    drover: &Drover,
) -> Result<()> {
    let scrape = Scrape::take(drover).await?;
    let version = format!(
        r#"drover_build_info{{version="{}"}} 1"#,
        env!("CARGO_PKG_VERSION")
    );
    let hosts = drover.api.list("/v1/hosts").await?;
    for text in &scrape.texts {
        ensure!(text.contains(&version), "no {version} in {text}");
        ensure!(text.contains("drover_start_time_seconds 1"), "{text}");
        for host in &hosts {
            let id = host["id"].as_str().context("a host has an id")?;
            ensure!(!text.contains(id), "the id of a host is told: {text}");
        }
    }
    Ok(())
}
