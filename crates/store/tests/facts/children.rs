//! Processes that are parts of another one.

use drover_domain::engine::Outcome;
use drover_domain::lifecycle::Request;
use drover_domain::process::WaitsFor;
use drover_domain::write::{Intent, Written};
use drover_domain::{Phase, Process, Resource};
use drover_store::Claimed;

use crate::support::{NOW, World, at, next_write, to_change};

/// A process that waits for children which remove the containers.
async fn parent_of(world: &World, containers: &[Resource]) -> Process {
    let owned = world.claimed("parent", 1).await;
    let (write, _) = next_write(&owned, delegating(containers));
    world.commit(write.clone()).await;
    write.process
}

fn delegating(containers: &[Resource]) -> Outcome {
    let removals = containers
        .iter()
        .map(|container| to_change(container, Request::Remove));
    Outcome::Delegate {
        reason: "they are removed first".to_owned(),
        children: removals.collect(),
    }
}

async fn children(world: &World, parent: &Process) -> Vec<Process> {
    let filter = drover_store::ProcessFilter {
        resource: None,
        project: None,
        parent: Some(parent.id),
        phases: Vec::new(),
        after: None,
        limit: 100,
    };
    world.store.processes(&filter).await.unwrap()
}

/// Why those of the processes that ended without success did.
fn failures(processes: &[Process]) -> Vec<&str> {
    let failed = processes
        .iter()
        .filter(|process| matches!(process.phase, Phase::Failed | Phase::Canceled));
    failed
        .map(|process| process.message.as_deref().unwrap())
        .collect()
}

async fn finish(world: &World, child: &Process) {
    let owned = world.claim(child.id, 50, NOW).await.unwrap();
    world.finish(owned).await;
}

async fn children_are_born_with_the_wait_of_their_parent(world: World) {
    let containers = [world.settled("one").await, world.settled("two").await];
    let parent = parent_of(&world, &containers).await;
    let row = world.process(parent.id).await;
    assert_eq!(row.phase, Phase::Waiting);
    assert_eq!(row.waits_for, Some(WaitsFor::Children));
    let born = children(&world, &parent).await;
    assert_eq!(born.len(), 2);
    for child in &born {
        assert_eq!(
            (child.phase, child.parent),
            (Phase::Queued, Some(parent.id))
        );
        let due = world.store.due(NOW, 100).await.unwrap();
        assert!(due.iter().any(|ready| ready.process == child.id));
    }
    let unfinished = world.store.unfinished_children(parent.id).await.unwrap();
    assert_eq!((unfinished, failures(&born).len()), (2, 0));
}

async fn a_child_whose_resource_moved_on_keeps_all_of_the_write_back(world: World) {
    let containers = [world.settled("one").await, world.settled("two").await];
    world
        .accept(to_change(&containers[1], Request::Remove))
        .await;
    let owned = world.claimed("parent", 1).await;
    let before = world.rows().await;
    let (write, _) = next_write(&owned, delegating(&containers));
    let written = world.store.commit(write).await.unwrap();
    assert_eq!(written, Written::VersionMoved);
    assert_eq!(world.rows().await, before);
}

async fn a_child_ends_what_was_at_work_on_its_resource(world: World) {
    let container = world.settled("one").await;
    let Intent {
        resource, process, ..
    } = world.accept(to_change(&container, Request::Start)).await;
    let parent = parent_of(&world, &[resource]).await;
    let superseded = world.process(process.id).await;
    assert_eq!(superseded.phase, Phase::Canceled);
    let born = children(&world, &parent).await;
    assert!(
        superseded
            .message
            .unwrap()
            .contains(&born[0].id.to_string())
    );
}

async fn the_end_of_the_last_child_wakes_the_parent_and_that_of_no_other(world: World) {
    let containers = [world.settled("one").await, world.settled("two").await];
    let parent = parent_of(&world, &containers).await;
    let born = children(&world, &parent).await;

    finish(&world, &born[0]).await;
    let woken = world.store.wake_parent(parent.id, at(1)).await.unwrap();
    assert_eq!(woken, None);
    finish(&world, &born[1]).await;
    let woken = world.store.wake_parent(parent.id, at(1)).await.unwrap();
    assert_eq!(woken.map(|ready| ready.process), Some(parent.id));
    let Claimed { process, .. } = world.claim(parent.id, 60, at(1)).await.unwrap();
    assert_eq!(process.phase, Phase::Running);
    let woken = world.store.wake_parent(parent.id, at(1)).await.unwrap();
    assert_eq!(woken, None, "it does not wait any more");
}

async fn a_child_that_failed_is_told_of_with_its_reason(world: World) {
    let parent = parent_of(&world, &[world.settled("one").await]).await;
    let born = children(&world, &parent).await;
    let owned = world.claim(born[0].id, 50, NOW).await.unwrap();
    let failure = drover_domain::engine::Failure::new("the engine is broken");
    let (write, _) = next_write(&owned, Outcome::Fail(failure));
    world.commit(write).await;
    let unfinished = world.store.unfinished_children(parent.id).await.unwrap();
    let ended = children(&world, &parent).await;
    assert_eq!(unfinished, 0);
    assert_eq!(failures(&ended), ["the engine is broken"]);
}

facts! {
    children_are_born_with_the_wait_of_their_parent,
    a_child_whose_resource_moved_on_keeps_all_of_the_write_back,
    a_child_ends_what_was_at_work_on_its_resource,
    the_end_of_the_last_child_wakes_the_parent_and_that_of_no_other,
    a_child_that_failed_is_told_of_with_its_reason,
}
