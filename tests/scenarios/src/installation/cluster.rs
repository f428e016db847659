//! A cluster: its own PostgreSQL, NATS and etcd, and every service twice, or as its shape says.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::drover::Ground;
use super::{Drover, Runtime, Shape, executables};
use crate::detour::Detour;
use crate::etcd::Etcd;
use crate::http;
use crate::nats::Nats;
use crate::network::Network;
use crate::ports::Port;
use crate::postgres::Postgres;
use crate::process::{Process, Program, output};
use crate::until::until;

const START_WITHIN: Duration = Duration::from_secs(60);
/// What secrets are sealed with.
const KEYS: &str = "# for tests\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\n";

/// API servers, process servers, agent servers and agents, each an operating-system process of its
/// own; all gone when this is dropped.
#[derive(Debug)]
pub struct Cluster {
    /// The agents, first so that they are the first to go.
    pub agents: Vec<Process>,
    /// The agent servers.
    pub agent_servers: Vec<Process>,
    /// The process servers.
    pub process_servers: Vec<Process>,
    /// The API servers.
    pub api_servers: Vec<Process>,
    /// What a client sees of it.
    pub drover: Drover,
    /// The database.
    pub postgres: Postgres,
    /// The event bus.
    pub nats: Nats,
    /// The lock service.
    pub etcd: Etcd,
    /// How the agent servers reach the bus, if not straight away.
    pub detour: Option<Detour>,
    agent_ports: Vec<u16>,
    health: Vec<Port>,
    _ports: Vec<Port>,
}

impl Cluster {
    /// Starts a cluster and waits until its three hosts are active.
    ///
    /// # Errors
    /// When a part of it does not come up.
    pub async fn start(runtime: Runtime) -> Result<Self> {
        Self::start_with(runtime, &[]).await
    }

    /// The same, with further flags for the process servers.
    ///
    /// # Errors
    /// When a part of it does not come up.
    pub async fn start_with(runtime: Runtime, process_flags: &[&str]) -> Result<Self> {
        let process_flags = process_flags.iter().map(|flag| (*flag).to_owned());
        let shape = Shape {
            process_flags: process_flags.collect(),
            ..Shape::default()
        };
        Self::of(runtime, &shape).await
    }

    /// Starts a cluster of some shape and waits until its hosts, if it has any, are active.
    ///
    /// # Errors
    /// When a part of it does not come up.
    pub async fn of(runtime: Runtime, shape: &Shape) -> Result<Self> {
        let ground = Ground::prepare(runtime).await?;
        let logs = ground.folder.path().to_owned();
        let settings: Vec<&str> = shape.postgres_settings.iter().map(String::as_str).collect();
        let postgres = Postgres::start_with(&settings);
        let (postgres, nats, etcd) = tokio::try_join!(postgres, Nats::start(), Etcd::start())?;
        let data_dir = logs.join("data");
        migrate(&postgres, &data_dir).await?;

        let detour = match shape.has_detour {
            true => Some(Detour::to(nats.address()).await?),
            false => None,
        };
        let keys = logs.join("secrets.key");
        std::fs::write(&keys, KEYS)?;
        let plan = Plan {
            logs: &logs,
            keys: keys.display().to_string(),
            database: postgres.url(),
            bus: nats.url(),
            agents_bus: detour
                .as_ref()
                .map_or_else(|| nats.url(), |way| format!("nats://{}", way.address())),
            locks: etcd.url(),
        };
        let (api_ports, agent_ports) = (reserve(shape.api_servers)?, reserve(shape.agent_servers)?);
        let health = reserve(shape.api_servers + shape.process_servers + shape.agent_servers)?;
        let mut health_ports = health.iter();
        let mut serve = |role: &str, index: usize, flags: Vec<String>| -> Result<Process> {
            let health = health_ports.next().context("a port for health")?;
            plan.serve(role, index, health)?
                .arguments(flags)
                .start(plan.logs)
        };
        let flag = |name: &str, value: String| vec![name.to_owned(), value];
        let (mut apis, mut processes, mut agents) = (Vec::new(), Vec::new(), Vec::new());
        for (index, port) in api_ports.iter().enumerate() {
            apis.push(serve("api", index, flag("--listen", port.address()))?);
        }
        for index in 0..shape.process_servers {
            let mut flags = flag("--etcd-url", plan.locks.clone());
            flags.extend_from_slice(&shape.process_flags);
            processes.push(serve("process", index, flags)?);
        }
        for (index, port) in agent_ports.iter().enumerate() {
            let address = match shape.is_open_to_networks {
                true => format!("0.0.0.0:{}", port.number()),
                false => port.address(),
            };
            agents.push(serve("agent", index, flag("--agent-listen", address))?);
        }
        let agent_numbers = agent_ports.iter().map(Port::number).collect();
        let drover = Drover::new(
            ground,
            api_ports.iter().map(Port::url).collect(),
            agent_ports.iter().map(Port::url).collect(),
            health.iter().map(Port::url).collect(),
            data_dir.join("operator.key"),
        )?;
        let mut cluster = Self {
            agents: Vec::new(),
            agent_servers: agents,
            process_servers: processes,
            api_servers: apis,
            drover,
            postgres,
            nats,
            etcd,
            detour,
            agent_ports: agent_numbers,
            health,
            _ports: api_ports.into_iter().chain(agent_ports).collect(),
        };
        cluster.wait_until_servers_are_ready().await?;
        cluster.start_agents(runtime, shape.agents).await?;
        Ok(cluster)
    }

