//! Forgetting: what is old goes, what is not stays, and nobody is fooled by it.

use drover_domain::engine::{Cancellation, cancel};
use drover_store::{Attached, ChangeFilter, Position, Submitted, fresh};

use super::attached;
use crate::support::{NOW, World, at, container, to_create};

facts! {
    finished_processes_go_after_a_while_and_unfinished_ones_never,
    old_changes_go_oldest_first_and_it_is_known_how_far,
    old_audit_rows_and_answers_go_and_new_ones_stay,
    nothing_is_forgotten_that_is_not_old,
    a_process_is_cancelled_once,
    a_cancellation_that_comes_after_a_claim_is_decided_anew,
}

const LATER: i64 = 1_000;

/// Whether a cancellation was committed.
async fn cancel_in(world: &World, cancellation: &Cancellation) -> bool {
    let cancelled = world.store.cancel(cancellation, Attached::nothing());
    cancelled.await.unwrap().is_done()
}

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

async fn old_audit_rows_and_answers_go_and_new_ones_stay(world: World) {
    let accept = async |number: i64| {
        let mut entry = attached::entry("container.create");
        entry.at = at(number);
        entry.id = fresh::audit_id(at(number));
        let mut answer = attached::answer(1, &format!("key-{number}"));
        answer.created = at(number);
        let attached = Attached {
            audit: Some(entry),
            answer: Some(answer),
        };
        let submitted = Submitted::new(to_create(container("one")), attached);
        world.store.accept(submitted).await.unwrap();
    };
    for number in 0..5 {
        accept(number).await;
    }
    let store = &world.store;
    assert_eq!(store.forget_audit(at(4), 3).await.unwrap(), 3);
    assert_eq!(store.forget_audit(at(4), 3).await.unwrap(), 1);
    assert_eq!(store.forget_audit(at(4), 3).await.unwrap(), 0);
    assert_eq!(store.forget_answers(at(4), 3).await.unwrap(), 3);
    assert_eq!(store.forget_answers(at(4), 3).await.unwrap(), 1);
    assert_eq!(store.forget_answers(at(4), 3).await.unwrap(), 0);
    let rows = world.rows().await;
    assert_eq!((rows["audit"].len(), rows["kept_answer"].len()), (1, 1));
    // A key that was forgotten is free.
    accept(0).await;
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
    assert!(cancel_in(&world, &cancellation).await);
    assert_eq!(world.process(process.id).await, cancellation.process);
    assert_eq!(
        world.resource(&resource).await,
        Some(cancellation.resource.clone())
    );
    assert!(!cancel_in(&world, &cancellation).await);
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
    assert!(!cancel_in(&world, &too_early).await);
    assert_eq!(world.rows().await, rows);
    let in_time = cancel(&claimed.process, &claimed.resource, "by a test", NOW).unwrap();
    assert!(cancel_in(&world, &in_time).await);
}
