//! Containers that exist in memory only, for tests and for thousands of hosts on one machine.
//!
//! The simulated runtime behaves as Docker does towards Drover: what is repeated has one effect, a
//! host port has one holder, what was removed is gone, what ends by itself is told of. Labels on a
//! container steer it; nothing else is needed to make a host slow or faulty.
//!
//! | label | effect |
//! | --- | --- |
//! | `sim.delay=5s` | each action takes so long |
//! | `sim.pull=5s` | the image is not there at first, and fetching it takes so long; without the label every image is there |
//! | `sim.login=robot` | it can be fetched only by who logs in as `robot` |
//! | `sim.fail=start` | this action always fails: `create`, `start`, `stop`, `remove`, or `pull` of an image |
//! | `sim.fail=start:2` | it fails the first two times |
//! | `sim.exit-after=5s` | the container ends so long after each start |
//! | `sim.exit-code=3` | with this code; 0 otherwise |
//! | `sim.disconnect=start` | the connection of the agent breaks once this action is carried out, before its reply is sent: the first time |
//! | `sim.disconnect=start:3` | the first three times |
//! | `sim.health=unhealthy` | each probe fails; without the label each succeeds, as with `healthy` |
//! | `sim.health=unhealthy-after=5s` | it fails from so long after each start on |
//! | `sim.health=healthy-after=5s` | it fails until so long after each start |
//!
//! | `sim.log-lines=3` | it writes so many lines at each start, 1 without the label; every fifth goes to stderr |
//! | `sim.log-every=100ms` | it writes another one that often while it runs |
//! | `sim.log-bytes=4000` | each line is so long |
//!
//! A container that is to be started when it is made is, unless a label is about its start.
//!
//! Health is looked at only where the container has a health check; what that would try does not matter.
//! Durations are a number and `ms`, `s` or `m`. A label that cannot be read is refused at
//! creation, like any other mistake in a container's description.
//!
//! Of commands that are run inside a container these do something: `echo WORDS`, `fail WORDS` (to stderr,
//! and ends with 1), `exit CODE`, `env`, `yes` (writes without end), `size` (of its terminal, now and
//! whenever it changes). Every other one writes what it reads, and ends with 0 when that ends.
//!
//! One lock guards the state and is never held while anything waits. A container costs a few
//! hundred bytes, and a task only while it is on its way to an end of its own.

mod by_hand;
mod machine;
mod script;
mod storage;
mod streams;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use drover_domain::ResourceId;
use drover_domain::resource::{HealthCheck, HostFacts, Probe};
use drover_domain::stream::{ExecRequest, LogsRequest, StatsRequest};
use drover_proto::v1::mount::Source;
use drover_proto::v1::{CreateContainer, MakeVolume, PullImage, SeenContainer, SeenVolume};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast};

use self::machine::{Machine, Started};
use self::script::{Action, Script};
use super::streams::{Exec, OutputStream, UsageStream};
use super::{HostPaths, Progress, Runtime, RuntimeError, RuntimeEvent};

/// How long an action takes whose label breaks the connection: its reply finds none.
const CUT_FOR: Duration = Duration::from_millis(100);
/// Events that a slow reader may be behind before it is told that it missed some.
const EVENTS_KEPT: usize = 1_024;

/// A simulated engine. Clones are the same.
#[derive(Clone)]
pub struct SimulatedRuntime {
    machine: Arc<Mutex<Machine>>,
    events: broadcast::Sender<RuntimeEvent>,
    capacity: Option<(u32, u64)>,
    paths: Arc<HostPaths>,
    cut: Arc<Notify>,
}

impl Default for SimulatedRuntime {
    fn default() -> Self {
        Self::new()
    }
}

impl SimulatedRuntime {
    /// An engine without containers, on a machine as large as the one it runs on.
    pub fn new() -> Self {
        Self {
            machine: Arc::default(),
            events: broadcast::Sender::new(EVENTS_KEPT),
            capacity: None,
            paths: Arc::default(),
            cut: Arc::default(),
        }
    }

    /// The same, on a machine of so many processors and so much memory (in MiB).
    #[must_use]
    pub const fn with_capacity(mut self, cpus: u32, memory_mib: u64) -> Self {
        self.capacity = Some((cpus, memory_mib));
        self
    }

