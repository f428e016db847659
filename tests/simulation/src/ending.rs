//! The end of a simulation: nothing goes wrong any more, and everything must come to rest.

use std::time::Duration;

use drover_bus::Announcer;
use drover_domain::lifecycle::Request;
use drover_domain::process::Cause;
use drover_domain::write::{Asked, Intent};
use drover_domain::{Phase, ProcessId, Resource, ResourceType, State, Timestamp};
use drover_proto::v1::seen_container;
use drover_store::{ProcessFilter, Store, StoreError};

use crate::agents::Agents;
use crate::faults::Plan;
use crate::invariants::{Watch, all, all_processes};
use crate::kernel::Kernel;
use crate::locks::LockTable;
use crate::servers::Servers;

/// How often it is looked whether everything has come to rest.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Longer than the deadlines of two processes that follow one another.
pub const PATIENCE: Duration = Duration::from_secs(40 * 60);

/// Whoever watches over the end.
pub struct Judge {
    /// The kernel.
    pub kernel: Kernel,
    /// The database.
    pub store: Store,
    /// The lock service.
    pub table: LockTable,
    /// The process servers.
    pub servers: Servers,
    /// The agents.
    pub agents: Agents,
    /// How hints go out.
    pub announcer: Announcer,
    /// Whether every host connects anew before it is judged.
    pub hosts_come_back: bool,
    /// How long everything may take to come to rest.
    pub patience: Duration,
}

impl Judge {
    /// Waits for the moment, then for rest, and ends the run.
    pub async fn judge(self, watch: std::sync::Arc<Watch>, end: Timestamp) {
        self.kernel.sleep(self.kernel.now().until(end)).await;
        self.kernel.log("----", "nothing goes wrong from here on");
        self.kernel.set_plan(Plan::CALM);
        self.servers.recover();
        let judged = async {
            // Twice: what was given up while a host was away is taken from it when it comes back.
            for _ in 0..2 {
                if self.hosts_come_back {
                    (0..self.agents.ids().len()).for_each(|host| self.agents.connect(host));
                }
                if !self.rests(end).await? {
                    return Ok(());
                }
            }
            watch.look_at_everything().await?;
            self.look_at_rest().await
        };
        if let Err(error) = judged.await {
            let error: StoreError = error;
            self.kernel.violate(format!("the database failed: {error}"));
        }
        self.kernel.log("----", "everything rests");
        self.kernel.end();
    }

    /// Waits until there is nothing left to do. False, and a violation, if there always is.
    async fn rests(&self, end: Timestamp) -> Result<bool, StoreError> {
        loop {
            self.kernel.sleep(LOOK_EVERY).await;
            let unfinished = self.store.processes(&unfinished()).await?;
            let is_idle = self.agents.are_idle() && self.table.held() == 0;
            let all_active = self.activate_hosts().await?;
            if unfinished.is_empty() && is_idle && all_active {
                return Ok(true);
            }
            if end.until(self.kernel.now()) > self.patience {
                let left = unfinished.iter().map(|process| process.id.to_string());
                self.kernel.violate(format!(
                    "no rest: unfinished are [{}], agents are {}, {} locks are held",
                    left.collect::<Vec<_>>().join(", "),
                    if self.agents.are_idle() {
                        "idle"
                    } else {
                        "not idle"
                    },
                    self.table.held(),
                ));
                return Ok(false);
            }
        }
    }

    /// Takes every host into use, so that nothing waits for one.
    async fn activate_hosts(&self) -> Result<bool, StoreError> {
        let mut all_active = true;
        for host in self.store.resources(&all(ResourceType::Host)).await? {
            all_active &= host.state == State::Active;
            let asked = Asked {
                request: Request::Activate,
                force: false,
                process: ProcessId::new(self.kernel.id()),
                cause: Cause::default(),
                now: self.kernel.now(),
                policy: None,
            };
            if let Ok(intent) = Intent::to_change(host, asked) {
                let (process, resource) = (intent.process.id, intent.resource.reference());
                let priority = intent.process.priority;
                self.store.accept(intent).await?;
                self.announcer.ready(process, resource, priority).await;
            }
        }
        Ok(all_active)
    }

    /// What must hold at rest.
    async fn look_at_rest(&self) -> Result<(), StoreError> {
        for process in self.store.processes(&all_processes()).await? {
            if !process.phase.is_finished() {
                self.kernel
                    .violate(format!("{} is {} at rest", process.id, process.phase));
            }
        }
        let containers = self.store.resources(&all(ResourceType::Container)).await?;
        for container in &containers {
            self.look_at_container(container);
        }
        let hosts = self.agents.hosts();
        let unknown = hosts
            .iter()
            .flat_map(|host| host.machine.keys())
            .find(|id| !containers.iter().any(|row| row.id == **id))
            .copied();
        drop(hosts);
        if let Some(unknown) = unknown {
            self.kernel.violate(format!(
                "{unknown} is on a machine, and there is no row of it"
            ));
        }
        Ok(())
    }

    /// A container is on its machine as its row says.
    fn look_at_container(&self, row: &Resource) {
        let there: Vec<seen_container::State> = {
            let hosts = self.agents.hosts();
            let made = hosts.iter().filter_map(|host| host.machine.get(&row.id));
            made.map(|made| made.state).collect()
        };
        let runs = there.contains(&seen_container::State::Running);
        let is_as_it_should = match row.state {
            State::Running => runs,
            State::Created | State::Stopped => !runs,
            State::Removed => there.is_empty(),
            // Nobody knows how far it got.
            State::Error => true,
            _ => false,
        };
        if !is_as_it_should {
            self.kernel.violate(format!(
                "{} is {} at rest, its machine has it as {there:?}",
                row.id, row.state
            ));
        }
    }
}

fn unfinished() -> ProcessFilter {
    ProcessFilter {
        phases: vec![Phase::Queued, Phase::Running, Phase::Waiting],
        ..all_processes()
    }
}
