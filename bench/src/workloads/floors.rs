//! Floors: what PostgreSQL and etcd alone can do on this machine, at this hour.
//!
//! The least that a durable container costs is two commits' worth of rows: one that accepts it
//! (resource, process, change record) and one that ends it (both updated, a further record). The
//! database alone does that for 50 containers a commit and for one. The lock service alone takes
//! and gives back locks one at a time and 60 in a transaction. Figures of Drover are to be read as
//! a share of these.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use drover_scenarios::etcd::Etcd;
use drover_scenarios::postgres::Postgres;
use drover_scenarios::process::{Program, output};
use etcd_client::{Client, Compare, CompareOp, LockOptions, PutOptions, Txn, TxnOp};
use futures::future::try_join_all;
use serde_json::json;

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
/// Containers in one commit.
const BATCH: usize = 50;
/// Locks in one transaction.
const LOCKS: usize = 60;

/// How long each floor is looked at.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// For how long each, in seconds
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,
}

pub(crate) async fn run(size: Size) -> Result<Outcome> {
    let mut outcome = Outcome::of("floors", json!({ "seconds": size.seconds }));
    let shapes = [(1, 1), (1, 16), (BATCH, 1), (BATCH, 4)];
    for ((batch, clients), rate) in shapes
        .into_iter()
        .zip(postgres(size.seconds, &shapes).await?)
    {
        let name = format!("postgres: containers, {batch} a commit, {clients} clients");
        outcome.add(name, rate, "/s");
    }
    let server = Etcd::start().await?;
    for clients in [1, 64] {
        let rate = etcd(&server, size.seconds, clients, one_at_a_time).await?;
        let name = format!("etcd: locks taken and given back, {clients} clients");
        outcome.add(name, rate, "/s");
    }
    for clients in [1, 4] {
        let rate = etcd(&server, size.seconds, clients, in_batches_of_locks).await?;
        let name = format!("etcd: the same, {LOCKS} a transaction, {clients} clients");
        outcome.add(name, rate, "/s");
    }
    Ok(outcome)
}

/// What both do in batches, as Drover asks them, in the run that they are a floor of.
pub(crate) struct Floor {
    /// Containers a second that PostgreSQL alone accepts and ends.
    pub(crate) postgres: f64,
    /// Locks a second that etcd alone takes and gives back.
    etcd: f64,
}

/// Looks at both for so many seconds each.
pub(crate) async fn in_batches(seconds: u64) -> Result<Floor> {
    let postgres = postgres(seconds, &[(BATCH, 4)]).await?;
    let server = Etcd::start().await?;
    Ok(Floor {
        postgres: postgres.first().copied().unwrap_or(f64::NAN),
        etcd: etcd(&server, seconds, 4, in_batches_of_locks).await?,
    })
}

impl Floor {
    /// Adds both, and what share of them `running` containers a second are.
    pub(crate) fn add_to(&self, outcome: &mut Outcome, running: f64) {
        outcome.add("PostgreSQL alone, the same in batches", self.postgres, "/s");
        outcome.add("etcd alone, the same locks in batches", self.etcd, "/s");
        let (postgres, etcd) = (running / self.postgres, running / self.etcd);
        outcome.add_headline("running, of PostgreSQL alone", postgres * 100.0, "%");
        outcome.add("running, of etcd alone", etcd * 100.0, "%");
    }
}

/// The containers a second that the database does, for so many a commit and so many clients.
async fn postgres(seconds: u64, shapes: &[(usize, usize)]) -> Result<Vec<f64>> {
    let server = Postgres::start_with(&POSTGRES).await?;
    server.query(TABLES).await?;
    let mut rates = Vec::new();
    for (batch, clients) in shapes {
        let script = format!("drover-bench-{}-{batch}.sql", std::process::id());
        let script = std::env::temp_dir().join(script);
        std::fs::write(&script, transactions(*batch))?;
        let pgbench = Program::new("pgbench", PGBENCH)
            .arguments(["-n", "-M", "prepared", "-T", &seconds.to_string()])
            .arguments(["-c", &clients.to_string()])
            .arguments(["-f", &script.display().to_string()])
            .argument(server.url());
        let said = output(pgbench, Duration::from_secs(seconds + 30)).await;
        std::fs::remove_file(&script)?;
        let said = said?;
        let found = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let found = found.and_then(|rest| rest.split_whitespace().next());
        let found = found.with_context(|| format!("pgbench tells no rate but: {said}"))?;
        rates.push(found.parse::<f64>()? * *batch as f64);
    }
    Ok(rates)
}

/// Two commits for a batch of containers: accepted, ended.
fn transactions(batch: usize) -> String {
    format!(
        "\\set batch random(1, 1000000000000)
WITH r AS (INSERT INTO resource SELECT gen_random_uuid(), :batch::bigint, 'creating', repeat('s', 600) FROM generate_series(1, {batch}) RETURNING id), p AS (INSERT INTO process SELECT id, :batch::bigint, 'queued', repeat('j', 600) FROM r) INSERT INTO change (id, state) SELECT id, 'creating' FROM r;
WITH r AS (UPDATE resource SET state = 'running' WHERE batch = :batch RETURNING id), p AS (UPDATE process SET phase = 'done' WHERE batch = :batch) INSERT INTO change (id, state) SELECT id, 'running' FROM r;
"
    )
}

/// The locks a second that so many clients take and give back, on one lease.
async fn etcd(
    server: &Etcd,
    seconds: u64,
    clients: usize,
    lock: impl AsyncFn(Client, i64, usize, Instant) -> Result<usize>,
) -> Result<f64> {
    let client = Client::connect([server.url()], None).await?;
    let lease = client.lease_client().grant(LEASE_SECONDS, None).await?.id();
    let began = Instant::now();
    let end = began + Duration::from_secs(seconds);
    let locking = (0..clients).map(|index| lock(client.clone(), lease, index, end));
    let locks: usize = try_join_all(locking).await?.into_iter().sum();
    Ok(locks as f64 / began.elapsed().as_secs_f64())
}

/// By the lock service of etcd, on one lease.
async fn one_at_a_time(client: Client, lease: i64, index: usize, end: Instant) -> Result<usize> {
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
async fn in_batches_of_locks(
    client: Client,
    lease: i64,
    index: usize,
    end: Instant,
) -> Result<usize> {
    let mut client = client.kv_client();
    let mut count = 0;
    while Instant::now() < end {
        let keys: Vec<String> = (0..LOCKS)
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
        count += LOCKS;
    }
    Ok(count)
}
