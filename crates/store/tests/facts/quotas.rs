//! Quotas: they hold whoever accepts, from the moment that they are set; and projects that are gone,
//! in which nothing is made.

use drover_domain::lifecycle::Request;
use drover_domain::quota::QuotaRefusal;
use drover_domain::resource::{Details, ProjectSpec, Quota};
use drover_domain::write::Intent;
use drover_domain::{Resource, ResourceId, State};
use drover_store::{Accepted, Attached, ProjectRemoval, Store, Submitted};
use futures::future::{join, join_all};
use uuid::Uuid;

use super::attached::{answer, entry};
use crate::support::{NOW, World, container, resource, to_change, to_create};

facts! {
    a_quota_of_containers_is_kept_in_one_batch,
    two_servers_that_race_for_the_last_places_overrun_nothing,
    memory_and_cpu_are_summed_up,
    what_has_to_be_stated_is_asked_for,
    a_quota_holds_at_another_server_at_once,
    a_quota_that_is_taken_away_is_not_held_against_anybody,
    a_removed_container_gives_its_place_back,
    a_refusal_spoils_nothing_for_its_neighbours_and_keeps_no_answer,
    a_project_that_is_gone_takes_no_container,
    of_a_removal_and_a_container_that_race_for_a_project_one_wins,
}

const COMMITTED: Accepted = Accepted::Committed { superseded: None };

fn project(quota: Quota) -> Resource {
    let spec = ProjectSpec { quota };
    resource("project", State::Active, Details::Project { spec })
}

async fn with_quota(world: &World, quota: Quota) -> ResourceId {
    let project = project(quota);
    let inserted = world.store.insert(&project, Attached::nothing()).await;
    assert!(inserted.unwrap().is_done());
    project.id
}

async fn set(store: &Store, id: ResourceId, quota: Quota) {
    let mut changed = store
        .resource(drover_domain::ResourceType::Project, id)
        .await
        .unwrap()
        .unwrap();
    let expected = changed.version;
    changed.version += 1;
    changed.details = project(quota).details;
    let rewritten = store.rewrite(&changed, expected, Attached::nothing()).await;
    assert!(rewritten.unwrap().is_done());
}

fn containers(most: u32) -> Quota {
    Quota {
        containers: Some(most),
        ..Quota::default()
    }
}

fn within(project: ResourceId, memory: Option<u32>, cpu: Option<u32>) -> Intent {
    let mut container = container("one");
    container.project = Some(project);
    if let Details::Container { spec, .. } = &mut container.details {
        spec.resources.memory_mib = memory;
        spec.resources.cpu_millis = cpu;
    }
    to_create(container)
}

async fn a_quota_of_containers_is_kept_in_one_batch(world: World) {
    let project = with_quota(&world, containers(3)).await;
    for _ in 0..2 {
        let intents = (0..5).map(|_| world.store.accept(within(project, None, None)));
        join_all(intents).await;
    }
    assert_eq!(made(&world).await, 3);
}

async fn made(world: &World) -> usize {
    world.rows().await["process"].len()
}

async fn two_servers_that_race_for_the_last_places_overrun_nothing(world: World) {
    let other = world.second_server().await;
    let mut expected = 0;
    for _ in 0..10 {
        let project = with_quota(&world, containers(5)).await;
        let submitting = (0..12).map(|number| {
            let store = match number % 2 {
                0 => &world.store,
                _ => &other,
            };
            store.accept(within(project, Some(1), None))
        });
        let outcomes = join_all(submitting).await;
        let committed = outcomes
            .iter()
            .filter(|outcome| *outcome.as_ref().unwrap() == COMMITTED)
            .count();
        assert_eq!(committed, 5, "{outcomes:?}");
        expected += 5;
        assert_eq!(made(&world).await, expected);
    }
}

async fn memory_and_cpu_are_summed_up(world: World) {
    let quota = Quota {
        containers: None,
        memory_mib: Some(100),
        cpu_millis: Some(1_000),
    };
    let project = with_quota(&world, quota).await;
    let accept = async |memory, cpu| {
        let intent = within(project, Some(memory), Some(cpu));
        world.store.accept(intent).await.unwrap()
    };
    assert_eq!(accept(60, 400).await, COMMITTED);
    let refused = QuotaRefusal::Exceeded {
        quota: "memoryMiB",
        unit: "MiB of memory",
        used: 60,
        asked: 50,
        allowed: 100,
    };
    assert_eq!(accept(50, 400).await, Accepted::OverQuota(refused));
    let refused = QuotaRefusal::Exceeded {
        quota: "cpuMillis",
        unit: "thousandths of a CPU",
        used: 400,
        asked: 700,
        allowed: 1_000,
    };
    assert_eq!(accept(40, 700).await, Accepted::OverQuota(refused));
    assert_eq!(accept(40, 600).await, COMMITTED);
}

