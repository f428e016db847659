//! Neighbours of the stuck: do thousands of processes that wait for a dead host slow down others?
//!
//! Containers are created at a steady rate, then so many are directed to a host whose agent is
//! gone, and then others are created at the same rate again. What waits has fifteen minutes, which
//! do not pass here.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use drover_scenarios::installation::id_of;
use drover_scenarios::until::until;
use serde_json::{Value, json};

use crate::budget::{Reading, SHARE};
use crate::load::{container, create_all, create_steadily};
use crate::observer::Observer;
use crate::outcome::{Outcome, Times};
use crate::system::System;

const WITHIN: Duration = Duration::from_secs(300);
const WARM_UP: usize = 200;

/// How many are stuck, and how many others there are.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many containers are stuck
    #[arg(long, default_value_t = 20_000)]
    pub(crate) containers: usize,
    /// How many simulated hosts are well
    #[arg(long, default_value_t = 20)]
    pub(crate) hosts: usize,
    /// How many others are created a second
    #[arg(long, default_value_t = 50)]
    pub(crate) rate: u32,
    /// For how long, in seconds, before and after
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
}

pub(crate) async fn run(size: Size) -> Result<Outcome> {
    let parameters = json!({
        "containers": size.containers, "hosts": size.hosts, "rate": size.rate,
        "seconds": size.seconds,
    });
    let mut system = System::cluster(1, &[], size.hosts).await?;
    system
        .add_hosts("dead", 1, &["--host-memory-mib", "64"])
        .await?;
    let dead = system.api().list("/v1/hosts?name=dead-0001").await?;
    let dead = id_of(dead.first().context("the host that is to die")?)?;
    until("the host is active", WITHIN, || async {
        let host = system.api().get(&format!("/v1/hosts/{dead}")).await?;
        let host = host.expect(200)?;
        ensure!(host["state"] == "active", "it is {}", host["state"]);
        Ok(())
    })
    .await?;
    let mut fleet = system.fleets.pop().context("its fleet")?;
    fleet.process.kill_hard()?;

    let mut outcome = Outcome::of("stuck", parameters);
    let observer = Observer::begin(system.api()).await?;
    create_all(&system, &container(&elsewhere()), WARM_UP, 16).await?;
    let warm = |seen: &crate::observer::Seen| (seen.running.len() >= WARM_UP).then_some(());
    observer.until("warming up", WITHIN, warm).await?;

    let (before, cost_before) = others(&system, &observer, size).await?;
    let directed = container(&json!({ "placement": { "hostId": dead } }));
    create_all(&system, &directed, size.containers, 64).await?;
    until("all of them wait", WITHIN, || async {
        let path = "/v1/processes?phase=queued&limit=1";
        let busy = system.api().list(path).await?;
        ensure!(busy.is_empty(), "one is {}", busy[0]["phase"]);
        Ok(())
    })
    .await?;
    let idle = Reading::first(&system).await?;
    tokio::time::sleep(Duration::from_secs(size.seconds)).await;
    let mut at_rest = Outcome::of("stuck", json!({}));
    idle.end(&system, size.containers, &mut at_rest).await?;
    let (after, cost_after) = others(&system, &observer, size).await?;
    outcome.detail("costBefore", cost_before);
    outcome.detail("costAfter", cost_after);
    outcome.detail("costWhileOnlyTheStuckWait", cost(&at_rest));

    if let Some(share) = at_rest.by_name()[SHARE].as_f64() {
        outcome.add("cpu while only the stuck wait", share, "%");
    }
    let failed = observer.seen().failed.len();
    outcome.add("containers in error", failed as f64, "");
    for (what, times) in [("without", &before), ("beside the stuck", &after)] {
        for hundredths in [50, 99] {
            let name = format!("asked to running {what} p{hundredths}");
            outcome.add(name, times.percentile(hundredths), "ms");
        }
    }
    let ratio = |hundredths| after.percentile(hundredths) / before.percentile(hundredths);
    outcome.add("ratio of p50", ratio(50), "");
    outcome.add_with_goal("ratio of p99", ratio(99), "", "< 1.20");
    Ok(outcome)
}

/// What the dead host has no room for: a host counts as active until somebody says otherwise, and
/// would be chosen for others too.
fn elsewhere() -> Value {
    json!({ "resources": { "memoryMiB": 128 } })
}

fn cost(outcome: &Outcome) -> Value {
    json!({ "figures": outcome.by_name(), "details": outcome.details() })
}

/// How long containers take that have nothing to do with the dead host, and what they cost.
async fn others(system: &System, observer: &Observer, size: Size) -> Result<(Times, Value)> {
    let reading = Reading::first(system).await?;
    let spec = container(&elsewhere());
    let during = Duration::from_secs(size.seconds);
    let created = create_steadily(system, &spec, size.rate, during).await?;
    let ran = |seen: &crate::observer::Seen| {
        let times = created.iter().map(|one| {
            let ran = seen.running.get(&one.id)?;
            Some(ran.saturating_duration_since(one.asked))
        });
        times.collect::<Option<Vec<_>>>()
    };
    let times = observer.until("the others run", WITHIN, ran).await?;
    let mut outcome = Outcome::of("stuck", json!({}));
    reading.end(system, created.len(), &mut outcome).await?;
    Ok((Times::of(times), cost(&outcome)))
}
