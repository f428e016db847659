//! One thing that goes wrong, once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use drover_agent::runtime::simulated::SimulatedRuntime;
use drover_agent::runtime::{Progress, Runtime, RuntimeError, RuntimeEvent};
use drover_domain::lifecycle::Request;
use drover_domain::resource::{HealthCheck, HostFacts, Probe};
use drover_domain::write::ProcessWrite;
use drover_domain::{Phase, ProcessId, ResourceId, ResourceType};
use drover_process_server::Interference;
use drover_proto::v1::{
    CreateContainer, MakeVolume, PullImage, SeenContainer, SeenVolume, seen_container,
};
use futures::stream::BoxStream;

/// A write, named by what it says, so that it is the same one in every life: how often a process
/// waits on its way differs, what it finishes does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The type of what the process works on.
    pub resource_type: ResourceType,
    /// What the process is for.
    pub request: Request,
    /// Which process of this kind it is, counted from zero.
    pub turn: usize,
    /// How many of its steps are finished with the write.
    pub finished: usize,
    /// The phase of the process with the write.
    pub phase: Phase,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfortune {
    /// Nothing.
    None,
    /// The server dies just before this write.
    DeathBefore(Site),
    /// The server dies just after this write.
    DeathAfter(Site),
    /// This action of the runtime fails, counted from zero.
    Failure(usize),
}

/// Kills the server at one write.
pub struct Killer {
    misfortune: Misfortune,
    has_struck: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The processes of each kind, in the order in which they first wrote.
    turns: HashMap<(ResourceType, Request), Vec<ProcessId>>,
    sites: Vec<Site>,
}

impl Killer {
    /// One that strikes as the misfortune says.
    pub fn new(misfortune: Misfortune) -> Self {
        Self {
            misfortune,
            has_struck: AtomicBool::new(false),
            seen: Mutex::default(),
        }
    }

    /// The writes that there were, without those that only say that a process waits.
    pub fn sites(&self) -> Vec<Site> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .sites
            .clone()
    }

    /// Whether some misfortune is to strike, here or on a host.
    pub fn is_to_strike(&self) -> bool {
        self.misfortune != Misfortune::None
    }

    /// Whether it has struck.
    pub fn has_struck(&self) -> bool {
        self.has_struck.load(Ordering::SeqCst)
    }

    fn site(&self, write: &ProcessWrite) -> Site {
        let process = &write.process;
        let kind = (process.resource.resource_type, process.request);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = seen.turns.entry(kind).or_default();
        let turn = turns
            .iter()
            .position(|known| *known == process.id)
            .unwrap_or_else(|| {
                turns.push(process.id);
                turns.len() - 1
            });
        let finished = process
            .journal
            .iter()
            .filter(|entry| entry.finished.is_some())
            .count();
        let (resource_type, request) = kind;
        let site = Site {
            resource_type,
            request,
            turn,
            finished,
            phase: process.phase,
        };
        // Of those that wait, only one that has done a part says more than that it waits.
        let says_more = process.phase != Phase::Waiting || write.resource.is_some();
        if says_more && !seen.sites.contains(&site) {
            seen.sites.push(site);
        }
        site
    }

    fn strikes(&self, at: Misfortune) -> bool {
        self.misfortune == at && !self.has_struck.swap(true, Ordering::SeqCst)
    }
}

#[async_trait]
impl Interference for Killer {
    async fn dies_before(&self, write: &ProcessWrite) -> bool {
        self.strikes(Misfortune::DeathBefore(self.site(write)))
    }

    async fn dies_after(&self, write: &ProcessWrite) -> bool {
        self.strikes(Misfortune::DeathAfter(self.site(write)))
    }
}

/// Something that an action changed on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The host, by its number.
    pub host: usize,
    /// The action.
    pub action: &'static str,
    /// The state of the container before it.
    pub before: seen_container::State,
    /// And after it.
    pub after: seen_container::State,
}

/// What happens on all hosts of a world.
struct Scene {
    misfortune: Misfortune,
    actions: AtomicUsize,
    has_struck: AtomicBool,
    effects: Mutex<Vec<Effect>>,
}

/// The simulated runtime of one host, with its effects written down and one of the actions failed.
pub struct WatchedRuntime {
    runtime: SimulatedRuntime,
    host: usize,
    makes_nothing: AtomicBool,
    scene: Arc<Scene>,
}

impl WatchedRuntime {
    /// The runtime of the first host, without containers.
    pub fn new(misfortune: Misfortune) -> Self {
        let scene = Scene {
            misfortune,
            actions: AtomicUsize::new(0),
            has_struck: AtomicBool::new(false),
            effects: Mutex::default(),
        };
        Self {
            runtime: SimulatedRuntime::new(),
            host: 0,
            makes_nothing: AtomicBool::new(false),
            scene: Arc::new(scene),
        }
    }

