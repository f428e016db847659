//! The API alone: what one server and its database read, list and accept a second, asked by `wrk`
//! on the same processors.
//!
//! The containers that are read and listed run by then, and the process server is paused, so that
//! nothing is done about what is accepted. Reads go over a thousand containers in turn, and lists over
//! ten pages from the first to the last. Each answer is made from the database and written in full:
//! `wrk` shows no `If-None-Match`.
//!
//! The peer, where a Docker engine answers that is no swarm, is Docker Swarm: services of no containers,
//! created over as many connections, which its manager writes to its own log with `fsync` as well. It is
//! asked by the benchmark's own client, which costs more than `wrk` does.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use drover_scenarios::docker::Engine;
use drover_scenarios::process::{Process, Program, output};
use drover_scenarios::swarm::{Replicas, Swarm};
use futures::future::try_join_all;
use serde_json::json;

use crate::budget::Reading;
use crate::load::{container, create_all};
use crate::observer::{Observer, Seen};
use crate::outcome::Outcome;
use crate::system::System;

const SCRIPT: &str = include_str!("api.lua");
/// Until all containers run.
const WITHIN: Duration = Duration::from_secs(120);
const HOSTS: usize = 100;
/// Containers that are read in turn.
const READ: usize = 1_000;
/// Pages that are listed in turn.
const PAGES: usize = 10;
/// Before each measurement, in seconds.
const WARM_UP: u64 = 2;

/// How much is there, and who asks.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many containers are there
    #[arg(long, default_value_t = 10_000)]
    pub(crate) containers: usize,
    /// For how long each kind of request is measured, in seconds
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u64,
    /// Over how many connections
    #[arg(long, default_value_t = 32)]
    pub(crate) connections: u32,
}

pub(crate) async fn run(size: Size) -> Result<Outcome> {
    let parameters = json!({
        "containers": size.containers,
        "seconds": size.seconds,
        "connections": size.connections,
    });
    let mut system = System::cluster(1, &[], HOSTS).await?;
    let mut outcome = Outcome::of("api", parameters);
    let spec = container(&json!({ "name": "one", "labels": { "app": "bench" } }));
    let observer = Observer::begin(system.api()).await?;
    let created = create_all(&system, &spec, size.containers, 64).await?;
    let all = |seen: &Seen| (seen.running.len() >= size.containers).then_some(());
    observer.until("all of them run", WITHIN, all).await?;
    drop(observer);
    let servers = &mut system.cluster_parts()?.process_servers;
    servers.iter_mut().try_for_each(Process::pause)?;
    let wrk = Wrk::new(&system, size)?;

    let ids = created.iter().map(|one| one.id.as_str());
    let read = ids.take(READ).map(|id| format!("/v1/containers/{id}"));
    let read = Asked::get("read one", read.collect(), "> 8000");
    let pages = pages(&system, size.containers).await?;
    let list = Asked::get("list 100", pages, "> 800");
    let create = Asked {
        what: "create",
        method: "POST",
        body: spec,
        paths: vec!["/v1/containers".to_owned()],
        goal: "> 1200",
    };
    for asked in [read, list, create] {
        wrk.ask(&asked, WARM_UP).await?;
        let reading = Reading::first(&system).await?;
        let found = wrk.ask(&asked, size.seconds).await?;
        let mut cost = Outcome::of("api", json!({}));
        let answered = found.rate * size.seconds as f64;
        reading.end(&system, answered as usize, &mut cost).await?;
        let what = asked.what;
        outcome.add_with_goal(what, found.rate, "/s", asked.goal);
        outcome.add(format!("{what} p50"), found.p50, "ms");
        outcome.add(format!("{what} p99"), found.p99, "ms");
        outcome.detail(what, cost.by_name());
    }
    let ours = outcome.figure("create");
    drop(system);
    match peer(size).await {
        Ok(rate) => {
            outcome.add_headline("Swarm, services created", rate, "/s");
            let name = "create, to Swarm's services";
            outcome.add_headline(name, ours / rate * 100.0, "%");
        }
        Err(why) => outcome.detail("noPeer", json!(format!("{why:#}"))),
    }
    Ok(outcome)
}

