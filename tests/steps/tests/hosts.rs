//! What becomes of hosts and of what lives on them when their agents go and come back.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use std::time::Duration;

use drover_agent::runtime::Runtime;
use drover_domain::lifecycle::Request;
use drover_domain::resource::{ContainerSpec, ContainerStatus, Details};
use drover_domain::{Phase, Process, Resource, ResourceId, ResourceType, State};
use drover_steps::life::{always, change, create, create_of, force, that_may_move};
use drover_steps::misfortune::Misfortune;
use drover_steps::world::{PATIENCE, World};
use drover_store::{ProcessFilter, ResourceFilter};
use tokio::time::{sleep, timeout};

/// Waits until the runtime has so many containers.
async fn until_it_has(world: &World, containers: usize) {
    let waiting = async {
        while world.runtime.list().await.unwrap().len() != containers {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let count = || world.runtime.list();
    if timeout(PATIENCE, waiting).await.is_err() {
        panic!(
            "it has {} containers, not {containers}",
            count().await.unwrap().len()
        );
    }
}

#[tokio::test]
async fn a_container_removed_by_force_is_taken_away_when_its_host_comes_back() {
    let mut world = World::begin(Misfortune::None).await.unwrap();
    let container = create(&world).await.unwrap();
    world.stop_agent().await.unwrap();
    force(&world, &container, Request::Remove).await.unwrap();
    let removed = world
        .store
        .resource(ResourceType::Container, container.id)
        .await
        .unwrap();
    assert_eq!(removed.unwrap().state, State::Removed);
    until_it_has(&world, 1).await;
    world.start_agent();
    until_it_has(&world, 0).await;
}

#[tokio::test]
async fn a_container_that_was_removed_and_purged_is_taken_away_as_well() {
    let mut world = World::begin(Misfortune::None).await.unwrap();
    let container = create(&world).await.unwrap();
    world.stop_agent().await.unwrap();
    force(&world, &container, Request::Remove).await.unwrap();
    change(&world, &container, Request::Purge).await.unwrap();
    world.start_agent();
    until_it_has(&world, 0).await;
}

#[tokio::test]
async fn a_container_that_somebody_took_away_is_stopped_and_can_be_started_again() {
    let mut world = World::begin(Misfortune::None).await.unwrap();
    let container = create(&world).await.unwrap();
    world.stop_agent().await.unwrap();
    world.runtime.remove(container.id).await.unwrap();
    world.start_agent();
    world
        .only(ResourceType::Container, State::Stopped)
        .await
        .unwrap();
    change(&world, &container, Request::Start).await.unwrap();
    until_it_has(&world, 1).await;
}

#[tokio::test]
async fn a_host_removed_by_force_stops_what_runs_on_it_and_takes_its_agent_along() {
    let world = World::begin(Misfortune::None).await.unwrap();
    let container = create(&world).await.unwrap();
    let host = world.only(ResourceType::Host, State::Active).await.unwrap();
    change(&world, &host, Request::Deactivate).await.unwrap();
    force(&world, &host, Request::Remove).await.unwrap();
    let agents = ResourceFilter::all(ResourceType::Agent, 9);
    assert!(
        world.store.resources(&agents).await.unwrap().is_empty(),
        "its agent is retired with it"
    );
    let stopped = world.only(ResourceType::Container, State::Stopped);
    assert_eq!(stopped.await.unwrap().id, container.id);
    let stop = last_process(&world, container.id).await;
    let removal = last_process(&world, host.id).await;
    assert_eq!(stop.request, Request::Stop);
    assert_eq!(stop.parent, Some(removal.id), "it is a part of the removal");
    change(&world, &container, Request::Remove).await.unwrap();
}

#[tokio::test]
async fn a_host_that_is_gone_for_ever_is_removed_by_force_with_what_it_ran() {
    let mut world = World::begin(Misfortune::None).await.unwrap();
    let container = create(&world).await.unwrap();
    let host = world.only(ResourceType::Host, State::Active).await.unwrap();
    world.stop_agent().await.unwrap();
    force(&world, &host, Request::Remove).await.unwrap();
    let stopped = world.only(ResourceType::Container, State::Stopped);
    assert_eq!(stopped.await.unwrap().id, container.id);
}

async fn row(world: &World, container: &Resource) -> (Resource, ContainerStatus) {
    let store = &world.store;
    let row = store.resource(ResourceType::Container, container.id).await;
    let row = row.unwrap().unwrap();
    let Details::Container { status, .. } = &row.details else {
        panic!("no container: {row:?}");
    };
    (row.clone(), status.as_ref().clone())
}

#[tokio::test]
async fn a_container_that_cannot_be_made_elsewhere_goes_on_where_it_was() {
    let mut world = World::begin(Misfortune::None).await.unwrap();
    let container = create_of(&world, that_may_move().unwrap()).await.unwrap();
    let host = world.host(0, State::Active).await.unwrap();
    let other = world.add_host().await.unwrap();
    world.runtime_of(1).make_nothing();
    let before = world.runtime.effects();
    change(&world, &host, Request::Evacuate).await.unwrap();
    let (now, status) = row(&world, &container).await;
    assert_eq!((now.state, now.host), (State::Running, Some(host.id)));
    assert_eq!(status.former_host_id, None);
    assert_eq!(status.stays_because.as_deref(), Some("no such image"));
    assert_eq!(world.runtime.effects(), before, "it was touched");
    assert_eq!(world.store.containers_on(host.id).await.unwrap(), 1);
    assert_eq!(world.store.containers_on(other.id).await.unwrap(), 0);
    let emptied = world.host(0, State::Inactive).await.unwrap();
    let Details::Host { status, .. } = &emptied.details else {
        panic!("no host: {emptied:?}");
    };
    let left = status.left_behind.as_deref().unwrap();
    assert!(
        left.contains("could not be made elsewhere: no such image"),
        "{left}"
    );
    change(&world, &container, Request::Remove).await.unwrap();
    until_it_has(&world, 0).await;
}

/// Its end has led to a process that waits for its moment, in which the host is emptied.
#[tokio::test]
async fn a_container_that_waits_to_be_started_again_is_brought_up_elsewhere_and_once() {
    let mut world = World::begin(Misfortune::None).await.unwrap();
    let spec = ContainerSpec {
        restart_policy: always(),
        ..that_may_move().unwrap()
    };
    let container = create_of(&world, spec).await.unwrap();
    let host = world.host(0, State::Active).await.unwrap();
    let other = world.add_host().await.unwrap();
    world.runtime.end_by_itself(container.id);
    world
        .only(ResourceType::Container, State::Restarting)
        .await
        .unwrap();
    change(&world, &host, Request::Evacuate).await.unwrap();
    let (now, _) = row(&world, &container).await;
    assert_eq!((now.state, now.host), (State::Running, Some(other.id)));
    until_it_has(&world, 0).await;
    assert_eq!(world.runtime_of(1).list().await.unwrap().len(), 1);
    let processes = world.store.unfinished([container.id]).await.unwrap();
    assert!(processes.is_empty(), "{processes:?}");
    // Nobody starts it again where it was.
    let last = last_process(&world, container.id).await;
    assert_eq!((last.request, last.phase), (Request::Replace, Phase::Done));
}

async fn last_process(world: &World, resource: ResourceId) -> Process {
    let filter = ProcessFilter {
        resource: Some(resource),
        project: None,
        parent: None,
        phases: Vec::new(),
        after: None,
        limit: 100,
    };
    let processes = world.store.processes(&filter).await.unwrap();
    processes.into_iter().next_back().unwrap()
}
