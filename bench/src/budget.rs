//! What one container costs each part: processor time, statements, commits, log, messages.
//!
//! Two readings of the counters that the parts keep, and their difference for each container.
//! Processor time is the kernel's, for each operating-system process. A write transaction is a
//! transaction id that PostgreSQL gave out, which it does for each transaction that writes.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::outcome::Outcome;
use crate::system::{System, Wiring};

/// The kernel tells of processor time in hundredths of a second, on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// The figure that tells how busy the machine was.
pub(crate) const SHARE: &str = "cpu of all, share of the machine";

const COUNTERS: &str = "SELECT json_build_object(
    'walBytes', pg_current_wal_lsn() - '0/0',
    'writeTransactions', pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
    'statements', (SELECT sum(calls) FROM pg_stat_statements),
    'rowsWritten', (SELECT coalesce(sum(rows), 0) FROM pg_stat_statements
        WHERE query ~* '(insert into|delete from|update [^ ]+ set) '),
    'statementMilliseconds', (SELECT sum(total_exec_time) FROM pg_stat_statements))";

/// The statements that took the most time since the counters were set to nothing.
const STATEMENTS: &str = "SELECT json_agg(top) FROM (
    SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 110) AS statement,
        sum(calls) AS calls, round(sum(total_exec_time)) AS milliseconds, sum(rows) AS rows,
        sum(wal_bytes) AS wal
    FROM pg_stat_statements GROUP BY 1 ORDER BY 3 DESC LIMIT 25) top";

/// All counters at one moment.
pub(crate) struct Reading {
    at: Instant,
    cpu: BTreeMap<&'static str, Duration>,
    counters: BTreeMap<String, f64>,
}

impl Reading {
    /// Reads them now, after setting those of the statements to nothing.
    pub(crate) async fn first(system: &System) -> Result<Self> {
        if let Wiring::Cluster(cluster) = &system.wiring {
            cluster
                .postgres
                .query("SELECT pg_stat_statements_reset()")
                .await?;
        }
        let counters = counters(system).await?;
        // Processor time last, and first at the end: reading the others costs some too.
        Ok(Self {
            counters,
            cpu: cpu(system)?,
            at: Instant::now(),
        })
    }

    /// Reads them again and adds to the figures what each of `count` containers has cost.
    pub(crate) async fn end(
        self,
        system: &System,
        count: usize,
        outcome: &mut Outcome,
    ) -> Result<()> {
        let (cpu, elapsed) = (cpu(system)?, self.at.elapsed());
        let counters = counters(system).await?;
        let count = f64::from(u32::try_from(count)?);
        let mut total = Duration::ZERO;
        for (part, spent) in &cpu {
            let spent = spent.saturating_sub(self.cpu.get(part).copied().unwrap_or_default());
            total += spent;
            let each = spent.as_secs_f64() * 1e6 / count;
            outcome.add(format!("cpu of {part}, each"), each, "us");
        }
        let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
        outcome.add("cpu of all, each", total.as_secs_f64() * 1e6 / count, "us");
        let share = total.as_secs_f64() / elapsed.as_secs_f64() / cores;
        outcome.add(SHARE, share * 100.0, "%");
        for (name, value) in &counters {
            let before = self.counters.get(name).copied().unwrap_or_default();
            outcome.add(format!("{name}, each"), (value - before) / count, "");
        }
        if let Wiring::Cluster(cluster) = &system.wiring {
            let statements = cluster.postgres.query(STATEMENTS).await?;
            let statements = serde_json::from_str(&statements).unwrap_or(Value::Null);
            outcome.detail("statements", statements);
        }
        Ok(())
    }
}

async fn counters(system: &System) -> Result<BTreeMap<String, f64>> {
    let mut all = BTreeMap::new();
    let Wiring::Cluster(cluster) = &system.wiring else {
        return Ok(all);
    };
    let postgres: Value = serde_json::from_str(&cluster.postgres.query(COUNTERS).await?)?;
    for (name, value) in postgres.as_object().context("counters")? {
        all.insert(
            format!("postgres {name}"),
            value.as_f64().unwrap_or_default(),
        );
    }
    let etcd = reqwest::get(format!("{}/metrics", cluster.etcd.url()));
    let etcd = etcd.await?.text().await?;
    let sum = |name: &str, label: &str| -> f64 {
        let lines = etcd
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label));
        lines
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    };
    let method = "grpc_server_handled_total";
    all.insert(
        "etcd transactions".into(),
        sum(method, "grpc_method=\"Txn\""),
    );
    let proposals = "etcd_server_proposals_committed_total";
    all.insert("etcd proposals".into(), sum(proposals, ""));
    all.insert(
        "etcd syncs".into(),
        sum("etcd_disk_wal_fsync_duration_seconds_count", ""),
    );
    let nats = reqwest::get(format!("{}/varz", cluster.nats.monitor_url()));
    let nats: Value = serde_json::from_str(&nats.await?.text().await?)?;
    for (name, field) in [("in", "in_msgs"), ("out", "out_msgs")] {
        let messages = nats[field].as_f64().unwrap_or_default();
        all.insert(format!("bus messages {name}"), messages);
    }
    Ok(all)
}

fn cpu(system: &System) -> Result<BTreeMap<&'static str, Duration>> {
    let mut all = BTreeMap::new();
    for (part, ids) in system.processes()? {
        let spent = ids.into_iter().map(spent_by).sum();
        all.insert(part, spent);
    }
    Ok(all)
}

/// The processor time of a process and of its children that have ended; none if it is gone.
fn spent_by(id: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name, in brackets, may hold anything; user and system time are the 12th and 13th after
    // it, those of the children follow.
    let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = rest.split_whitespace().skip(11).take(4);
    let ticks: u32 = ticks.filter_map(|ticks| ticks.parse::<u32>().ok()).sum();
    TICK * ticks
}

/// The memory of a process, in KiB: what it has of its own and what it shares.
pub(crate) fn resident_kib(id: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let first = line.and_then(|rest| rest.split_whitespace().next());
    first.and_then(|kib| kib.parse().ok()).unwrap_or_default()
}
