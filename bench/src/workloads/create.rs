//! W1: so many containers at once, from the first request until the last of them runs, and what the
//! database and the lock service alone do of the same kind right afterwards.

use anyhow::Result;
use serde_json::json;

use crate::budget::resident_kib;
use crate::burst::{measure, warm_up};
use crate::observer::Observer;
use crate::outcome::Outcome;
use crate::system::System;
use crate::workloads::floors;

/// How much is created.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many containers
    #[arg(long, default_value_t = 10_000)]
    pub(crate) containers: usize,
    /// How many simulated hosts
    #[arg(long, default_value_t = 100)]
    pub(crate) hosts: usize,
    /// How many connections create at the same time
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// How many watches follow; one is needed to see, the others tell what a watch costs
    #[arg(long, default_value_t = 1)]
    pub(crate) watches: usize,
    /// For how long each floor is looked at, in seconds
    #[arg(long, default_value_t = 5)]
    pub(crate) floor_seconds: u64,
}

/// On a cluster.
pub(crate) async fn on_cluster(size: Size) -> Result<Outcome> {
    let system = System::cluster(1, &[], size.hosts).await?;
    let (mut outcome, running) = run("create", &system, size).await?;
    drop(system);
    let floor = floors::in_batches(size.floor_seconds).await?;
    floor.add_to(&mut outcome, running);
    Ok(outcome)
}

/// On `droverd standalone`.
pub(crate) async fn on_one_process(size: Size) -> Result<Outcome> {
    let system = System::embedded(size.hosts).await?;
    Ok(run("create-embedded", &system, size).await?.0)
}

/// What was found, and the containers that came to run a second.
async fn run(name: &'static str, system: &System, size: Size) -> Result<(Outcome, f64)> {
    let Size {
        containers,
        hosts,
        connections,
        watches,
        ..
    } = size;
    let parameters = json!({
        "containers": containers, "hosts": hosts, "connections": connections,
        "watches": watches,
    });
    let mut outcome = Outcome::of(name, parameters);
    let observer = Observer::begin(system.api()).await?;
    let others = (1..watches).map(|_| Observer::begin(system.api()));
    let others = futures::future::try_join_all(others).await?;
    warm_up(system, &observer, connections).await?;
    let burst = measure(system, &observer, containers, connections).await?;
    drop(others);

    outcome.add_headline("accepted", burst.accepted, "/s");
    outcome.add_headline("running", burst.running, "/s");
    outcome.add("first running after", burst.first, "ms");
    burst.accepting.add_to(&mut outcome, "asked to accepted");
    burst.times.add_to(&mut outcome, "asked to running");
    let doubled = observer
        .seen()
        .runs
        .values()
        .filter(|runs| **runs > 1)
        .count();
    outcome.add_with_goal("came to running more than once", doubled as f64, "", "0");
    outcome.add("changes, each", burst.changes, "");
    for fleet in &system.fleets {
        let memory = resident_kib(fleet.process.id()) / 1024.0;
        outcome.add("memory of all simulated hosts", memory, "MiB");
    }
    outcome.put_after(burst.cost);
    Ok((outcome, burst.running))
}
