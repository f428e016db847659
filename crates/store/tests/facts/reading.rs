//! Reading resources and processes: filters, pages, and what is left out.

use drover_domain::lifecycle::Request;
use drover_domain::{Phase, Process, Resource, ResourceId, ResourceType, State};
use drover_store::{ProcessFilter, ResourceFilter, fresh};

use crate::support::{NOW, World, container, host, to_change, to_create};

facts! {
    a_resource_is_found_by_its_type_and_id_only,
    resources_are_listed_by_what_is_asked_for,
    removed_resources_are_listed_only_when_asked_for,
    pages_of_resources_join_up,
    processes_are_listed_by_what_is_asked_for,
    pages_of_processes_join_up,
    only_unfinished_processes_are_unfinished,
}

fn every_process() -> ProcessFilter {
    ProcessFilter {
        resource: None,
        project: None,
        parent: None,
        phases: Vec::new(),
        after: None,
        limit: 100,
    }
}

fn containers() -> ResourceFilter {
    ResourceFilter::all(ResourceType::Container, 100)
}

async fn listed(world: &World, filter: &ResourceFilter) -> Vec<ResourceId> {
    let found = world.store.resources(filter).await.unwrap();
    found.iter().map(|resource| resource.id).collect()
}

async fn insert(world: &World, resource: Resource) -> ResourceId {
    world.insert(&resource).await;
    resource.id
}

async fn a_resource_is_found_by_its_type_and_id_only(world: World) {
    let resource = host("host");
    world.insert(&resource).await;
    let find = async |resource_type, id| world.store.resource(resource_type, id).await.unwrap();
    let id = resource.id;
    assert_eq!(find(ResourceType::Host, id).await, Some(resource));
    assert_eq!(find(ResourceType::Container, id).await, None);
    assert_eq!(find(ResourceType::Host, fresh::resource_id()).await, None);
    assert_eq!(
        world.store.process(fresh::process_id()).await.unwrap(),
        None
    );
}

async fn resources_are_listed_by_what_is_asked_for(world: World) {
    let (project, machine) = (fresh::resource_id(), fresh::resource_id());
    let plain = insert(&world, container("plain")).await;
    let mut other = container("other");
    other.project = Some(project);
    let other = insert(&world, other).await;
    let mut placed = container("plain");
    placed.host = Some(machine);
    placed.state = State::Running;
    let placed = insert(&world, placed).await;
    let host = insert(&world, host("plain")).await;

    assert_eq!(listed(&world, &containers()).await, [plain, other, placed]);
    let mut hosts = containers();
    hosts.resource_type = ResourceType::Host;
    assert_eq!(listed(&world, &hosts).await, [host]);
    let mut filter = containers();
    filter.project = Some(project);
    assert_eq!(listed(&world, &filter).await, [other]);
    let mut filter = containers();
    filter.name = Some("plain".to_owned());
    assert_eq!(listed(&world, &filter).await, [plain, placed]);
    filter.host = Some(machine);
    assert_eq!(listed(&world, &filter).await, [placed]);
    let mut filter = containers();
    filter.states = vec![State::Running, State::Stopped];
    assert_eq!(listed(&world, &filter).await, [placed]);
    filter.states.push(State::Requested);
    assert_eq!(listed(&world, &filter).await, [plain, other, placed]);
}

async fn removed_resources_are_listed_only_when_asked_for(world: World) {
    let here = insert(&world, container("here")).await;
    let mut gone = container("gone");
    gone.removed = Some(NOW);
    gone.state = State::Removed;
    let gone = insert(&world, gone).await;
    let mut filter = containers();
    assert_eq!(listed(&world, &filter).await, [here]);
    filter.with_removed = true;
    assert_eq!(listed(&world, &filter).await, [here, gone]);
    filter.states = vec![State::Removed];
    assert_eq!(listed(&world, &filter).await, [gone]);
}

async fn pages_of_resources_join_up(world: World) {
    let mut expected = Vec::new();
    for number in 0..7 {
        expected.push(insert(&world, container(&format!("number-{number}"))).await);
    }
    let mut filter = containers();
    filter.limit = 3;
    let mut sizes = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let page = listed(&world, &filter).await;
        sizes.push(page.len());
        seen.extend(page);
        filter.after = seen.last().copied();
    }
    assert_eq!(sizes, [3, 3, 1, 0]);
    assert_eq!(seen, expected, "oldest first");
}

async fn processes_are_listed_by_what_is_asked_for(world: World) {
    let project = world.project("one").await;
    let done = world.settled("done").await;
    let mut inside = container("inside");
    inside.project = Some(project);
    let inside = world.accept(to_create(inside)).await.process;
    let running = world.claimed("running", 1).await.process;
    let start = world.accept(to_change(&done, Request::Start)).await.process;

    let list = async |filter: ProcessFilter| world.store.processes(&filter).await.unwrap();
    let by_resource = list(ProcessFilter {
        resource: Some(done.id),
        ..every_process()
    });
    let by_resource = by_resource.await;
    let requests: Vec<_> = by_resource.iter().map(|one| one.request).collect();
    assert_eq!(requests, [Request::Create, Request::Start]);
    let by_project = ProcessFilter {
        project: Some(project),
        ..every_process()
    };
    assert_eq!(list(by_project).await, std::slice::from_ref(&inside));
    let by_phase = ProcessFilter {
        phases: vec![Phase::Queued, Phase::Running],
        ..every_process()
    };
    assert_eq!(list(by_phase).await, [inside, running, start]);
    assert_eq!(list(every_process()).await.len(), 4);
}

async fn pages_of_processes_join_up(world: World) {
    let mut expected = Vec::new();
    for number in 0..5 {
        expected.push(world.queued(&format!("number-{number}")).await);
    }
    let mut filter = ProcessFilter {
        limit: 2,
        ..every_process()
    };
    let mut seen: Vec<Process> = Vec::new();
    for expected in [2, 2, 1, 0] {
        let page = world.store.processes(&filter).await.unwrap();
        assert_eq!(page.len(), expected);
        seen.extend(page);
        filter.after = seen.last().map(|process| process.id);
    }
    assert_eq!(seen, expected, "oldest first");
}

async fn only_unfinished_processes_are_unfinished(world: World) {
    let settled = world.settled("settled").await;
    let queued = world.queued("queued").await;
    let asleep = world.waiting("asleep", crate::support::LEASE, None).await;
    let not_asked_for = world.queued("not asked for").await;
    let resources = [settled.id, queued.resource.id, asleep.resource.id];
    let mut unfinished = world.store.unfinished(resources).await.unwrap();
    unfinished.sort_by_key(|process| process.id);
    assert_eq!(unfinished, [queued, asleep]);
    assert!(!unfinished.contains(&not_asked_for));
    assert!(world.store.unfinished([]).await.unwrap().is_empty());
}
