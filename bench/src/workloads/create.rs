//! W1: so many containers at once, from the first request until the last of them runs.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::budget::{Reading, resident_kib};
use crate::load::{container, create_all};
use crate::observer::Observer;
use crate::outcome::{Outcome, Times};
use crate::system::System;

const WITHIN: Duration = Duration::from_secs(600);
/// Created before the measurement, so that connections, plans and caches are warm.
const WARM_UP: usize = 200;

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
}

/// On a cluster.
pub(crate) async fn on_cluster(size: Size) -> Result<Outcome> {
    let system = System::cluster(1, &[], size.hosts).await?;
    run("create", &system, size).await
}

/// On `droverd standalone`.
pub(crate) async fn on_one_process(size: Size) -> Result<Outcome> {
    let system = System::embedded(size.hosts).await?;
    run("create-embedded", &system, size).await
}

async fn run(name: &'static str, system: &System, size: Size) -> Result<Outcome> {
    let Size {
        containers,
        hosts,
        connections,
        watches,
    } = size;
    let parameters = json!({
        "containers": containers, "hosts": hosts, "connections": connections,
        "watches": watches,
    });
    let mut outcome = Outcome::of(name, parameters);
    let observer = Observer::begin(system.api()).await?;
    let others = (1..watches).map(|_| Observer::begin(system.api()));
    let others = futures::future::try_join_all(others).await?;
    let spec = container(&json!({}));
    create_all(system, &spec, WARM_UP, connections).await?;
    let warm = |wanted| {
        move |seen: &crate::observer::Seen| {
            (seen.running.len() + seen.failed.len() >= wanted).then_some(())
        }
    };
    observer.until("warming up", WITHIN, warm(WARM_UP)).await?;

    let lines = observer.seen().lines;
    let reading = Reading::first(system).await?;
    let created = create_all(system, &spec, containers, connections).await?;
    let waited = observer
        .until("all run", WITHIN, warm(WARM_UP + containers))
        .await;
    reading.end(system, containers, &mut outcome).await?;
    waited?;
    drop(others);

    let seen = observer.seen();
    ensure!(seen.failed.is_empty(), "{} failed", seen.failed.len());
    let first = created.iter().map(|one| one.asked).min().context("one")?;
    let accepted = created
        .iter()
        .map(|one| one.accepted)
        .max()
        .context("one")?;
    let ran = |id: &String| seen.running.get(id).copied();
    let (mut times, mut last, mut earliest) = (Vec::new(), first, None);
    for one in &created {
        let ran = ran(&one.id).context("a container that was not seen running")?;
        times.push(ran.saturating_duration_since(one.asked));
        last = last.max(ran);
        earliest = Some(earliest.map_or(ran, |earliest: std::time::Instant| earliest.min(ran)));
    }
    let count = containers as f64;
    let mut head = Outcome::of(name, json!({}));
    head.add("accepted", count / (accepted - first).as_secs_f64(), "/s");
    head.add("running", count / (last - first).as_secs_f64(), "/s");
    if let Some(earliest) = earliest {
        let first_ran = (earliest - first).as_secs_f64() * 1_000.0;
        head.add("first running after", first_ran, "ms");
    }
    let accepting = created.iter().map(|one| one.accepted - one.asked);
    Times::of(accepting).add_to(&mut head, "asked to accepted");
    Times::of(times).add_to(&mut head, "asked to running");
    let doubled = seen.runs.values().filter(|runs| **runs > 1).count();
    head.add("came to running more than once", doubled as f64, "");
    let lines = (seen.lines - lines) as f64 / count;
    head.add("changes, each", lines, "");
    for fleet in &system.fleets {
        let memory = resident_kib(fleet.process.id()) / 1024.0;
        head.add("memory of all simulated hosts", memory, "MiB");
    }
    outcome.put_before(head);
    Ok(outcome)
}
