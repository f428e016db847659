//! W3: containers that come and go for a while: does anything grow that should not?
//!
//! At a steady rate a container is created, and removed and purged as soon as it runs. Creates and removes
//! come to half of what W1 does on this machine in this run, a quarter each: then the machine has room, and
//! what changes over the minutes is age, and not a queue that grows. History is kept for a few seconds only,
//! so that what comes in and what is forgotten are equal soon after the beginning.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::budget::memory_kib;
use crate::burst::{measure, warm_up};
use crate::connection::Connection;
use crate::load::{container, steadily};
use crate::observer::{Observer, Seen};
use crate::outcome::{Outcome, Times};
use crate::system::{System, Wiring};

const WITHIN: Duration = Duration::from_secs(60);
/// More than are ever under way at a rate that can be kept.
const CLIENTS: usize = 128;
const CONNECTIONS: usize = 64;
/// The rate of creates is W1's divided by this.
const SHARE: f64 = 4.0;
const MINUTE: Duration = Duration::from_secs(60);
const FLAGS: [&str; 6] = [
    "--process-retention-seconds",
    "5",
    "--change-retention-seconds",
    "5",
    "--audit-retention-seconds",
    "5",
];
const LARGEST: &str = "SELECT json_agg(t) FROM (SELECT relname AS name,
    pg_total_relation_size(relid) AS bytes, n_live_tup AS live, n_dead_tup AS dead,
    autovacuum_count AS vacuums FROM pg_stat_user_tables ORDER BY 2 DESC LIMIT 8) t";

/// How long, and how much comes and goes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many containers a second come and go; without it, a quarter of what W1 does in this run
    #[arg(long)]
    pub(crate) rate: Option<u32>,
    /// How many containers W1's rate is taken from
    #[arg(long, default_value_t = 3_000)]
    pub(crate) containers: usize,
    /// How many simulated hosts
    #[arg(long, default_value_t = 100)]
    pub(crate) hosts: usize,
    /// How long it takes until everything is taken for the first time, in seconds
    #[arg(long, default_value_t = 30)]
    pub(crate) warm_up: u64,
    /// How long it goes on from there, in seconds
    #[arg(long, default_value_t = 600)]
    pub(crate) seconds: u64,
}

pub(crate) async fn run(size: Size) -> Result<Outcome> {
    let system = System::cluster(1, &FLAGS, size.hosts).await?;
    let observer = Observer::begin(system.api()).await?;
    warm_up(&system, &observer, CONNECTIONS).await?;
    let rate = match size.rate {
        Some(rate) => rate,
        None => {
            let burst = measure(&system, &observer, size.containers, CONNECTIONS).await?;
            ((burst.running / SHARE) as u32).max(1)
        }
    };
    let parameters = json!({
        "rate": rate, "hosts": size.hosts, "warmUp": size.warm_up, "seconds": size.seconds,
    });
    let mut outcome = Outcome::of("churn", parameters);

    let (warm, whole) = (
        Duration::from_secs(size.warm_up),
        Duration::from_secs(size.seconds),
    );
    let began = Instant::now();
    let open = (0..CLIENTS).map(|_| system.connect());
    let clients = futures::future::try_join_all(open).await?;
    let coming = steadily(clients, rate, warm + whole, async |client, _, due| {
        come_and_go(client, &observer, due).await
    });
    let looking = async {
        sleep(warm).await;
        let first = Extent::now(&system).await?;
        sleep((warm + whole).saturating_sub(began.elapsed())).await;
        Ok((first, Extent::now(&system).await?))
    };
    let (cycles, (first, last)) = tokio::try_join!(coming, looking)?;
    let took = began.elapsed();

    let kept = cycles.len() as f64 / took.as_secs_f64();
    outcome.add_headline("created, run, removed and purged", kept, "/s");
    let window = MINUTE.min(whole / 3);
    let within = |from: Duration| {
        let cycles = cycles.iter().filter(move |cycle| {
            let due = cycle.due.saturating_duration_since(began);
            (from..from + window).contains(&due)
        });
        Times::of(cycles.map(|cycle| cycle.took))
    };
    let (early, late) = (within(warm), within(warm + whole - window));
    for (what, times) in [("at first", &early), ("at last", &late)] {
        for hundredths in [50, 99] {
            let name = format!("asked to running {what} p{hundredths}");
            outcome.add(name, times.percentile(hundredths), "ms");
        }
    }
    let drift = late.percentile(99) / early.percentile(99);
    outcome.add_with_goal("drift of the p99, last to first", drift, "", "< 1.2");
    outcome.add("database at first", first.database / 1e6, "MB");
    outcome.add("database at last", last.database / 1e6, "MB");
    let growth = (last.database / first.database - 1.0) * 100.0;
    outcome.add_with_goal("growth of the database", growth, "%", "< 10");
    outcome.columns(&["at first", "at last", "ratio"]);
    for ((part, before), (_, after)) in first.memory.iter().zip(&last.memory) {
        let cells = [before / 1024.0, after / 1024.0, after / before];
        outcome.row(format!("memory of {part} (MiB)"), &cells);
    }
    if let Wiring::Cluster(cluster) = &system.wiring {
        let tables: Value = serde_json::from_str(&cluster.postgres.query(LARGEST).await?)?;
        outcome.detail("tables", tables);
    }
    Ok(outcome)
}

/// When one was due, and how long it took until it ran.
struct Cycle {
    due: Instant,
    took: Duration,
}

async fn come_and_go(
    connection: &mut Connection,
    observer: &Observer,
    due: Instant,
) -> Result<Cycle> {
    let id = connection
        .post("/v1/containers", &container(&json!({})))
        .await?;
    let runs = |seen: &Seen| seen.running.get(&id).copied();
    let ran = observer.until("it runs", WITHIN, runs).await?;
    connection.delete(&format!("/v1/containers/{id}")).await?;
    let is_removed = |seen: &Seen| seen.removed.contains(&id).then_some(());
    observer.until("it is removed", WITHIN, is_removed).await?;
    let purge = format!("/v1/containers/{id}/purge");
    connection.post(&purge, "{}").await?;
    let is_purged = |seen: &Seen| seen.purged.contains(&id).then_some(());
    observer.until("it is purged", WITHIN, is_purged).await?;
    observer.seen().forget(&id);
    Ok(Cycle {
        due,
        took: ran.saturating_duration_since(due),
    })
}

/// How large everything is at one moment.
struct Extent {
    /// The database, in bytes.
    database: f64,
    /// The memory of each part, in KiB.
    memory: Vec<(&'static str, f64)>,
}

impl Extent {
    async fn now(system: &System) -> Result<Self> {
        let Wiring::Cluster(cluster) = &system.wiring else {
            anyhow::bail!("this is no cluster");
        };
        let size = cluster.postgres.query("SELECT pg_database_size('drover')");
        let database = size.await?.parse().context("a size")?;
        let parts = system.processes()?.into_iter();
        let parts = parts.filter(|(_, ids)| !ids.is_empty());
        Ok(Self {
            database,
            memory: parts.map(|(part, ids)| (part, memory_kib(&ids))).collect(),
        })
    }
}
