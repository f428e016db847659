//! What becomes of hosts and of what lives on them when their agents go and come back.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, and so do its helpers"
)]

use std::time::Duration;

use drover_agent::runtime::Runtime;
use drover_domain::lifecycle::Request;
use drover_domain::{Process, ResourceId, ResourceType, State};
use drover_steps::life::{change, create, force};
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
