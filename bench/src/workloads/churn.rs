//! Containers that come and go for a while: does the database stay the size that it was?
//!
//! Each worker creates a container, waits until it runs, removes and purges it, and begins again.
//! History is kept for a few seconds only, so that what comes in and what is forgotten are equal
//! soon after the beginning.

use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::load::container;
use crate::observer::Observer;
use crate::outcome::Outcome;
use crate::system::{System, Wiring};

const WITHIN: Duration = Duration::from_secs(60);
const WORKERS: u32 = 32;
const FLAGS: [&str; 4] = [
    "--process-retention-seconds",
    "5",
    "--change-retention-seconds",
    "5",
];
const LARGEST: &str = "SELECT json_agg(t) FROM (SELECT relname AS name,
    pg_total_relation_size(relid) AS bytes, n_live_tup AS live, n_dead_tup AS dead,
    autovacuum_count AS vacuums FROM pg_stat_user_tables ORDER BY 2 DESC LIMIT 8) t";

/// How long, and how much comes and goes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many containers a second, if they can be had
    #[arg(long, default_value_t = 100)]
    pub(crate) rate: u32,
    /// How many simulated hosts
    #[arg(long, default_value_t = 20)]
    pub(crate) hosts: usize,
    /// How long it takes until the size is taken for the first time, in seconds
    #[arg(long, default_value_t = 30)]
    pub(crate) warm_up: u64,
    /// How long it goes on from there, in seconds
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
}

pub(crate) async fn run(size: Size) -> Result<Outcome> {
    let parameters = json!({
        "rate": size.rate, "hosts": size.hosts, "warmUp": size.warm_up, "seconds": size.seconds,
    });
    let system = System::cluster(1, &FLAGS, size.hosts).await?;
    let mut outcome = Outcome::of("churn", parameters);
    let observer = Observer::begin(system.api()).await?;
    let warm = Instant::now() + Duration::from_secs(size.warm_up);
    let end = warm + Duration::from_secs(size.seconds);
    let workers = (0..WORKERS).map(|_| come_and_go(&system, &observer, size.rate, end));
    let sizes = async {
        tokio::time::sleep_until(warm).await;
        let (first, cycles) = (bytes(&system).await?, observer.seen().purged.len());
        tokio::time::sleep_until(end).await;
        Ok((
            first,
            bytes(&system).await?,
            observer.seen().purged.len() - cycles,
        ))
    };
    let (_, (first, last, cycles)) = tokio::try_join!(try_join_all(workers), sizes)?;
    let rate = cycles as f64 / size.seconds as f64;
    outcome.add("created, run, removed and purged", rate, "/s");
    outcome.add("database after warming up", first / 1e6, "MB");
    outcome.add("database at the end", last / 1e6, "MB");
    let growth = (last / first - 1.0) * 100.0;
    outcome.add_with_goal("growth", growth, "%", "< 10");
    if let Wiring::Cluster(cluster) = &system.wiring {
        let tables: Value = serde_json::from_str(&cluster.postgres.query(LARGEST).await?)?;
        outcome.detail("tables", tables);
    }
    Ok(outcome)
}

async fn come_and_go(system: &System, observer: &Observer, rate: u32, end: Instant) -> Result<()> {
    let mut connection = system.connect().await?;
    let spec = container(&json!({}));
    let mut next = Instant::now();
    while Instant::now() < end {
        next += Duration::from_secs(1) * WORKERS / rate;
        let id = connection.post("/v1/containers", &spec).await?;
        let runs = observer.until("it runs", WITHIN, |seen| seen.running.get(&id).map(drop));
        runs.await?;
        connection.delete(&format!("/v1/containers/{id}")).await?;
        let is_removed = |seen: &crate::observer::Seen| seen.removed.contains(&id).then_some(());
        observer.until("it is removed", WITHIN, is_removed).await?;
        connection
            .post(&format!("/v1/containers/{id}/purge"), "{}")
            .await?;
        let is_purged = |seen: &crate::observer::Seen| seen.purged.contains(&id).then_some(());
        observer.until("it is purged", WITHIN, is_purged).await?;
        tokio::time::sleep_until(next.min(end)).await;
    }
    Ok(())
}

async fn bytes(system: &System) -> Result<f64> {
    let Wiring::Cluster(cluster) = &system.wiring else {
        anyhow::bail!("this is no cluster");
    };
    let size = cluster.postgres.query("SELECT pg_database_size('drover')");
    size.await?.parse().context("a size")
}
