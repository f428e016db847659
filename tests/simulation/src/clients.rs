//! The clients of a simulation: they ask what the API server is asked, and commit it as it does.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use drover_bus::Announcer;
use drover_domain::engine;
use drover_domain::lifecycle::Request;
use drover_domain::process::Cause;
use drover_domain::resource::{
    ContainerSpec, ContainerStatus, Details, Port, ResourceLimits, RestartCondition, RestartPolicy,
};
use drover_domain::write::{Asked, Intent};
use drover_domain::{Phase, ProcessId, Resource, ResourceId, ResourceType, State};
use drover_store::{Accepted, Attached, ProcessFilter, Store, StoreError};

use crate::kernel::Kernel;

/// How often something is decided anew because the row moved meanwhile.
const TRIES: u32 = 8;

/// All clients. Clones are the same.
#[derive(Clone)]
pub struct Clients {
    /// The kernel.
    pub kernel: Kernel,
    /// The database.
    pub store: Store,
    /// How hints go out.
    pub announcer: Announcer,
    /// The containers that were asked for so far.
    pub containers: Arc<Mutex<Vec<ResourceId>>>,
    /// The most containers that they ask for.
    pub most: usize,
    /// The hosts.
    pub hosts: Arc<[ResourceId]>,
}

impl Clients {
    /// Asks for one thing after the other until a moment has come.
    pub async fn ask_until(self, name: &'static str, end: drover_domain::Timestamp) {
        while self.kernel.now() < end {
            let pause = self.kernel.chance(|random| match random.happens(0.5) {
                true => random.between(Duration::ZERO, Duration::from_millis(400)),
                false => random.between(Duration::ZERO, Duration::from_secs(4)),
            });
            self.kernel.sleep(pause).await;
            if let Err(error) = self.ask(name).await {
                self.kernel.violate(format!("a client failed: {error}"));
            }
        }
    }

    async fn ask(&self, name: &str) -> Result<(), StoreError> {
        let known = self.known();
        let has_room = known.len() < self.most;
        let (container, dice) = self
            .kernel
            .chance(|random| (random.pick(&known).copied(), random.below(100)));
        let Some(container) = container.filter(|_| !(has_room && dice < 40)) else {
            return self.create(name).await;
        };
        let dice = self.kernel.chance(|random| random.below(100));
        match dice {
            0..25 => self.change(name, container, Request::Start, false).await,
            25..45 => self.change(name, container, Request::Stop, false).await,
            45..57 => self.change(name, container, Request::Restart, false).await,
            57..63 => self.change(name, container, Request::Remove, false).await,
            63..68 => self.change(name, container, Request::Remove, true).await,
            68..72 => self.change(name, container, Request::Purge, false).await,
            72..82 => self.cancel(name, container).await,
            82..95 => self.retry(name, container).await,
            _ => self.change_host(name).await,
        }
    }

