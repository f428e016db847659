//! Floors: what PostgreSQL and etcd alone can do on this machine, at this hour.
//!
//! The least that a durable container costs is two commits' worth of rows: one that accepts it
//! (resource, process, change record) and one that ends it (both updated, a further record). The
//! database alone does that for 50 containers a commit and for one. The lock service alone takes
//! and gives back locks one at a time and 60 in a transaction. Figures of Drover are to be read as
//! a share of these.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use drover_scenarios::etcd::Etcd;
use drover_scenarios::postgres::Postgres;
use drover_scenarios::process::{Program, output};
use etcd_client::{Client, Compare, CompareOp, LockOptions, PutOptions, Txn, TxnOp};
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::outcome::Outcome;
use crate::system::POSTGRES;

const PGBENCH: &str = "/usr/lib/postgresql/15/bin/pgbench";
const TABLES: &str = "
    CREATE TABLE resource (id uuid PRIMARY KEY, batch bigint, state text, spec text);
    CREATE TABLE process (id uuid PRIMARY KEY, batch bigint, phase text, journal text);
    CREATE TABLE change (position bigserial PRIMARY KEY, id uuid, state text);
    CREATE INDEX ON resource (batch);
    CREATE INDEX ON process (batch);";
const LEASE_SECONDS: i64 = 60;
/// Locks in one transaction.
const BATCH: usize = 60;

/// How long each floor is looked at.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// For how long each, in seconds
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
}

pub(crate) async fn run(size: Size, results: &Path) -> Result<Outcome> {
    let mut outcome = Outcome::of("floors", json!({ "seconds": size.seconds }));
    let batched = postgres(size, &mut outcome).await?;
    etcd(size, &mut outcome).await?;
    if let Some(running) = running_in(&results.join("create.json")) {
        let share = running / batched * 100.0;
        outcome.add("create: running, of PostgreSQL by 50", share, "%");
    }
    Ok(outcome)
}

/// What the database does; gives the containers a second in batches of 50.
async fn postgres(size: Size, outcome: &mut Outcome) -> Result<f64> {
    let server = Postgres::start_with(&POSTGRES).await?;
    server.query(TABLES).await?;
    let folder = std::env::temp_dir();
    let mut rate = 0.0;
    for (batch, clients) in [(1, 1), (1, 16), (50, 1), (50, 4)] {
        let script = folder.join(format!("drover-bench-{}-{batch}.sql", std::process::id()));
        std::fs::write(&script, transactions(batch))?;
        let (seconds, clients_text) = (size.seconds.to_string(), clients.to_string());
        let pgbench = Program::new("pgbench", PGBENCH)
            .arguments([
                "-n",
                "-M",
                "prepared",
                "-T",
                &seconds,
                "-c",
                &clients_text,
                "-f",
            ])
            .argument(script.display().to_string())
            .argument(server.url());
        let said = output(pgbench, Duration::from_secs(size.seconds + 30)).await;
        std::fs::remove_file(&script)?;
        let said = said?;
        let found = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let found = found.and_then(|rest| rest.split_whitespace().next());
        let found = found.with_context(|| format!("pgbench tells no rate but: {said}"))?;
        let found: f64 = found.parse()?;
        rate = found * f64::from(batch);
        let name = format!("postgres: containers, {batch} a commit, {clients} clients");
        outcome.add(name, rate, "/s");
    }
    Ok(rate)
}

/// Two commits for a batch of containers: accepted, ended.
fn transactions(batch: u32) -> String {
    format!(
        "\\set batch random(1, 1000000000000)
WITH r AS (INSERT INTO resource SELECT gen_random_uuid(), :batch::bigint, 'creating', repeat('s', 600) FROM generate_series(1, {batch}) RETURNING id), p AS (INSERT INTO process SELECT id, :batch::bigint, 'queued', repeat('j', 600) FROM r) INSERT INTO change (id, state) SELECT id, 'creating' FROM r;
WITH r AS (UPDATE resource SET state = 'running' WHERE batch = :batch RETURNING id), p AS (UPDATE process SET phase = 'done' WHERE batch = :batch) INSERT INTO change (id, state) SELECT id, 'running' FROM r;
"
    )
}

async fn etcd(size: Size, outcome: &mut Outcome) -> Result<()> {
    let server = Etcd::start().await?;
    let client = Client::connect([server.url()], None).await?;
    let lease = client.lease_client().grant(LEASE_SECONDS, None).await?.id();
    let until = |size: Size| Instant::now() + Duration::from_secs(size.seconds);
    for clients in [1_usize, 64] {
        let (began, end) = (Instant::now(), until(size));
        let locking = (0..clients).map(|index| one_at_a_time(client.clone(), lease, index, end));
        let locks: u32 = try_join_all(locking).await?.into_iter().sum();
        let rate = f64::from(locks) / began.elapsed().as_secs_f64();
        let name = format!("etcd: locks taken and given back, {clients} clients");
        outcome.add(name, rate, "/s");
    }
    for clients in [1_usize, 4] {
        let (began, end) = (Instant::now(), until(size));
        let locking = (0..clients).map(|index| in_batches(client.clone(), lease, index, end));
        let locks: usize = try_join_all(locking).await?.into_iter().sum();
        let rate = locks as f64 / began.elapsed().as_secs_f64();
        let name = format!("etcd: the same, {BATCH} a transaction, {clients} clients");
        outcome.add(name, rate, "/s");
    }
    Ok(())
}

/// By the lock service of etcd, on one lease.
async fn one_at_a_time(client: Client, lease: i64, index: usize, end: Instant) -> Result<u32> {
    let mut client = client.lock_client();
    let mut count = 0;
    while Instant::now() < end {
        let options = LockOptions::new().with_lease(lease);
        let held = client
            .lock(format!("one/{index}/{count}"), Some(options))
            .await?;
        client.unlock(held.key()).await?;
        count += 1;
    }
    Ok(count)
}

/// Keys that must not be there are put, and taken away again, many in one transaction.
async fn in_batches(client: Client, lease: i64, index: usize, end: Instant) -> Result<usize> {
    let mut client = client.kv_client();
    let mut count = 0;
    while Instant::now() < end {
        let keys: Vec<String> = (0..BATCH)
            .map(|key| format!("many/{index}/{}", count + key))
            .collect();
        let free = |key: &String| Compare::create_revision(key.as_str(), CompareOp::Equal, 0);
        let put = |key: &String| {
            let options = PutOptions::new().with_lease(lease);
            TxnOp::put(key.as_str(), "bench", Some(options))
        };
        let take = Txn::new()
            .when(keys.iter().map(free).collect::<Vec<_>>())
            .and_then(keys.iter().map(put).collect::<Vec<_>>());
        client.txn(take).await?;
        let delete = |key: &String| TxnOp::delete(key.as_str(), None);
        let give = Txn::new().and_then(keys.iter().map(delete).collect::<Vec<_>>());
        client.txn(give).await?;
        count += BATCH;
    }
    Ok(count)
}

/// The containers that came to run a second in the last run of `create`, if there was one.
fn running_in(file: &Path) -> Option<f64> {
    let result: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let figures = result["figures"].as_array()?;
    let running = figures.iter().find(|figure| figure["name"] == "running")?;
    running["value"].as_f64()
}