    /// Waits until every server says that it can do its work.
    ///
    /// # Errors
    /// When one has ended or does not come up.
    pub async fn wait_until_servers_are_ready(&mut self) -> Result<()> {
        let http = http::client()?;
        let urls: Vec<String> = self.health.iter().map(Port::url).collect();
        let servers = [
            &mut self.api_servers,
            &mut self.process_servers,
            &mut self.agent_servers,
        ];
        let mut servers: Vec<&mut Process> = servers.into_iter().flatten().collect();
        until("all servers are ready", START_WITHIN, || {
            let alive: Result<()> = servers
                .iter_mut()
                .try_for_each(|server| server.ensure_running());
            let asked = urls
                .iter()
                .map(|url| http.get(format!("{url}/readyz")).send());
            let asked = futures::future::join_all(asked);
            async move {
                if alive.is_err() {
                    return Ok(alive);
                }
                for answer in asked.await {
                    let answer = answer?;
                    ensure!(answer.status() == 200, "{} is not ready", answer.url());
                }
                Ok(Ok(()))
            }
        })
        .await?
    }

    async fn start_agents(&mut self, runtime: Runtime, count: usize) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        let asked = json!({ "name": "scenario", "maximumUses": count });
        let reply = self
            .drover
            .api
            .post("/v1/registrationTokens", &asked)
            .await?;
        let token = reply.expect(201)?["token"].as_str().map(str::to_owned);
        let token = token.context("a new registration token is shown")?;
        for index in 0..count {
            self.agents.push(self.agent(index, runtime, &token)?);
        }
        self.wait_until_hosts_are_active().await
    }

    /// An agent of a data directory of its own, as `drover-agent` or as `droverd agent`: both are
    /// to serve.
    fn agent(&self, index: usize, runtime: Runtime, token: &str) -> Result<Process> {
        let name = format!("host-{index}");
        let program = match index {
            1 => executables::program("droverd", &name)?.argument("agent"),
            _ => executables::program("drover-agent", &name)?,
        };
        let folder = self.drover.folder();
        program
            .arguments(["--server", &self.drover.agent_servers.join(",")])
            .arguments(["--registration-token", token, "--host-name", &name])
            .arguments(["--runtime", runtime.as_str()])
            .arguments(["--data-dir", &folder.join(&name).display().to_string()])
            .start(folder)
    }

    /// Starts an agent in a network of its own, with a simulated runtime, and waits until its host is
    /// active. Its process is the last of `agents`; the host has this name.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_agent_within(&mut self, network: &Network, name: &str) -> Result<()> {
        let asked = json!({ "name": name, "maximumUses": 1 });
        let api = &self.drover.api;
        let reply = api.post("/v1/registrationTokens", &asked).await?;
        let token = reply.expect(201)?["token"].as_str().map(str::to_owned);
        let token = token.context("a new registration token is shown")?;
        let outside = network.outside();
        let servers = self.agent_ports.iter();
        let servers = servers.map(|port| format!("http://{outside}:{port}"));
        let servers = servers.collect::<Vec<_>>().join(",");
        let folder = self.drover.folder();
        let agent = executables::program("drover-agent", name)?
            .within(network)
            .arguments(["--server", &servers, "--allow-plain-http"])
            .arguments(["--registration-token", &token, "--host-name", name])
            .arguments(["--runtime", Runtime::Simulated.as_str()])
            .arguments(["--data-dir", &folder.join(name).display().to_string()])
            .start(folder)?;
        self.agents.push(agent);
        self.wait_until_hosts_are_active().await
    }

    /// Waits until each host is active.
    ///
    /// # Errors
    /// When an agent has ended or a host does not come up.
    pub async fn wait_until_hosts_are_active(&mut self) -> Result<()> {
        let (agents, drover) = (&mut self.agents, &self.drover);
        let count = agents.len();
        until("all hosts are active", START_WITHIN, || {
            let alive: Result<()> = agents.iter_mut().try_for_each(Process::ensure_running);
            async move {
                if alive.is_err() {
                    return Ok(alive);
                }
                let hosts = drover.api.list("/v1/hosts?state=active").await?;
                ensure!(hosts.len() == count, "{} hosts are active", hosts.len());
                Ok(Ok(()))
            }
        })
        .await?
    }
}

/// Where the servers of a cluster find one another.
struct Plan<'a> {
    logs: &'a Path,
    /// The file with the keys of secrets.
    keys: String,
    database: String,
    bus: String,
    /// The bus as agent servers reach it.
    agents_bus: String,
    locks: String,
}

impl Plan<'_> {
    fn serve(&self, role: &str, index: usize, health: &Port) -> Result<Program> {
        let program = executables::program("droverd", format!("{role}-{index}"))?;
        let bus = match role {
            "agent" => &self.agents_bus,
            _ => &self.bus,
        };
        let program = program
            .arguments(["serve", "--role", role])
            .arguments(["--database-url", &self.database, "--nats-url", bus])
            .arguments(["--health-listen", &health.address()]);
        Ok(match role {
            "agent" => program,
            _ => program.arguments(["--secrets-key-file", &self.keys]),
        })
    }
}

async fn migrate(postgres: &Postgres, data_dir: &Path) -> Result<()> {
    let migrate = executables::program("droverd", "migrate")?
        .arguments(["migrate", "--database-url", &postgres.url()])
        .arguments(["--data-dir", &data_dir.display().to_string()]);
    output(migrate, START_WITHIN).await.map(drop)
}

fn reserve(count: usize) -> Result<Vec<Port>> {
    (0..count).map(|_| Port::reserve()).collect()
}
