//! The benchmark: how much of a machine Drover needs, and how long one waits for it.
//!
//! `make bench` runs every workload on this machine, prints one table and writes
//! `bench/results/<name>.json` with the facts about the machine, the parameters and all figures;
//! `make bench-quick` runs a tenth of it in under three minutes. One workload alone:
//! `scripts/bench create --containers 1000`.
//!
//! | workload | what it asks |
//! | --- | --- |
//! | `create` | W1: 10,000 containers at once: how many are accepted and come to run a second, how long each takes, and what each costs every part |
//! | `create-embedded` | the same on `droverd standalone` |
//!
//! Everything is real but the containers: PostgreSQL with `fsync`, NATS, etcd, every service an
//! operating-system process of its own, and hosts whose runtime keeps containers in memory
//! (`droverd simulate`). The benchmark speaks to the public API only. Its own client and observer
//! share the processors with what they measure; their cost is told with the others (`benchClient`).
//! Figures of a machine that does something else at the same time are worth little: the load
//! average is in the file.

mod budget;
mod connection;
mod load;
mod machine;
mod observer;
mod outcome;
mod system;
mod workloads;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use outcome::Outcome;
use workloads::create;

/// Measures Drover on this machine
#[derive(Parser)]
#[command(name = "drover-bench", version)]
struct Arguments {
    /// Where the results are written
    #[arg(long, global = true, default_value = "bench/results")]
    results: PathBuf,
    #[command(subcommand)]
    workload: Workload,
}

#[derive(Subcommand)]
enum Workload {
    /// Many containers at once, on a cluster
    Create(create::Size),
    /// Many containers at once, on one process
    CreateEmbedded(create::Size),
}

// One thread: what the benchmark uses is not there for what it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let outcome = run(&arguments.workload).await?;
    outcome.write(&arguments.results).await?;
    outcome.print();
    Ok(())
}

async fn run(workload: &Workload) -> Result<Outcome> {
    match workload {
        Workload::Create(size) => create::on_cluster(*size).await,
        Workload::CreateEmbedded(size) => create::on_one_process(*size).await,
    }
}
