//! W2: real containers, by the bare Docker API, by Drover and by Docker Swarm, on the same engine in the
//! same run.
//!
//! Rounds of the three take turns, so that what the machine does besides weighs on all alike; each begins
//! with a machine at rest and an engine that has none of the containers of the round before, and that is a
//! swarm while it is Swarm's turn only. A round is over when the last of its containers runs: by the answer to its start for
//! the bare API, by a watch of Drover's API for Drover, by the list of its tasks for Swarm; the latter two
//! have it in their databases then. The figures to quote are the ratios of the medians.
//!
//! All three start the same image with the same command in the same network: the host's, or Docker's default
//! bridge (`--network bridge`), where Linux makes the devices of each container one after the other and all
//! three wait for that. Swarm's own networks need more of the kernel than every machine has (IPVS). An engine
//! that is part of a swarm already is somebody's, and then the peer is left out.

use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bollard::models::{ContainerCreateBody, HostConfig};
use clap::ValueEnum;
use drover_scenarios::docker::{Engine, HELLO};
use drover_scenarios::installation::Drover;
use drover_scenarios::swarm::{Replicas, Swarm};
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::budget::{Reading, resident_kib};
use crate::load::create_all;
use crate::machine;
use crate::observer::{Observer, Seen};
use crate::outcome::{Outcome, Times};
use crate::system::System;

const WITHIN: Duration = Duration::from_secs(300);
/// What each container runs: nothing that needs a port, and it ends when it is told to.
const COMMAND: [&str; 3] = ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 3600 & wait $!"];
/// The service of Swarm's rounds.
const SERVICE: &str = "drover-bench";

/// How many containers, how often.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many containers a round
    #[arg(long, default_value_t = 100)]
    pub(crate) containers: usize,
    /// How many requests at a time, to the bare API and to Drover's
    #[arg(long, default_value_t = 8)]
    pub(crate) connections: usize,
    /// How many rounds of each
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// The network that all containers join
    #[arg(long, value_enum, default_value_t = Network::Host)]
    pub(crate) network: Network,
    /// How many containers the agent holds when its memory is looked at
    #[arg(long, default_value_t = 50)]
    pub(crate) held: usize,
}

/// A network that every host has, and that Swarm knows.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Network {
    Host,
    Bridge,
}

impl Network {
    const fn name(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Bridge => "bridge",
        }
    }
}

/// By a cluster, with one agent beside it.
pub(crate) async fn on_cluster(size: Size) -> Result<Outcome> {
    let mut system = System::with_docker().await?;
    let mut outcome = Outcome::of("docker", size.parameters());
    let agent = system.cluster_parts()?.agents[0].id();
    let alone = resident_kib(agent) / 1024.0;
    let observer = warm_up(&system, size).await?;
    let held = resident_kib(agent) / 1024.0;
    clear(&system, &observer).await?;
    compare(&system, &observer, size, &mut outcome).await?;
    outcome.add("memory of the agent with none", alone, "MiB");
    let name = format!("memory of the agent with {}", size.held);
    outcome.add_with_goal(name, held, "MiB", "< 15");
    Ok(outcome)
}

/// By `droverd standalone`, which is its own agent.
pub(crate) async fn on_one_process(size: Size) -> Result<Outcome> {
    let system = System::embedded_with_docker().await?;
    let mut outcome = Outcome::of("docker-embedded", size.parameters());
    let observer = warm_up(&system, size).await?;
    clear(&system, &observer).await?;
    compare(&system, &observer, size, &mut outcome).await?;
    Ok(outcome)
}

impl Size {
    fn parameters(self) -> Value {
        json!({
            "containers": self.containers, "connections": self.connections, "rounds": self.rounds,
            "network": self.network.name(),
        })
    }
}

/// Runs the containers that the agent is to hold, so that nothing is done for the first time later.
async fn warm_up(system: &System, size: Size) -> Result<Observer> {
    let observer = Observer::begin(system.api()).await?;
    let held = Size {
        containers: size.held,
        ..size
    };
    by_drover(system, &observer, held, None).await?;
    Ok(observer)
}

/// The rounds of all three.
async fn compare(
    system: &System,
    observer: &Observer,
    size: Size,
    outcome: &mut Outcome,
) -> Result<()> {
    // An engine may be unable to be one, too: those that keep containers alive without themselves are.
    let has_peer = match Swarm::begin(system.drover().engine()?).await {
        Ok(_) => true,
        Err(why) => {
            outcome.detail("noPeer", json!(format!("{why:#}")));
            false
        }
    };
    let (mut bare, mut ours, mut peers) = (Vec::new(), Vec::new(), Vec::new());
    let mut times = Vec::new();
    for round in 1..=size.rounds {
        bare.push(by_hand(system.drover(), size).await?);
        let costs = (round == size.rounds).then_some(&mut *outcome);
        let (rate, round) = by_drover(system, observer, size, costs).await?;
        ours.push(rate);
        times.extend(round);
        clear(system, observer).await?;
        if has_peer {
            peers.push(by_swarm(system.drover(), size).await?);
        }
    }
    outcome.detail("bareRounds", json!(bare));
    outcome.detail("droverRounds", json!(ours));
    outcome.detail("swarmRounds", json!(peers));
    let (bare, ours, peer) = (median(bare), median(ours), median(peers));
    outcome.add_headline("bare Docker API, running", bare, "/s");
    outcome.add_headline("Drover, running", ours, "/s");
    outcome.add_with_goal("Drover to bare", ours / bare * 100.0, "%", "> 95");
    if has_peer {
        outcome.add_headline("Swarm, running", peer, "/s");
        outcome.add("Swarm to bare", peer / bare * 100.0, "%");
        outcome.add_headline("Drover to Swarm", ours / peer * 100.0, "%");
    }
    Times::of(times).add_to(outcome, "asked to running");
    Ok(())
}

