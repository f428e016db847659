//! Forgetting: what is old goes, what is not stays, and nobody is fooled by it.

use drover_domain::engine::cancel;
use drover_store::{ChangeFilter, Position};

use crate::support::{NOW, World, at};

facts! {
    finished_processes_go_after_a_while_and_unfinished_ones_never,
    old_changes_go_oldest_first_and_it_is_known_how_far,
    nothing_is_forgotten_that_is_not_old,
    a_process_is_cancelled_once,
    a_cancellation_that_comes_after_a_claim_is_decided_anew,
}

const LATER: i64 = 1_000;

async fn finished_processes_go_after_a_while_and_unfinished_ones_never(world: World) {
    let resource = world.settled("done").await;
    let queued = world.queued("queued").await;
    let forgotten = world.store.forget_processes(at(LATER), 100).await.unwrap();
    assert_eq!(forgotten, 1);
    assert_eq!(world.process(queued.id).await, queued);
    assert!(
        world.resource(&resource).await.is_some(),
        "the container itself stays"
    );
    assert_eq!(
        world.store.forget_processes(at(LATER), 100).await.unwrap(),
        0
    );
}

async fn old_changes_go_oldest_first_and_it_is_known_how_far(world: World) {
    world.settled("one").await;
    world.settled("two").await;
    let everything = ChangeFilter::default();
    let before = world
        .store
        .changes(Position::default(), &everything, 100)
        .await
        .unwrap();
    assert_eq!(world.store.forget_changes(at(LATER), 2).await.unwrap(), 2);
    let after = world
        .store
        .changes(Position::default(), &everything, 100)
        .await
        .unwrap();
    assert_eq!(after, before[2..]);
    assert_eq!(
        world.store.forgotten_changes().await.unwrap(),
        before[1].position
    );
    while world.store.forget_changes(at(LATER), 2).await.unwrap() > 0 {}
    let last = before.last().unwrap().position;
    assert_eq!(world.store.forgotten_changes().await.unwrap(), last);
    // What comes later still has a later position.
    world.settled("three").await;
    let new = world.store.changes(last, &everything, 100).await.unwrap();
    assert!(!new.is_empty());
}

async fn nothing_is_forgotten_that_is_not_old(world: World) {
    world.settled("one").await;
    let rows = world.rows().await;
    assert_eq!(
        world
            .store
            .forget_processes(NOW.before(std::time::Duration::from_secs(3_600)), 100)
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        world
            .store
            .forget_changes(NOW.before(std::time::Duration::from_secs(3_600)), 100)
            .await
            .unwrap(),
        0
    );
    assert_eq!(world.rows().await, rows);
}

async fn a_process_is_cancelled_once(world: World) {
    let process = world.queued("one").await;
    let resource = world
        .store
        .resource(process.resource.resource_type, process.resource.id)
        .await
        .unwrap()
        .unwrap();
    let cancellation = cancel(&process, &resource, "by a test", NOW).unwrap();
    assert!(world.store.cancel(&cancellation).await.unwrap());
    assert_eq!(world.process(process.id).await, cancellation.process);
    assert_eq!(
        world.resource(&resource).await,
        Some(cancellation.resource.clone())
    );
    assert!(!world.store.cancel(&cancellation).await.unwrap());
    assert!(world.claim(process.id, 9, NOW).await.is_none());
}

async fn a_cancellation_that_comes_after_a_claim_is_decided_anew(world: World) {
    let process = world.queued("one").await;
    let resource = world
        .store
        .resource(process.resource.resource_type, process.resource.id)
        .await
        .unwrap()
        .unwrap();
    let too_early = cancel(&process, &resource, "by a test", NOW).unwrap();
    let claimed = world.claim(process.id, 5, NOW).await.unwrap();
    let rows = world.rows().await;
    assert!(!world.store.cancel(&too_early).await.unwrap());
    assert_eq!(world.rows().await, rows);
    let in_time = cancel(&claimed.process, &claimed.resource, "by a test", NOW).unwrap();
    assert!(world.store.cancel(&in_time).await.unwrap());
}
