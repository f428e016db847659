//! What one container costs each part: processor time, statements, commits, log, messages.
//!
//! Two readings of the counters that the parts keep ([`Counters`]), and their difference for each container.
//! Processor time is the kernel's, for each operating-system process. A write transaction is a
//! transaction id that PostgreSQL gave out, which it does for each transaction that writes.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::Result;
use drover_scenarios::counters::Counters;
use serde_json::Value;

use crate::outcome::Outcome;
use crate::system::{System, Wiring};

/// The kernel tells of processor time in hundredths of a second, on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// The figure that tells how busy the machine was.
pub(crate) const SHARE: &str = "cpu of all, share of the machine";

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
    /// There are none of what runs in one process.
    counters: Option<Counters>,
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
        let counters = match &system.wiring {
            Wiring::Cluster(cluster) => Some(Counters::read(cluster).await?),
            Wiring::Embedded(_) => None,
        };
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
        if let (Wiring::Cluster(cluster), Some(counters)) = (&system.wiring, &self.counters) {
            for (name, value) in counters.until_now(cluster).await? {
                outcome.add(format!("{name}, each"), value / count, "");
            }
            let statements = cluster.postgres.query(STATEMENTS).await?;
            let statements = serde_json::from_str(&statements).unwrap_or(Value::Null);
            outcome.detail("statements", statements);
        }
        Ok(())
    }
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
    kib(&format!("/proc/{id}/status"), "VmRSS:")
}

/// The memory of processes that are one part, in KiB. Those of PostgreSQL share most of theirs, so of what
/// several share each counts its part.
pub(crate) fn memory_kib(ids: &[u32]) -> f64 {
    match ids {
        [one] => resident_kib(*one),
        several => {
            let files = several.iter().map(|id| format!("/proc/{id}/smaps_rollup"));
            files.map(|file| kib(&file, "Pss:")).sum()
        }
    }
}

fn kib(file: &str, name: &str) -> f64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let first = line.and_then(|rest| rest.split_whitespace().next());
    first.and_then(|kib| kib.parse().ok()).unwrap_or_default()
}