/// One round of Drover: containers a second, and how long each took; and what they have cost, if that is
/// asked for.
async fn by_drover(
    system: &System,
    observer: &Observer,
    size: Size,
    costs: Option<&mut Outcome>,
) -> Result<(f64, Vec<Duration>)> {
    let spec = json!({
        "start": true, "command": COMMAND, "networks": [{ "network": size.network.name() }],
    });
    let spec = system.drover().hello(spec).to_string();
    machine::until_at_rest().await;
    let before = Reading::first(system).await?;
    let created = create_all(system, &spec, size.containers, size.connections).await?;
    let ran = |seen: &Seen| {
        let moments = created.iter().map(|one| seen.running.get(&one.id).copied());
        moments.collect::<Option<Vec<_>>>()
    };
    let ran = observer.until("all run", WITHIN, ran).await?;
    if let Some(outcome) = costs {
        before.end(system, size.containers, outcome).await?;
    }
    let first = created.iter().map(|one| one.asked).min().context("one")?;
    let last = ran.iter().max().context("one")?;
    let rate = size.containers as f64 / (*last - first).as_secs_f64();
    let times = created.iter().zip(ran);
    let times = times.map(|(one, ran)| ran.saturating_duration_since(one.asked));
    Ok((rate, times.collect()))
}

/// Removes all containers of Drover, which Docker has none of then.
async fn clear(system: &System, observer: &Observer) -> Result<()> {
    let mut connection = system.connect().await?;
    let mut running: Vec<String> = observer.seen().running.keys().cloned().collect();
    running.retain(|id| !observer.seen().removed.contains(id));
    for id in &running {
        connection
            .delete(&format!("/v1/containers/{id}?force=true"))
            .await?;
    }
    let all = |seen: &Seen| {
        running
            .iter()
            .all(|id| seen.removed.contains(id))
            .then_some(())
    };
    observer.until("all are removed", WITHIN, all).await?;
    system.drover().docker_has_exactly(&[]).await
}

/// One round of the bare API, with what Drover would ask it for: containers a second.
async fn by_hand(drover: &Drover, size: Size) -> Result<f64> {
    let engine = drover.engine()?;
    let left = Cell::new(size.containers);
    machine::until_at_rest().await;
    let began = Instant::now();
    let workers = (0..size.connections).map(|_| async {
        while left.get() > 0 {
            left.set(left.get() - 1);
            create_and_start(engine, drover.label(), size.network).await?;
        }
        anyhow::Ok(())
    });
    try_join_all(workers).await?;
    let rate = size.containers as f64 / began.elapsed().as_secs_f64();
    let (name, value) = drover.label();
    let made = engine.containers(name, value).await?;
    ensure!(made.len() == size.containers, "{} are there", made.len());
    engine.remove_containers(name, value).await?;
    Ok(rate)
}

/// One round of Swarm, as one service: containers a second.
async fn by_swarm(drover: &Drover, size: Size) -> Result<f64> {
    let engine = drover.engine()?;
    let swarm = Swarm::begin(engine).await?;
    let replicas = Replicas {
        count: size.containers,
        command: &COMMAND,
        network: size.network.name(),
        label: drover.label(),
    };
    machine::until_at_rest().await;
    let began = Instant::now();
    swarm.create(SERVICE, replicas).await?;
    swarm
        .wait_until_running(SERVICE, size.containers, WITHIN)
        .await?;
    let rate = size.containers as f64 / began.elapsed().as_secs_f64();
    swarm.remove(SERVICE, drover.label()).await?;
    Ok(rate)
}

async fn create_and_start(
    engine: &Engine,
    (name, value): (&str, &str),
    network: Network,
) -> Result<()> {
    let body = ContainerCreateBody {
        image: Some(HELLO.to_owned()),
        cmd: Some(COMMAND.map(str::to_owned).to_vec()),
        labels: Some(HashMap::from([(name.to_owned(), value.to_owned())])),
        host_config: Some(HostConfig {
            network_mode: Some(network.name().to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let created = engine.client.create_container(None, body).await?;
    engine.client.start_container(&created.id, None).await?;
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
