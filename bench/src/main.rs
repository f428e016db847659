//! The benchmark: how much of a machine Drover needs, and how long one waits for it.
//!
//! `make bench` runs every workload on this machine, prints a table for each and one of all at the end, and
//! writes `bench/results/<name>.json` with the facts about the machine, the parameters and all figures;
//! `make bench-quick` runs a tenth of it in under three minutes. One workload alone:
//! `scripts/bench create --containers 1000`.
//!
//! | workload | what it asks |
//! | --- | --- |
//! | `create` | W1: 10,000 containers at once: how many are accepted and come to run a second, how long each takes, what each costs every part, and what share that is of PostgreSQL and etcd alone |
//! | `create-embedded` | the same on `droverd standalone` |
//! | `matrix` | W1 with 1,000 and 10,000 containers over 1, 100 and 1,000 hosts, in both wirings |
//! | `scaling` | W1 with 1, 2 and 4 process servers, and with up to 100,000 containers already there |
//! | `budget` | what one create costs each part: statements, rows, transactions, messages, processor time |
//! | `idle` | one container at a time: how long a person waits |
//! | `stuck` | 20,000 processes wait for a dead host: what their neighbours notice |
//! | `churn` | W3: containers come, go and are purged for ten minutes: what grows that should not |
//! | `api` | W4: how many reads, lists and creates one API server answers a second, asked by `wrk`; beside Docker Swarm's creates |
//! | `watchers` | 1,000 watch 100 changes a second: whether all are told of all, when, and what it costs |
//! | `faults` | W5: every part is killed, stopped or wiped with 1,000 creates under way: what is lost or done twice, and when all is settled |
//! | `agents` | W6: 5,000 agents that do nothing, and all of them after the agent server was killed |
//! | `docker` | W2: 100 real containers, beside the bare Docker API and Docker Swarm |
//! | `docker-embedded` | the same by one process |
//! | `placement` | how long it takes to choose one of 5,000 hosts with 100,000 containers |
//! | `floors` | what PostgreSQL and etcd alone can do here, to read the others by |
//!
//! Everything is real but the containers (those of `docker` are): PostgreSQL with `fsync`, NATS, etcd,
//! every service an operating-system process of its own, and hosts whose runtime keeps containers in
//! memory (`droverd simulate`). The benchmark speaks to the public API only. Its own client and observer
//! share the processors with what they measure; their cost is told with the others (`benchClient`).
//! Figures of a machine that does something else at the same time are worth little: the load
//! average is in the file.

mod budget;
mod burst;
mod connection;
mod door;
mod load;
mod machine;
mod observer;
mod outcome;
mod plan;
mod system;
mod table;
mod workloads;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use plan::Workload;

/// Measures Drover on this machine
#[derive(Parser)]
#[command(name = "drover-bench", version)]
struct Arguments {
    /// Where the results are written
    #[arg(long, global = true, default_value = "bench/results")]
    results: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Every workload, one after the other
    All,
    /// A tenth of every workload
    Quick,
    #[command(flatten)]
    One(Workload),
}

// One thread: what the benchmark uses is not there for what it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let workloads = match arguments.what {
        What::All => plan::all(),
        What::Quick => plan::quick(),
        What::One(one) => vec![one],
    };
    // Whoever is told to end cleans up first: what was begun is dropped.
    tokio::select! {
        code = run(&workloads, &arguments.results) => code,
        _ = interrupted() => ExitCode::from(130),
    }
}

async fn run(workloads: &[Workload], results: &Path) -> ExitCode {
    let (mut code, mut summary) = (ExitCode::SUCCESS, Vec::new());
    for workload in workloads {
        match show(workload, results).await {
            Ok(lines) => summary.extend(lines),
            Err(error) => {
                outcome::print_failure(&error);
                summary.push(format!("{:<16} FAILED, see above", workload.name()));
                code = ExitCode::FAILURE;
            }
        }
    }
    if workloads.len() > 1 {
        outcome::print_summary(&summary);
    }
    code
}

/// Runs one, prints its table, writes its file, and gives its lines of the table of all.
async fn show(workload: &Workload, results: &Path) -> Result<Vec<String>> {
    let outcome = Box::pin(workload.run()).await?;
    outcome.print();
    outcome.write(results).await?;
    Ok(outcome.glance())
}

async fn interrupted() -> Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => Ok(ended?),
        _ = terminated.recv() => Ok(()),
    }
}