    /// The same, on a machine of which containers may mount these paths. There are no files: what counts is
    /// how a path is written.
    #[must_use]
    pub fn with_host_paths(mut self, paths: HostPaths) -> Self {
        self.paths = Arc::new(paths);
        self
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The volumes that a container mounts, if what it mounts is there and may be.
    fn volumes_of(&self, wanted: &CreateContainer) -> Result<Vec<ResourceId>, RuntimeError> {
        let mut volumes = Vec::new();
        for mount in &wanted.mounts {
            match &mount.source {
                Some(Source::VolumeId(id)) => {
                    let id = id.parse().ok();
                    let id = id.filter(|id| self.machine().storage.has(*id));
                    volumes.push(id.ok_or_else(|| {
                        RuntimeError::Refused("the volume is not on this host any more".to_owned())
                    })?);
                }
                Some(Source::HostPath(path)) => {
                    self.paths.check(path).map_err(RuntimeError::Refused)?;
                }
                None => {
                    let message = "this agent does not know what is to be mounted";
                    return Err(RuntimeError::Refused(message.to_owned()));
                }
            }
        }
        Ok(volumes)
    }

    /// Plays the part of a script that comes before every action.
    async fn play(
        &self,
        id: ResourceId,
        action: Action,
        script: &Script,
    ) -> Result<(), RuntimeError> {
        if let Some(delay) = script.delay {
            tokio::time::sleep(delay).await;
        }
        self.machine().fail_as_told(id, action, script)
    }

    /// Plays the part of a script that comes after every action.
    async fn play_after(&self, id: ResourceId, action: Action, script: &Script) {
        if self.machine().cuts_as_told(id, action, script) {
            self.cut.notify_waiters();
            tokio::time::sleep(CUT_FOR).await;
        }
    }

    /// Starts a container and tells of it; false if it runs already.
    fn begin(&self, id: ResourceId) -> Result<bool, RuntimeError> {
        let started = self.machine().start(id)?;
        if let Some(started) = started {
            self.end_later(id, started);
            // Nobody may be watching.
            drop(self.events.send(RuntimeEvent::Began(id)));
        }
        Ok(started.is_some())
    }

    /// Lets a container end by itself later, if its script says so.
    fn end_later(&self, id: ResourceId, started: Started) {
        let Some(after) = started.ends_after else {
            return;
        };
        let machine = Arc::downgrade(&self.machine);
        let events = self.events.clone();
        let end = tokio::spawn(async move {
            tokio::time::sleep(after).await;
            let Some(machine) = machine.upgrade() else {
                return;
            };
            let has_ended = machine
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .end_run(id, started.run);
            if has_ended {
                // Nobody may be watching.
                drop(events.send(RuntimeEvent::Ended(id)));
            }
        });
        self.machine().hold_end(id, started.run, end.abort_handle());
    }
}

#[async_trait]
impl Runtime for SimulatedRuntime {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn bind(&self, _agent: ResourceId) {}

    async fn facts(&self) -> Result<HostFacts, RuntimeError> {
        let mut facts = crate::machine::facts();
        if let Some((cpus, memory_mib)) = self.capacity {
            facts.cpus = cpus;
            facts.memory_mib = memory_mib;
        }
        facts.runtime = self.name().to_owned();
        facts.runtime_version = facts.agent_version.clone();
        Ok(facts)
    }

    async fn find_image(&self, wanted: &PullImage) -> Result<Option<String>, RuntimeError> {
        let is_there = self.machine().storage.has_image(&wanted.image);
        Ok(is_there.then(|| format!("sim-{}", wanted.image)))
    }

    async fn pull(&self, wanted: &PullImage, progress: &Progress) -> Result<(), RuntimeError> {
        let script = Script::read(&wanted.labels)?;
        self.machine()
            .storage
            .fail_as_told(&wanted.image, &script)?;
        let login = wanted.registry_login.as_ref();
        let needed = wanted.labels.get("sim.login");
        if needed.is_some_and(|needed| login.is_none_or(|login| login.username != *needed)) {
            let message = format!("pull access denied for {}", wanted.image);
            return Err(RuntimeError::ImageMissing(message));
        }
        if let Some(takes) = script.pull {
            for percent in 0..100 {
                let message = format!("pulling {}: {percent} of 100 MiB", wanted.image);
                progress.say(message, Some(percent));
                tokio::time::sleep(takes / 100).await;
            }
        }
        self.machine().storage.have_image(&wanted.image);
        Ok(())
    }

