//! A script of requests that takes every lifecycle through every process that it has, and what it
//! leaves behind.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, ensure};
use drover_domain::lifecycle::{Request, Step};
use drover_domain::process::Cause;
use drover_domain::resource::{
    ContainerSpec, ContainerStatus, Details, ImageSpec, ImageStatus, Mount, PullPolicy,
    RestartCondition, RestartPolicy, VolumeSpec, VolumeStatus,
};
use drover_domain::write::{Asked, Intent};
use drover_domain::{Phase, Process, ProcessId, Resource, ResourceType, State};
use drover_store::clock::{Clock, SystemClock};
use drover_store::{Accepted, Attached, ChangeFilter, Position, ProcessFilter, fresh};

use crate::misfortune::{Effect, Misfortune, Site};
use crate::world::{PATIENCE, World};

/// A last write is seen by others this much sooner, at most, than by whoever made it.
const STRIKES_WITHIN: Duration = Duration::from_secs(5);

/// What a life leaves behind, without what differs from one to the next: ids and moments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The states and versions that each type of resource passed, in order.
    pub passed: BTreeMap<ResourceType, Vec<(State, i64)>>,
    /// The processes of each type of resource: request, phase, and finished steps, in order.
    pub processes: BTreeMap<ResourceType, Vec<(Request, Phase, Vec<Step>)>>,
    /// What has changed on the host, in order.
    pub effects: Vec<Effect>,
    /// What is still reserved on the host.
    pub containers_on_host: u64,
}

/// A life that was lived.
pub struct Life {
    /// What it left behind.
    pub trace: Trace,
    /// The writes that there were.
    pub sites: Vec<Site>,
    /// How many actions the runtime was asked for.
    pub actions: usize,
    /// Whether the misfortune has struck.
    pub has_struck: bool,
}

impl Life {
    /// Lives a life: a container is created, started, stopped, started, restarted, ends by itself and is
    /// started again, is taken away by hand and made again, removed and purged, the volume that it mounted is
    /// removed and purged; the agent is given another credential, and its host deactivated, activated,
    /// deactivated and removed.
    ///
    /// # Errors
    /// When a process does not end as it should, in time.
    pub async fn live(misfortune: Misfortune) -> anyhow::Result<Self> {
        let world = World::begin(misfortune).await?;
        let volume = make_volume(&world).await?;
        let container = create_with(&world, always(), mounts(&volume)).await?;
        for request in [Request::Stop, Request::Start, Request::Restart] {
            change(&world, &container, request).await?;
        }
        world.runtime.end_by_itself(container.id);
        recover(&world, &container, 1).await?;
        world.runtime.remove_by_hand(container.id);
        recover(&world, &container, 2).await?;
        change(&world, &container, Request::Remove).await?;
        let host = world.only(ResourceType::Host, State::Active).await?;
        let containers_on_host = world.store.containers_on(host.id).await?;
        change(&world, &container, Request::Purge).await?;
        change(&world, &volume, Request::Remove).await?;
        change(&world, &volume, Request::Purge).await?;
        let agent = world.only(ResourceType::Agent, State::Active).await?;
        change(&world, &agent, Request::Rotate).await?;
        for request in [
            Request::Deactivate,
            Request::Activate,
            Request::Deactivate,
            Request::Remove,
        ] {
            change(&world, &host, request).await?;
        }
        Ok(Self::of(&world, trace(&world, containers_on_host).await?).await)
    }