    /// The runtime of another host of the same world.
    #[must_use]
    pub fn beside(&self, host: usize) -> Self {
        Self {
            runtime: SimulatedRuntime::new(),
            host,
            makes_nothing: AtomicBool::new(false),
            scene: Arc::clone(&self.scene),
        }
    }

    /// From now on no container can be made on this host.
    pub fn make_nothing(&self) {
        self.makes_nothing.store(true, Ordering::SeqCst);
    }

    /// How many actions were asked for, on all hosts.
    pub fn actions(&self) -> usize {
        self.scene.actions.load(Ordering::SeqCst)
    }

    /// Whether an action was failed.
    pub fn has_struck(&self) -> bool {
        self.scene.has_struck.load(Ordering::SeqCst)
    }

    /// What has changed on all hosts, in order.
    pub fn effects(&self) -> Vec<Effect> {
        let effects = self.scene.effects.lock();
        effects.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A container ends, as by itself.
    pub fn end_by_itself(&self, id: ResourceId) {
        self.runtime.end_by_itself(id, 3);
    }

    /// A container is taken away behind Drover's back.
    pub fn remove_by_hand(&self, id: ResourceId) {
        self.runtime.remove_by_hand(id);
    }

    /// Fails if this is the action that is to fail.
    fn begin(&self) -> Result<(), RuntimeError> {
        let number = self.scene.actions.fetch_add(1, Ordering::SeqCst);
        if self.scene.misfortune == Misfortune::Failure(number) {
            self.scene.has_struck.store(true, Ordering::SeqCst);
            return Err(RuntimeError::Runtime("bad luck".to_owned()));
        }
        Ok(())
    }

    async fn watch_effect(
        &self,
        id: ResourceId,
        action: &'static str,
        acting: impl Future<Output = Result<SeenContainer, RuntimeError>> + Send,
    ) -> Result<SeenContainer, RuntimeError> {
        self.begin()?;
        let before = self.runtime.inspect(id).await?.state();
        let seen = acting.await?;
        let after = seen.state();
        if before != after {
            let effects = self.scene.effects.lock();
            effects
                .unwrap_or_else(PoisonError::into_inner)
                .push(Effect {
                    host: self.host,
                    action,
                    before,
                    after,
                });
        }
        Ok(seen)
    }
}

#[async_trait]
impl Runtime for WatchedRuntime {
    fn name(&self) -> &'static str {
        self.runtime.name()
    }

    fn bind(&self, agent: ResourceId) {
        self.runtime.bind(agent);
    }

    async fn facts(&self) -> Result<HostFacts, RuntimeError> {
        self.runtime.facts().await
    }

    async fn find_image(&self, wanted: &PullImage) -> Result<Option<String>, RuntimeError> {
        self.runtime.find_image(wanted).await
    }

    async fn pull(&self, wanted: &PullImage, progress: &Progress) -> Result<(), RuntimeError> {
        self.begin()?;
        self.runtime.pull(wanted, progress).await
    }

    async fn create(
        &self,
        id: ResourceId,
        wanted: &CreateContainer,
    ) -> Result<SeenContainer, RuntimeError> {
        if self.makes_nothing.load(Ordering::SeqCst) {
            return Err(RuntimeError::ImageMissing("no such image".to_owned()));
        }
        self.watch_effect(id, "create", self.runtime.create(id, wanted))
            .await
    }

    async fn start(&self, id: ResourceId) -> Result<SeenContainer, RuntimeError> {
        self.watch_effect(id, "start", self.runtime.start(id)).await
    }

    async fn stop(&self, id: ResourceId, grace: Duration) -> Result<SeenContainer, RuntimeError> {
        self.watch_effect(id, "stop", self.runtime.stop(id, grace))
            .await
    }

    async fn remove(&self, id: ResourceId) -> Result<SeenContainer, RuntimeError> {
        self.watch_effect(id, "remove", self.runtime.remove(id))
            .await
    }

    async fn inspect(&self, id: ResourceId) -> Result<SeenContainer, RuntimeError> {
        self.runtime.inspect(id).await
    }

    async fn health_check(&self, id: ResourceId) -> Result<Option<HealthCheck>, RuntimeError> {
        self.runtime.health_check(id).await
    }

    async fn probe(&self, id: ResourceId, probe: &Probe, address: &str) -> Result<(), String> {
        self.runtime.probe(id, probe, address).await
    }

    async fn make_volume(
        &self,
        id: ResourceId,
        wanted: &MakeVolume,
    ) -> Result<SeenVolume, RuntimeError> {
        self.begin()?;
        self.runtime.make_volume(id, wanted).await
    }

    async fn remove_volume(&self, id: ResourceId) -> Result<SeenVolume, RuntimeError> {
        self.begin()?;
        self.runtime.remove_volume(id).await
    }

    async fn list(&self) -> Result<Vec<SeenContainer>, RuntimeError> {
        self.runtime.list().await
    }

    fn watch(&self) -> BoxStream<'static, RuntimeEvent> {
        self.runtime.watch()
    }
}
