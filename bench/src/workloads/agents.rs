//! W6: thousands of agents at one agent server: what each costs while nothing happens, and how long it
//! takes until all are back after the server was killed.
//!
//! The agents are those of `droverd simulate`: one process, one connection for each host, heartbeats as
//! they are by default. What they cost is told beside what the server costs, since both share the
//! processors. Rows written are counted by PostgreSQL, statement by statement.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use drover_scenarios::until::until;
use serde_json::json;

use crate::budget::{Reading, resident_kib};
use crate::outcome::Outcome;
use crate::system::System;

const WITHIN: Duration = Duration::from_secs(300);
/// The gauge of the agent server.
const CONNECTED: &str = "drover_agents_connected";

/// How many there are, and for how long they are looked at.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many agents
    #[arg(long, default_value_t = 5_000)]
    pub(crate) agents: usize,
    /// How long they are left alone when all are connected, in seconds, until what came with their
    /// arrival is done
    #[arg(long, default_value_t = 15)]
    pub(crate) settle: u64,
    /// How long they are idle, in seconds
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
}

pub(crate) async fn run(size: Size) -> Result<Outcome> {
    let Size {
        agents,
        settle,
        seconds,
    } = size;
    let parameters = json!({ "agents": agents, "settle": settle, "seconds": seconds });
    let mut system = System::cluster(1, &[], 0).await?;
    let mut outcome = Outcome::of("agents", parameters);
    let server = system.cluster_parts()?.agent_servers[0].id();
    let (alone, began) = (resident_kib(server), Instant::now());
    system.add_hosts("idle", agents, &[]).await?;
    all_are_connected(&system, agents).await?;
    let arrived = began.elapsed().as_secs_f64();
    tokio::time::sleep(Duration::from_secs(settle)).await;

    let idle = read(&system, agents, Duration::from_secs(seconds)).await?;
    let core = |part: &str| idle.of(&format!("cpu of {part}, each")) * agents as f64 / 1e4;
    let each = (resident_kib(server) - alone) / agents as f64;
    let grown = "memory of the agent server, for each";
    outcome.add("registered and connected within", arrived, "s");
    outcome.add_with_goal(
        "agent server, share of a core",
        core("agentServer") / idle.seconds,
        "%",
        "< 20",
    );
    outcome.add_with_goal(grown, each, "KiB", "< 40");
    outcome.add(
        "simulated hosts, share of a core",
        core("simulatedHosts") / idle.seconds,
        "%",
    );
    outcome.add("rows written for each while idle", idle.of(ROWS), "");

    let reading = Reading::first(&system).await?;
    let server = &mut system.cluster_parts()?.agent_servers[0];
    server.kill_hard()?;
    server.start_again()?;
    let restarted = Instant::now();
    all_are_connected(&system, agents).await?;
    let back = restarted.elapsed().as_secs_f64();
    system.until_all_hosts_are_active(WITHIN).await?;
    let active = restarted.elapsed().as_secs_f64();
    let mut storm = Outcome::of("agents", json!({}));
    reading.end(&system, agents, &mut storm).await?;
    let storm = Figures {
        outcome: storm,
        seconds: active,
    };
    outcome.add_with_goal("all connected after a restart", back, "s", "< 20");
    outcome.add("all hosts active after a restart", active, "s");
    outcome.add_with_goal(
        "rows written for each by a restart",
        storm.of(ROWS),
        "",
        "< 6",
    );
    let commits = storm.of("postgres writeTransactions, each");
    outcome.add("write transactions for each by a restart", commits, "");
    outcome.detail("idle", idle.outcome.by_name());
    outcome.detail("restart", storm.outcome.by_name());
    outcome.detail(
        "statementsOfRestart",
        storm.outcome.details()["statements"].clone(),
    );
    Ok(outcome)
}

const ROWS: &str = "postgres rows, each";

/// What a while has cost for each agent.
struct Figures {
    outcome: Outcome,
    seconds: f64,
}

impl Figures {
    fn of(&self, name: &str) -> f64 {
        self.outcome.by_name()[name].as_f64().unwrap_or(f64::NAN)
    }
}

async fn read(system: &System, agents: usize, during: Duration) -> Result<Figures> {
    let (mut outcome, began) = (Outcome::of("agents", json!({})), Instant::now());
    let reading = Reading::first(system).await?;
    tokio::time::sleep(during).await;
    reading.end(system, agents, &mut outcome).await?;
    let seconds = began.elapsed().as_secs_f64();
    Ok(Figures { outcome, seconds })
}

/// Asks the agent server itself; it is the last that has a port for its health.
async fn all_are_connected(system: &System, agents: usize) -> Result<()> {
    let health = system.drover().health.last().context("an agent server")?;
    let address = format!("{health}/metrics");
    until("all agents are connected", WITHIN, || async {
        // It may not listen yet.
        let connected = gauge(&reqwest::get(&address).await?.text().await?);
        ensure!(connected >= agents as f64, "{connected} of {agents} are");
        Ok(())
    })
    .await
}

fn gauge(metrics: &str) -> f64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(CONNECTED));
    let value = line.and_then(|rest| rest.rsplit(' ').next()?.parse().ok());
    value.unwrap_or_default()
}