/// The services a second that Docker Swarm creates, none of which has a container.
async fn peer(size: Size) -> Result<f64> {
    let engine = Engine::with_hello().await?;
    let label = Engine::own_label()?;
    let swarm = Swarm::begin(&engine).await?;
    let replicas = Replicas {
        count: 0,
        command: &[],
        network: "host",
        label: (&label.0, &label.1),
    };
    let began = Instant::now();
    let end = began + Duration::from_secs(size.seconds);
    let creating = (0..size.connections).map(|connection| {
        let swarm = &swarm;
        async move {
            let mut count = 0_u32;
            while Instant::now() < end {
                swarm
                    .create(&format!("drover-{connection}-{count}"), replicas)
                    .await?;
                count += 1;
            }
            anyhow::Ok(count)
        }
    });
    let created: u32 = try_join_all(creating).await?.into_iter().sum();
    Ok(f64::from(created) / began.elapsed().as_secs_f64())
}

/// One kind of request, to several addresses in turn.
struct Asked {
    what: &'static str,
    method: &'static str,
    body: String,
    paths: Vec<String>,
    goal: &'static str,
}

impl Asked {
    fn get(what: &'static str, paths: Vec<String>, goal: &'static str) -> Self {
        Self {
            what,
            method: "GET",
            body: String::new(),
            paths,
            goal,
        }
    }
}

/// The addresses of some pages of a hundred containers, evenly from the first to the last.
async fn pages(system: &System, containers: usize) -> Result<Vec<String>> {
    let all = containers.div_ceil(100);
    let mut path = "/v1/containers?limit=100".to_owned();
    let mut pages = Vec::new();
    for number in 0..all {
        if number % all.div_ceil(PAGES) == 0 {
            pages.push(path.clone());
        }
        let page = system.api().get(&path).await?.expect(200)?;
        let Some(next) = page["pagination"]["next"].as_str() else {
            break;
        };
        path = format!("/v1/containers?limit=100&marker={next}");
    }
    Ok(pages)
}

/// The program that asks, with its script in a file.
struct Wrk {
    script: PathBuf,
    server: String,
    authorization: String,
    connections: String,
}

/// What it found: answers a second, and within how many milliseconds.
struct Found {
    rate: f64,
    p50: f64,
    p99: f64,
}

impl Wrk {
    fn new(system: &System, size: Size) -> Result<Self> {
        let name = format!("drover-bench-{}.lua", std::process::id());
        let script = std::env::temp_dir().join(name);
        std::fs::write(&script, SCRIPT)?;
        let key = std::fs::read_to_string(&system.drover().key_file)?;
        let server = system.api().servers().first().context("an API server")?;
        Ok(Self {
            script,
            server: server.clone(),
            authorization: format!("Authorization: Bearer {}", key.trim()),
            connections: size.connections.to_string(),
        })
    }

    async fn ask(&self, asked: &Asked, seconds: u64) -> Result<Found> {
        let wrk = Program::new("wrk", "/usr/bin/wrk")
            .arguments(["--threads", "1", "--connections", &self.connections])
            .arguments(["--duration", &format!("{seconds}s")])
            .arguments(["--header", &self.authorization])
            .arguments(["--script", &self.script.display().to_string()])
            .argument(self.server.as_str())
            .arguments(["--", asked.method, &asked.body])
            .arguments(asked.paths.iter().map(String::as_str));
        let said = output(wrk, Duration::from_secs(seconds + 30)).await?;
        let found = said.lines().find_map(|line| line.strip_prefix("FOUND "));
        let numbers: Result<Vec<f64>, _> = found
            .context("wrk tells what it found")?
            .split_whitespace()
            .map(str::parse)
            .collect();
        let [rate, p50, p99, failed] = numbers?[..] else {
            anyhow::bail!("wrk tells four numbers");
        };
        ensure!(failed == 0.0, "{failed} requests of {} failed", asked.what);
        Ok(Found { rate, p50, p99 })
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.script));
    }
}