async fn what_has_to_be_stated_is_asked_for(world: World) {
    let quota = Quota {
        memory_mib: Some(100),
        ..Quota::default()
    };
    let project = with_quota(&world, quota).await;
    let outcome = world.store.accept(within(project, None, Some(1))).await;
    let field = "resources.memoryMiB";
    let expected = Accepted::OverQuota(QuotaRefusal::Unstated { field });
    assert_eq!(outcome.unwrap(), expected);
    let outcome = world.store.accept(within(project, Some(100), None)).await;
    assert_eq!(outcome.unwrap(), COMMITTED);
}

async fn a_quota_holds_at_another_server_at_once(world: World) {
    let other = world.second_server().await;
    let project = with_quota(&world, Quota::default()).await;
    for store in [&world.store, &other] {
        let outcome = store.accept(within(project, None, None)).await;
        assert_eq!(outcome.unwrap(), COMMITTED);
    }
    set(&world.store, project, containers(2)).await;
    let outcome = other.accept(within(project, None, None)).await.unwrap();
    assert!(matches!(outcome, Accepted::OverQuota(_)), "{outcome:?}");
}

async fn a_quota_that_is_taken_away_is_not_held_against_anybody(world: World) {
    let other = world.second_server().await;
    let project = with_quota(&world, containers(0)).await;
    for store in [&world.store, &other] {
        let outcome = store.accept(within(project, None, None)).await.unwrap();
        assert!(matches!(outcome, Accepted::OverQuota(_)), "{outcome:?}");
    }
    set(&world.store, project, Quota::default()).await;
    for store in [&world.store, &other] {
        let outcome = store.accept(within(project, None, None)).await;
        assert_eq!(outcome.unwrap(), COMMITTED);
    }
}

async fn a_removed_container_gives_its_place_back(world: World) {
    let project = with_quota(&world, containers(1)).await;
    let intent = world.accept(within(project, None, None)).await;
    let owned = world.claim(intent.process.id, 1, NOW).await;
    let created = world.finish(owned.unwrap()).await.resource;
    let removal = world.accept(to_change(&created, Request::Remove)).await;
    let refused = world.store.accept(within(project, None, None)).await;
    assert!(matches!(refused.unwrap(), Accepted::OverQuota(_)));
    let owned = world.claim(removal.process.id, 2, NOW).await;
    world.finish(owned.unwrap()).await;
    let outcome = world.store.accept(within(project, None, None)).await;
    assert_eq!(outcome.unwrap(), COMMITTED);
}

async fn a_refusal_spoils_nothing_for_its_neighbours_and_keeps_no_answer(world: World) {
    let full = with_quota(&world, containers(0)).await;
    let free = with_quota(&world, Quota::default()).await;
    let submitting = (0..10).map(|number| {
        let project = if number % 2 == 0 { full } else { free };
        let attached = Attached {
            audit: Some(entry("container.create")),
            answer: Some(answer(1, &format!("key-{number}"))),
        };
        let one = Submitted::new(within(project, None, None), attached);
        world.store.accept(one)
    });
    for (number, outcome) in join_all(submitting).await.into_iter().enumerate() {
        let is_committed = outcome.unwrap() == COMMITTED;
        assert_eq!(is_committed, number % 2 == 1);
    }
    let rows = world.rows().await;
    for table in ["process", "audit", "kept_answer"] {
        assert_eq!(rows[table].len(), 5, "{table}");
    }
}

async fn a_project_that_is_gone_takes_no_container(world: World) {
    let project = with_quota(&world, Quota::default()).await;
    let other = with_quota(&world, Quota::default()).await;
    let removal = world
        .store
        .remove_project(project, NOW, Attached::nothing())
        .await;
    assert!(matches!(removal.unwrap(), ProjectRemoval::Removed(_)));
    let never_there = ResourceId::new(Uuid::nil());
    for (project, expected) in [
        (project, Accepted::NoProject),
        (never_there, Accepted::NoProject),
        (other, COMMITTED),
        (project, Accepted::NoProject),
    ] {
        let outcome = world.store.accept(within(project, None, None)).await;
        assert_eq!(outcome.unwrap(), expected);
    }
}

async fn of_a_removal_and_a_container_that_race_for_a_project_one_wins(world: World) {
    let other = world.second_server().await;
    let mut expected = 0;
    for quota in [Quota::default(), containers(5)].repeat(10) {
        let project = with_quota(&world, quota).await;
        let removal = other.remove_project(project, NOW, Attached::nothing());
        let container = world.store.accept(within(project, None, None));
        let (removal, container) = join(removal, container).await;
        match (removal.unwrap(), container.unwrap()) {
            (ProjectRemoval::Removed(_), Accepted::NoProject) => {}
            (ProjectRemoval::InUse, Accepted::Committed { .. }) => expected += 1,
            both => panic!("both won, or neither: {both:?}"),
        }
        assert_eq!(made(&world).await, expected);
    }
}
