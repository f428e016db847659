//! The budget of one create: what a container costs each part until it runs, when many come at once and
//! when it comes alone.
//!
//! What comes at once is written together, so a burst costs each less of everything but rows and messages;
//! one that comes alone pays for its statements and transactions itself, and for what the servers do by the
//! clock meanwhile. The counts of a burst are held by a test (`tests/scenarios/tests/budget.rs`).

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::budget::Reading;
use crate::burst::{measure, warm_up};
use crate::load::container;
use crate::observer::Observer;
use crate::outcome::Outcome;
use crate::system::System;

const WITHIN: Duration = Duration::from_secs(30);
const CONNECTIONS: usize = 64;

/// How many it is taken from.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many containers come at once
    #[arg(long, default_value_t = 5_000)]
    pub(crate) containers: usize,
    /// How many come one after the other
    #[arg(long, default_value_t = 300)]
    pub(crate) alone: usize,
    /// How many simulated hosts
    #[arg(long, default_value_t = 100)]
    pub(crate) hosts: usize,
}

pub(crate) async fn run(size: Size) -> Result<Outcome> {
    let parameters = json!({
        "containers": size.containers, "alone": size.alone, "hosts": size.hosts,
    });
    let system = System::cluster(1, &[], size.hosts).await?;
    let mut outcome = Outcome::of("budget", parameters);
    outcome.columns(&["in a burst", "alone"]);
    let observer = Observer::begin(system.api()).await?;
    warm_up(&system, &observer, CONNECTIONS).await?;
    let burst = measure(&system, &observer, size.containers, CONNECTIONS)
        .await?
        .cost;
    let alone = one_by_one(&system, &observer, size.alone).await?;
    for (name, value, unit) in burst.figures() {
        let unit = if unit.is_empty() {
            String::new()
        } else {
            format!(" ({unit})")
        };
        outcome.row(format!("{name}{unit}"), &[value, alone.figure(name)]);
    }
    for name in [
        "cpu of all, each",
        "postgres statements, each",
        "postgres rows, each",
    ] {
        let unit = if name.starts_with("cpu") { "us" } else { "" };
        outcome.add_headline(name, burst.figure(name), unit);
    }
    outcome.detail("statementsOfABurst", burst.details()["statements"].clone());
    outcome.detail("statementsAlone", alone.details()["statements"].clone());
    Ok(outcome)
}

async fn one_by_one(system: &System, observer: &Observer, count: usize) -> Result<Outcome> {
    let mut cost = Outcome::of("alone", json!({}));
    let mut connection = system.connect().await?;
    let spec = container(&json!({}));
    let reading = Reading::first(system).await?;
    for _ in 0..count {
        let id = connection.post("/v1/containers", &spec).await?;
        let runs = |seen: &crate::observer::Seen| seen.running.get(&id).map(drop);
        observer.until("it runs", WITHIN, runs).await?;
    }
    reading.end(system, count, &mut cost).await?;
    Ok(cost)
}
