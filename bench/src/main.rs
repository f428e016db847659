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
//! | `idle` | one container at a time: how long a person waits |
//! | `stuck` | 20,000 processes wait for a dead host: what their neighbours notice |
//! | `takeover` | a process server is killed with 1,000 containers under way: when they run |
//! | `churn` | containers come, go and are purged: whether the database stays the size that it was |
//! | `api` | W4: how many reads, lists and creates one API server answers a second, asked by `wrk` |
//! | `watchers` | 1,000 watch 100 changes a second: whether all are told of all, when, and what it costs |
//! | `agents` | W6: 5,000 agents that do nothing, and all of them after the agent server was killed |
//! | `docker` | W2: 100 real containers, beside the bare Docker API |
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
mod connection;
mod load;
mod machine;
mod observer;
mod outcome;
mod system;
mod workloads;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use outcome::Outcome;
use workloads::{
    agents, api, churn, create, docker, floors, idle, placement, stuck, takeover, watchers,
};

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
    /// Every workload, one after the other
    All,
    /// A tenth of every workload
    Quick,
    /// Many containers at once, on a cluster
    Create(create::Size),
    /// Many containers at once, on one process
    CreateEmbedded(create::Size),
    /// One container at a time
    Idle(idle::Size),
    /// Others beside processes that are stuck
    Stuck(stuck::Size),
    /// The death of a process server
    Takeover(takeover::Size),
    /// Containers that come and go
    Churn(churn::Size),
    /// Reads, lists and creates, by the API server alone
    Api(api::Size),
    /// Many who watch
    Watchers(watchers::Size),
    /// Many agents that do nothing, and their return
    Agents(agents::Size),
    /// Real containers, beside the bare engine
    Docker(docker::Size),
    /// Choosing hosts
    Placement(placement::Size),
    /// The database and the lock service alone
    Floors(floors::Size),
}

// One thread: what the benchmark uses is not there for what it measures.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let workloads = match arguments.workload {
        Workload::All => all(),
        Workload::Quick => quick(),
        one => vec![one],
    };
    let mut code = ExitCode::SUCCESS;
    for workload in &workloads {
        if let Err(error) = show(workload, &arguments.results).await {
            outcome::print_failure(&error);
            code = ExitCode::FAILURE;
        }
    }
    code
}

async fn show(workload: &Workload, results: &Path) -> Result<()> {
    let outcome = run(workload, results).await?;
    outcome.print();
    outcome.write(results).await
}

async fn run(workload: &Workload, results: &Path) -> Result<Outcome> {
    match workload {
        Workload::Create(size) => create::on_cluster(*size).await,
        Workload::CreateEmbedded(size) => create::on_one_process(*size).await,
        Workload::Idle(size) => idle::run(*size).await,
        Workload::Stuck(size) => stuck::run(*size).await,
        Workload::Takeover(size) => takeover::run(*size).await,
        Workload::Churn(size) => churn::run(*size).await,
        Workload::Api(size) => api::run(*size).await,
        Workload::Watchers(size) => watchers::run(*size).await,
        Workload::Agents(size) => agents::run(*size).await,
        Workload::Docker(size) => docker::run(*size).await,
        Workload::Placement(size) => placement::run(*size),
        Workload::Floors(size) => floors::run(*size, results).await,
        Workload::All | Workload::Quick => anyhow::bail!("one at a time"),
    }
}

/// Each at the size that it has by itself.
fn all() -> Vec<Workload> {
    let names = [
        "create",
        "create-embedded",
        "idle",
        "stuck",
        "takeover",
        "churn",
        "api",
        "watchers",
        "agents",
        "docker",
        "placement",
        "floors",
    ];
    let parsed = names.map(|name| Arguments::try_parse_from(["drover-bench", name]));
    let parsed = parsed.into_iter().flatten();
    parsed.map(|arguments| arguments.workload).collect()
}

/// Small enough for under three minutes.
fn quick() -> Vec<Workload> {
    let create = create::Size {
        containers: 1_000,
        hosts: 20,
        connections: 64,
        watches: 1,
    };
    vec![
        Workload::Create(create),
        Workload::CreateEmbedded(create),
        Workload::Idle(idle::Size {
            containers: 60,
            hosts: 20,
        }),
        Workload::Stuck(stuck::Size {
            containers: 2_000,
            hosts: 10,
            rate: 50,
            seconds: 8,
        }),
        Workload::Takeover(takeover::Size {
            containers: 200,
            hosts: 20,
        }),
        Workload::Churn(churn::Size {
            rate: 50,
            hosts: 10,
            warm_up: 12,
            seconds: 10,
        }),
        Workload::Api(api::Size {
            containers: 1_000,
            seconds: 2,
            connections: 32,
        }),
        Workload::Watchers(watchers::Size {
            watchers: 200,
            rate: 100,
            seconds: 5,
        }),
        Workload::Agents(agents::Size {
            agents: 200,
            settle: 2,
            seconds: 5,
        }),
        Workload::Docker(docker::Size {
            containers: 20,
            connections: 8,
            rounds: 1,
        }),
        Workload::Placement(placement::Size {
            hosts: 5_000,
            containers: 100_000,
            placed: 200,
        }),
        Workload::Floors(floors::Size { seconds: 2 }),
    ]
}