    /// What a world has come to. A last write is seen before whoever made it is told of it and may die, so a
    /// misfortune has a while to strike.
    async fn of(world: &World, trace: Trace) -> Self {
        let has_struck = || world.killer.has_struck() || world.runtime.has_struck();
        let strikes = async {
            while world.killer.is_to_strike() && !has_struck() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        // Whoever compares says so if it has not struck by then.
        drop(tokio::time::timeout(STRIKES_WITHIN, strikes).await);
        Self {
            trace,
            sites: world.killer.sites(),
            actions: world.runtime.actions(),
            has_struck: has_struck(),
        }
    }
}

/// How long a lost host is waited for at the least, in seconds.
const RECONNECT_SECONDS: i64 = 5;

/// Lives the life of a container that moves: its host is evacuated and taken into use again, the next one is
/// lost and comes back.
///
/// # Errors
/// When a process does not end as it should, in time.
pub async fn live_on_the_move(misfortune: Misfortune) -> anyhow::Result<Life> {
    let mut world = World::begin(misfortune).await?;
    for (name, seconds) in [
        ("agentHeartbeatSeconds", 1),
        ("hostReconnectSeconds", RECONNECT_SECONDS),
    ] {
        let (value, now) = (seconds.into(), SystemClock.now());
        let attached = Attached::nothing();
        let written = world.store.write_setting(name, value, None, now, attached);
        ensure!(written.await?.is_some(), "{name} was not written");
    }
    let container = create_of(&world, that_may_move()?).await?;
    let first = world.host(0, State::Active).await?;
    let second = world.add_host().await?;
    change(&world, &first, Request::Evacuate).await?;
    lives_on(&world, &container, &second).await?;
    change(&world, &first, Request::Activate).await?;
    world.stop_agent_of(1).await?;
    world.host(1, State::Disconnected).await?;
    lives_on(&world, &container, &first).await?;
    world.start_agent_of(1);
    world.host(1, State::Active).await?;
    change(&world, &container, Request::Remove).await?;
    let containers_on_host = world.store.containers_on(first.id).await?;
    Ok(Life::of(&world, trace(&world, containers_on_host).await?).await)
}

/// Lives the life of an image: two hosts fetch it, which both fail at first, fetch it once more, and it is
/// removed and purged.
///
/// # Errors
/// When a process does not end as it should, in time.
pub async fn live_with_an_image(misfortune: Misfortune) -> anyhow::Result<Life> {
    let mut world = World::begin(misfortune).await?;
    world.add_host().await?;
    let details = Details::Image {
        spec: ImageSpec {
            image: "drover/hello".to_owned(),
            pull_policy: PullPolicy::Always,
            ..ImageSpec::default()
        },
        status: ImageStatus::default(),
    };
    let now = SystemClock.now();
    let id = fresh::resource_id();
    let mut image = Resource::new(id, "hello", State::Requested, details, now);
    let fails = ("sim.fail".to_owned(), "pull:1".to_owned());
    image.labels.extend([fails]);
    let intent = Intent::to_create(image.clone(), asked(Request::Create))?;
    world.store.accept(intent.clone()).await?;
    until_done(&world, intent.process.id).await?;
    is_fetched(&world, &image).await?;
    change(&world, &image, Request::Pull).await?;
    is_fetched(&world, &image).await?;
    change(&world, &image, Request::Remove).await?;
    change(&world, &image, Request::Purge).await?;
    let mut trace = trace(&world, 0).await?;
    if let Some(passed) = trace.passed.get_mut(&ResourceType::Image) {
        // How often what is done in part is written differs, as how often a process waits does.
        passed.iter_mut().for_each(|(_, version)| *version = 0);
        passed.dedup();
    }
    Ok(Life::of(&world, trace).await)
}

/// Checks that each of two hosts has an image, and that nobody is still to be asked.
async fn is_fetched(world: &World, image: &Resource) -> anyhow::Result<()> {
    let row = world.store.resource(ResourceType::Image, image.id).await?;
    let row = row.context("the image is gone")?;
    let Details::Image { status, .. } = &row.details else {
        anyhow::bail!("it is no image");
    };
    let counts = (status.hosts, status.fetched, status.failed);
    ensure!(
        counts == (2, 2, 0) && status.asked.is_empty(),
        "it is {status:?}"
    );
    Ok(())
}

/// Checks that a container runs on a host, and holds what it asks for there.
async fn lives_on(world: &World, container: &Resource, host: &Resource) -> anyhow::Result<()> {
    let store = &world.store;
    let row = store
        .resource(ResourceType::Container, container.id)
        .await?;
    let row = row.context("the container is gone")?;
    ensure!(row.state == State::Running, "it is {}", row.state);
    ensure!(row.host == Some(host.id), "it is on another host");
    ensure!(
        store.containers_on(host.id).await? == 1,
        "it holds nothing there"
    );
    Ok(())
}

/// Creates a container and has it started.
///
/// # Errors
/// When it does not run in time.
pub async fn create(world: &World) -> anyhow::Result<Resource> {
    create_with(world, RestartPolicy::default(), Vec::new()).await
}

/// It is started again whenever it ends. Nobody waits for that here: it is hurried.
pub fn always() -> RestartPolicy {
    RestartPolicy {
        condition: RestartCondition::Always,
        delay_seconds: 600,
        maximum_delay_seconds: 600,
        ..RestartPolicy::default()
    }
}

/// A volume that lives nowhere yet.
async fn make_volume(world: &World) -> anyhow::Result<Resource> {
    let details = Details::Volume {
        spec: VolumeSpec::default(),
        status: VolumeStatus::default(),
    };
    let now = SystemClock.now();
    let volume = Resource::new(fresh::resource_id(), "data", State::Detached, details, now);
    world.store.insert(&volume, Attached::nothing()).await?;
    Ok(volume)
}

fn mounts(volume: &Resource) -> Vec<Mount> {
    vec![Mount {
        volume: Some(volume.name.clone()),
        target: "/data".to_owned(),
        ..Mount::default()
    }]
}

async fn create_with(
    world: &World,
    restart_policy: RestartPolicy,
    volumes: Vec<Mount>,
) -> anyhow::Result<Resource> {
    let spec = ContainerSpec {
        restart_policy,
        volumes,
        ..spec()?
    };
    create_of(world, spec).await
}

/// One that is started, and holds a port of its host.
fn spec() -> anyhow::Result<ContainerSpec> {
    let port = serde_json::json!({"containerPort": 80, "hostPort": 8080});
    Ok(ContainerSpec {
        image: "drover/hello".to_owned(),
        start: true,
        ports: vec![serde_json::from_value(port)?],
        ..ContainerSpec::default()
    })
}

/// One that is brought up elsewhere if its host is lost.
///
/// # Errors
/// Never.
pub fn that_may_move() -> anyhow::Result<ContainerSpec> {
    Ok(ContainerSpec {
        placement: serde_json::from_value(serde_json::json!({ "onHostLoss": "replace" }))?,
        ..spec()?
    })
}

/// Creates a container of some spec and has it started.
///
/// # Errors
/// When it does not run in time.
pub async fn create_of(world: &World, spec: ContainerSpec) -> anyhow::Result<Resource> {
    let now = SystemClock.now();
    let details = Details::Container {
        spec: Box::new(spec),
        status: Box::new(ContainerStatus::default()),
    };
    let container = Resource::new(fresh::resource_id(), "web", State::Requested, details, now);
    let intent = Intent::to_create(container.clone(), asked(Request::Create))?;
    world.store.accept(intent.clone()).await?;
    until_done(world, intent.process.id).await?;
    Ok(container)
}

/// Has something done about a resource.
///
/// # Errors
/// When it is not done in time.
pub async fn change(world: &World, resource: &Resource, request: Request) -> anyhow::Result<()> {
    demand(world, resource, asked(request)).await
}

/// Has something done about a resource by force.
///
/// # Errors
/// When it is not done in time.
pub async fn force(world: &World, resource: &Resource, request: Request) -> anyhow::Result<()> {
    let asked = Asked {
        force: true,
        ..asked(request)
    };
    demand(world, resource, asked).await
}

async fn demand(world: &World, resource: &Resource, asked: Asked) -> anyhow::Result<()> {
    let request = asked.request;
    let read = world
        .store
        .resource(resource.resource_type(), resource.id)
        .await?;
    let intent = Intent::to_change(read.context("the resource is gone")?, asked)?;
    let accepted = world.store.accept(intent.clone()).await?;
    ensure!(
        accepted == Accepted::Committed { superseded: None },
        "{request}: {accepted:?}"
    );
    until_done(world, intent.process.id).await
}

/// Waits until a container that has ended waits to be started again for the so-manieth time, has it
/// started at once, and waits until it is.
async fn recover(world: &World, container: &Resource, number: usize) -> anyhow::Result<()> {
    let filter = ProcessFilter {
        resource: Some(container.id),
        ..all_processes()
    };
    let looking = async {
        loop {
            let processes = world.store.processes(&filter).await?;
            let mut recoveries = processes
                .into_iter()
                .filter(|process| process.request == Request::Recover);
            match recoveries.nth(number - 1) {
                Some(process) => return anyhow::Ok(process.id),
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    };
    let process = tokio::time::timeout(PATIENCE, looking)
        .await
        .context("the end of a container leads to nothing")??;
    let now = SystemClock.now();
    let hurried = world.store.hurry(process, now, Attached::nothing());
    ensure!(hurried.await?.is_done(), "it did not wait for its moment");
    until_done(world, process).await
}

fn all_processes() -> ProcessFilter {
    ProcessFilter {
        resource: None,
        project: None,
        parent: None,
        phases: Vec::new(),
        after: None,
        limit: 10_000,
    }
}

fn asked(request: Request) -> Asked {
    Asked {
        request,
        force: false,
        process: fresh::process_id(),
        cause: Cause::default(),
        policy: None,
        now: SystemClock.now(),
    }
}

/// Waits until a process, and whatever follows from it, is done.
async fn until_done(world: &World, process: ProcessId) -> anyhow::Result<()> {
    let mut id = process;
    let waiting = async {
        loop {
            let process = world
                .store
                .process(id)
                .await?
                .context("the process is gone")?;
            match (process.phase, process.successor) {
                (Phase::Done, Some(successor)) => id = successor,
                (Phase::Done, None) => return Ok(()),
                (phase, _) if phase.is_finished() => {
                    anyhow::bail!("{} is {phase}: {:?}", process.request, process.message)
                }
                _ => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .context("a process takes too long")?
}

async fn trace(world: &World, containers_on_host: u64) -> anyhow::Result<Trace> {
    let everything = ChangeFilter::default();
    let mut passed: BTreeMap<ResourceType, Vec<(State, i64)>> = BTreeMap::new();
    for change in world
        .store
        .changes(Position::default(), &everything, 10_000)
        .await?
    {
        let of_type = passed.entry(change.resource.resource_type).or_default();
        of_type.push((change.state, change.version));
    }
    let mut processes: BTreeMap<ResourceType, Vec<(Request, Phase, Vec<Step>)>> = BTreeMap::new();
    for process in world.store.processes(&all_processes()).await? {
        let of_type = processes.entry(process.resource.resource_type).or_default();
        of_type.push((process.request, process.phase, finished_steps(&process)));
    }
    Ok(Trace {
        passed,
        processes,
        effects: world.runtime.effects(),
        containers_on_host,
    })
}

fn finished_steps(process: &Process) -> Vec<Step> {
    let finished = process
        .journal
        .iter()
        .filter(|entry| entry.finished.is_some());
    finished.map(|entry| entry.step).collect()
}
