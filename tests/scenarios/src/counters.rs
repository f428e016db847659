//! What work has cost the parts of a cluster: statements, rows, transactions, log, messages.
//!
//! The parts count by themselves; two readings and their difference tell what lay between them.
//!
//! ```text
//!   PostgreSQL  pg_stat_statements: every statement, as it ends
//!               transaction ids: one is given to each transaction that writes
//!               its log: each row of each table that was written, one record a row
//!   etcd        /metrics        NATS  /varz
//! ```
//!
//! Rows are read out of the log (`pg_walinspect`), since what the server says of its statements knows only
//! the last part of one that writes several tables, and what it says of its tables comes seconds late.
//! Statements that bear [`NOT_COUNTED`] are those of whoever looks.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::http;
use crate::installation::Cluster;
use crate::postgres::Postgres;

/// What PostgreSQL is to be started with.
pub const POSTGRES_SETTINGS: [&str; 2] = [
    "shared_preload_libraries=pg_stat_statements",
    "pg_stat_statements.track_utility=on",
];

/// A comment within a statement that keeps it from being counted.
pub const NOT_COUNTED: &str = "/* not counted */";

/// All counters at one moment.
#[derive(Debug)]
pub struct Counters {
    /// Where the log of PostgreSQL ended.
    log: String,
    values: BTreeMap<String, f64>,
}

impl Counters {
    /// Makes PostgreSQL count; it was started with [`POSTGRES_SETTINGS`].
    ///
    /// # Errors
    /// When it was not, or the extensions are not installed.
    pub async fn prepare(postgres: &Postgres) -> Result<()> {
        for extension in ["pg_stat_statements", "pg_walinspect"] {
            let statement = format!("CREATE EXTENSION IF NOT EXISTS {extension}");
            postgres.query(&statement).await?;
        }
        Ok(())
    }

    /// Reads them now.
    ///
    /// # Errors
    /// When a part does not tell.
    pub async fn read(cluster: &Cluster) -> Result<Self> {
        let mut values = of_postgres(&cluster.postgres).await?;
        values.append(&mut of_etcd(&cluster.etcd.url()).await?);
        values.append(&mut of_nats(&cluster.nats.monitor_url()).await?);
        let log = format!("SELECT {NOT_COUNTED} pg_current_wal_insert_lsn()");
        Ok(Self {
            log: cluster.postgres.query(&log).await?,
            values,
        })
    }

    /// What was counted from these on until now, by name.
    ///
    /// # Errors
    /// When a part does not tell.
    pub async fn until_now(&self, cluster: &Cluster) -> Result<BTreeMap<String, f64>> {
        let mut counted = Self::read(cluster).await?.values;
        for (name, value) in &mut counted {
            *value -= self.values.get(name).copied().unwrap_or_default();
        }
        let rows = rows_since(&cluster.postgres, &self.log).await?;
        counted.insert("postgres rows".to_owned(), rows.values().sum());
        for (table, rows) in rows {
            counted.insert(format!("postgres rows of {table}"), rows);
        }
        Ok(counted)
    }
}

async fn of_postgres(postgres: &Postgres) -> Result<BTreeMap<String, f64>> {
    let statement = format!(
        "SELECT {NOT_COUNTED} json_build_object(
            'walBytes', pg_current_wal_lsn() - '0/0',
            'writeTransactions', pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
            'statements', sum(calls),
            'statementMilliseconds', sum(total_exec_time))
        FROM pg_stat_statements WHERE query NOT LIKE '%{NOT_COUNTED}%'"
    );
    let told = numbers(&postgres.query(&statement).await?)?;
    let named = told
        .into_iter()
        .map(|(name, value)| (format!("postgres {name}"), value));
    Ok(named.collect())
}

/// The rows that were inserted, rewritten or deleted, by table.
async fn rows_since(postgres: &Postgres, log: &str) -> Result<BTreeMap<String, f64>> {
    // Not every commit waits until the log is on the disk, and only what is there can be read.
    let flush = format!("SELECT {NOT_COUNTED} pg_logical_emit_message(true, 'drover', 'all')");
    postgres.query(&flush).await?;
    let statement = format!(
        "WITH {NOT_COUNTED} written AS (
            SELECT substring(block_ref FROM 'rel \\d+/\\d+/(\\d+) ')::oid AS file
            FROM pg_get_wal_records_info('{log}', pg_current_wal_flush_lsn())
            WHERE resource_manager = 'Heap'
                AND record_type ~ '^(INSERT|UPDATE|HOT_UPDATE|DELETE)'),
        tables AS (
            SELECT relname, count(*) AS rows FROM written JOIN pg_class ON relfilenode = file
            WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace GROUP BY relname)
        SELECT coalesce(json_object_agg(relname, rows), '{{}}') FROM tables"
    );
    numbers(&postgres.query(&statement).await?)
}

async fn of_etcd(url: &str) -> Result<BTreeMap<String, f64>> {
    let told = text(&format!("{url}/metrics")).await?;
    let sum = |name: &str, label: &str| -> f64 {
        let lines = told
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    };
    let counters = [
        (
            "transactions",
            "grpc_server_handled_total",
            "grpc_method=\"Txn\"",
        ),
        ("proposals", "etcd_server_proposals_committed_total", ""),
        ("syncs", "etcd_disk_wal_fsync_duration_seconds_count", ""),
    ];
    let counters = counters.map(|(what, name, label)| (format!("etcd {what}"), sum(name, label)));
    Ok(counters.into())
}

async fn of_nats(url: &str) -> Result<BTreeMap<String, f64>> {
    let told: Value = serde_json::from_str(&text(&format!("{url}/varz")).await?)?;
    let counters = [("in", "in_msgs"), ("out", "out_msgs")].map(|(way, field)| {
        let messages = told[field].as_f64().unwrap_or_default();
        (format!("bus messages {way}"), messages)
    });
    Ok(counters.into())
}

async fn text(url: &str) -> Result<String> {
    let answer = http::client()?.get(url).send().await?;
    Ok(answer.error_for_status()?.text().await?)
}

/// The numbers of an object in JSON.
fn numbers(text: &str) -> Result<BTreeMap<String, f64>> {
    let told: Value = serde_json::from_str(text).with_context(|| format!("counters: {text}"))?;
    let told = told.as_object().context("counters are an object")?;
    let values = told.iter();
    let values = values.map(|(name, value)| (name.clone(), value.as_f64().unwrap_or_default()));
    Ok(values.collect())
}