    fn known(&self) -> Vec<ResourceId> {
        let known = self
            .containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    fn asked(&self, request: Request, force: bool) -> Asked {
        Asked {
            request,
            force,
            process: ProcessId::new(self.kernel.id()),
            cause: Cause::default(),
            now: self.kernel.now(),
            policy: None,
        }
    }

    async fn create(&self, name: &str) -> Result<(), StoreError> {
        let id = ResourceId::new(self.kernel.id());
        let label = self.kernel.name('c', id.uuid());
        let spec = self.spec();
        let details = Details::Container {
            spec: Box::new(spec.clone()),
            status: Box::new(ContainerStatus::default()),
        };
        let now = self.kernel.now();
        let container = Resource::new(id, label, State::Requested, details, now);
        let Ok(intent) = Intent::to_create(container, self.asked(Request::Create, false)) else {
            return Ok(());
        };
        let event = format!("asks for {id}, start {}", spec.start);
        self.commit(name, intent, &event).await?;
        let mut known = self
            .containers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        known.push(id);
        Ok(())
    }

    /// Something small, so that hosts have room for a few of them, but not for all.
    fn spec(&self) -> ContainerSpec {
        let (memory, has_port, start) = self.kernel.chance(|random| {
            let memory = 100 + 100 * u32::try_from(random.below(4)).unwrap_or_default();
            (memory, random.happens(0.25), random.happens(0.7))
        });
        let restart_policy = self.kernel.chance(|random| RestartPolicy {
            condition: match random.below(3) {
                0 => RestartCondition::No,
                1 => RestartCondition::OnFailure,
                _ => RestartCondition::Always,
            },
            maximum_retries: random.happens(0.5).then_some(2),
            maximum_delay_seconds: 8,
            reset_after_seconds: 10,
            ..RestartPolicy::default()
        });
        ContainerSpec {
            image: "drover/hello".to_owned(),
            ports: Vec::from_iter(has_port.then_some(Port {
                host_ip: None,
                host_port: Some(8_080),
                container_port: 80,
                protocol: drover_domain::resource::Protocol::Tcp,
            })),
            resources: ResourceLimits {
                memory_mib: Some(memory),
                cpu_millis: None,
            },
            start,
            restart_policy,
            ..ContainerSpec::default()
        }
    }

    async fn change_host(&self, name: &str) -> Result<(), StoreError> {
        let hosts = self.hosts.clone();
        let host = self.kernel.chance(|random| random.pick(&hosts).copied());
        let Some(host) = host else { return Ok(()) };
        let row = self.store.resource(ResourceType::Host, host).await?;
        let request = match row.map(|row| row.state) {
            Some(State::Active) => Request::Deactivate,
            _ => Request::Activate,
        };
        self.change_resource(name, ResourceType::Host, host, request, false)
            .await
    }

    async fn change(
        &self,
        name: &str,
        id: ResourceId,
        request: Request,
        force: bool,
    ) -> Result<(), StoreError> {
        self.change_resource(name, ResourceType::Container, id, request, force)
            .await
    }

    async fn change_resource(
        &self,
        name: &str,
        resource_type: ResourceType,
        id: ResourceId,
        request: Request,
        force: bool,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let Some(resource) = self.store.resource(resource_type, id).await? else {
                return Ok(());
            };
            let version = resource.version;
            let intent = match Intent::to_change(resource, self.asked(request, force)) {
                Ok(intent) => intent,
                Err(refusal) => {
                    self.kernel
                        .log(name, format!("is refused for {id}: {refusal}"));
                    return Ok(());
                }
            };
            self.kernel.pass().await;
            let forced = if force { " by force" } else { "" };
            let event = format!("has {id} v{version} {request}{forced}");
            if self.commit(name, intent, &event).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Commits an intent and hints at it. False if the row has moved.
    async fn commit(&self, name: &str, intent: Intent, event: &str) -> Result<bool, StoreError> {
        let process = self.kernel.name('p', intent.process.id.uuid());
        let superseded = match self.store.accept(intent.clone()).await? {
            Accepted::Committed { superseded } => superseded,
            // Nothing is attached here, and no project is removed or has a quota.
            _ => return Ok(false),
        };
        let instead = superseded.map_or_else(String::new, |old| format!(" instead of {old}"));
        self.kernel
            .log(name, format!("{event}: {process}{instead}"));
        self.kernel.pass().await;
        let reference = intent.resource.reference();
        let priority = intent.process.priority;
        self.announcer
            .ready(intent.process.id, reference, priority)
            .await;
        Ok(true)
    }

    async fn cancel(&self, name: &str, id: ResourceId) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let Some(process) = self.store.unfinished([id]).await?.pop() else {
                return Ok(());
            };
            let reference = process.resource;
            let row = self.store.resource(reference.resource_type, id).await?;
            let Some(resource) = row else { return Ok(()) };
            let now = self.kernel.now();
            let Some(cancellation) = engine::cancel(&process, &resource, "by a client", now) else {
                return Ok(());
            };
            self.kernel.pass().await;
            let cancelled = self.store.cancel(&cancellation, Attached::nothing());
            if cancelled.await?.is_done() {
                self.kernel.log(
                    name,
                    format!(
                        "cancels {}, {id} is {}",
                        process.id, cancellation.passed.state
                    ),
                );
                return Ok(());
            }
        }
        Ok(())
    }

    async fn hurry(&self, id: ProcessId) -> Result<bool, StoreError> {
        let (now, attached) = (self.kernel.now(), Attached::nothing());
        Ok(self.store.hurry(id, now, attached).await?.is_done())
    }

    async fn retry(&self, name: &str, id: ResourceId) -> Result<(), StoreError> {
        let filter = ProcessFilter {
            resource: Some(id),
            project: None,
            parent: None,
            phases: Vec::new(),
            after: None,
            limit: 1_000,
        };
        let Some(process) = self.store.processes(&filter).await?.pop() else {
            return Ok(());
        };
        self.kernel.pass().await;
        match process.phase {
            Phase::Failed | Phase::Canceled => {
                self.change(name, id, process.request, process.force).await
            }
            Phase::Waiting if self.hurry(process.id).await? => {
                self.kernel.log(name, format!("hurries {}", process.id));
                self.announcer
                    .ready(process.id, process.resource, process.priority)
                    .await;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