    async fn create(
        &self,
        id: ResourceId,
        wanted: &CreateContainer,
    ) -> Result<SeenContainer, RuntimeError> {
        let script = Script::read(&wanted.labels)?;
        let check = wanted.health_check.as_ref();
        let check = check.map(HealthCheck::try_from).transpose();
        let check = check.map_err(|error| RuntimeError::Refused(error.to_string()))?;
        self.play(id, Action::Create, &script).await?;
        let is_kept_elsewhere = script.pull.is_some() || wanted.labels.contains_key("sim.login");
        if is_kept_elsewhere && !self.machine().storage.has_image(&wanted.image) {
            let message = format!("No such image: {}", wanted.image);
            return Err(RuntimeError::ImageMissing(message));
        }
        let volumes = self.volumes_of(wanted)?;
        let is_new = self.machine().create(id, wanted, script, check);
        self.machine().storage.mount(id, volumes);
        if is_new && wanted.start && !script.is_about_starts() {
            // One that cannot be started is left to whoever asks for the start.
            drop(self.begin(id));
        }
        self.play_after(id, Action::Create, &script).await;
        Ok(self.machine().seen(id))
    }

    async fn start(&self, id: ResourceId) -> Result<SeenContainer, RuntimeError> {
        let script = self.machine().script(id);
        self.play(id, Action::Start, &script).await?;
        self.begin(id)?;
        self.play_after(id, Action::Start, &script).await;
        Ok(self.machine().seen(id))
    }

    async fn stop(&self, id: ResourceId, _grace: Duration) -> Result<SeenContainer, RuntimeError> {
        let script = self.machine().script(id);
        self.play(id, Action::Stop, &script).await?;
        if self.machine().stop(id) {
            drop(self.events.send(RuntimeEvent::Ended(id)));
        }
        self.play_after(id, Action::Stop, &script).await;
        Ok(self.machine().seen(id))
    }

    async fn remove(&self, id: ResourceId) -> Result<SeenContainer, RuntimeError> {
        let script = self.machine().script(id);
        self.play(id, Action::Remove, &script).await?;
        if self.machine().remove(id) {
            drop(self.events.send(RuntimeEvent::Ended(id)));
        }
        self.play_after(id, Action::Remove, &script).await;
        Ok(self.machine().seen(id))
    }

    async fn inspect(&self, id: ResourceId) -> Result<SeenContainer, RuntimeError> {
        Ok(self.machine().seen(id))
    }

    async fn health_check(&self, id: ResourceId) -> Result<Option<HealthCheck>, RuntimeError> {
        Ok(self.machine().check(id))
    }

    async fn probe(&self, id: ResourceId, _: &Probe, _: &str) -> Result<(), String> {
        match self.machine().is_well(id) {
            true => Ok(()),
            false => Err("the label sim.health makes every probe fail".to_owned()),
        }
    }

    async fn make_volume(
        &self,
        id: ResourceId,
        _wanted: &MakeVolume,
    ) -> Result<SeenVolume, RuntimeError> {
        Ok(self.machine().storage.make(id))
    }

    async fn remove_volume(&self, id: ResourceId) -> Result<SeenVolume, RuntimeError> {
        self.machine().storage.remove(id)
    }

    async fn logs(&self, id: ResourceId, logs: &LogsRequest) -> Result<OutputStream, RuntimeError> {
        streams::logs(Arc::clone(&self.machine), id, logs)
    }

    async fn exec(&self, id: ResourceId, exec: &ExecRequest) -> Result<Exec, RuntimeError> {
        streams::running(&self.machine, id)?;
        Ok(streams::exec(exec))
    }

    async fn stats(
        &self,
        id: ResourceId,
        stats: &StatsRequest,
    ) -> Result<UsageStream, RuntimeError> {
        streams::stats(Arc::clone(&self.machine), id, stats.live)
    }

    async fn cut(&self) {
        self.cut.notified().await;
    }

    async fn list(&self) -> Result<Vec<SeenContainer>, RuntimeError> {
        Ok(self.machine().all())
    }

    fn watch(&self) -> BoxStream<'static, RuntimeEvent> {
        let events = self.events.subscribe();
        stream::unfold(events, |mut events| async {
            let event = match events.recv().await {
                Ok(event) => event,
                Err(RecvError::Lagged(_)) => RuntimeEvent::Gap,
                Err(RecvError::Closed) => return None,
            };
            Some((event, events))
        })
        .boxed()
    }
}

#[cfg(test)]
mod tests;
