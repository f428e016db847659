//! W1 under many circumstances: how many containers, over how many hosts, on a cluster and on one process,
//! a row for each, beside the floors in the same run.
//!
//! Both numbers of containers meet the same installation, the smaller one first: what is there already
//! makes no difference (`scaling`), and hosts take longer to register than containers to run.

use anyhow::Result;
use serde_json::json;

use crate::burst::{Burst, measure, warm_up};
use crate::observer::Observer;
use crate::outcome::Outcome;
use crate::system::System;
use crate::workloads::floors;

const COLUMNS: [&str; 9] = [
    "accepted/s",
    "running/s",
    "first ms",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "last ms",
    "cpu us each",
    "% of floor",
];
const CONNECTIONS: usize = 64;

/// Which circumstances.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many containers, with commas between them
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000])]
    pub(crate) containers: Vec<usize>,
    /// How many simulated hosts, with commas between them
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1_000])]
    pub(crate) hosts: Vec<usize>,
    /// For how long each floor is looked at, in seconds
    #[arg(long, default_value_t = 5)]
    pub(crate) floor_seconds: u64,
}

pub(crate) async fn run(size: &Size) -> Result<Outcome> {
    let parameters = json!({ "containers": size.containers, "hosts": size.hosts });
    let mut outcome = Outcome::of("matrix", parameters);
    outcome.columns(&COLUMNS);
    let floor = floors::in_batches(size.floor_seconds).await?;
    let mut best = 0.0_f64;
    for hosts in &size.hosts {
        let system = System::cluster(1, &[], *hosts).await?;
        for (containers, burst) in bursts(&system, &size.containers).await? {
            let share = burst.running / floor.postgres * 100.0;
            outcome.row(name("cluster", containers, *hosts), &cells(&burst, share));
            best = best.max(burst.running);
        }
    }
    for hosts in &size.hosts {
        let system = System::embedded(*hosts).await?;
        for (containers, burst) in bursts(&system, &size.containers).await? {
            // Its database is another one, of which this is no floor.
            let cells = cells(&burst, f64::NAN);
            outcome.row(name("one process", containers, *hosts), &cells);
        }
    }
    outcome.add_headline("running on the cluster, at most", best, "/s");
    floor.add_to(&mut outcome, best);
    Ok(outcome)
}

async fn bursts(system: &System, containers: &[usize]) -> Result<Vec<(usize, Burst)>> {
    let observer = Observer::begin(system.api()).await?;
    warm_up(system, &observer, CONNECTIONS).await?;
    let mut bursts = Vec::new();
    for count in containers {
        let burst = measure(system, &observer, *count, CONNECTIONS).await?;
        bursts.push((*count, burst));
    }
    Ok(bursts)
}

fn name(wiring: &str, containers: usize, hosts: usize) -> String {
    format!("{wiring}: {containers} over {hosts}")
}

fn cells(burst: &Burst, share: f64) -> [f64; COLUMNS.len()] {
    let times = &burst.times;
    [
        burst.accepted,
        burst.running,
        burst.first,
        times.percentile(50),
        times.percentile(95),
        times.percentile(99),
        times.percentile(100),
        burst.cost.figure("cpu of all, each"),
        share,
    ]
}
