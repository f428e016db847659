//! Taking: what only decides at first is claimed by its first write, and by the first who writes.

use std::time::Duration;

use drover_domain::engine::Outcome;
use drover_domain::lifecycle::Request;
use drover_domain::write::Written;
use drover_domain::{Fence, Phase};

use crate::support::{LEASE, NOW, World, container, next_write, to_change, to_create};

facts! {
    what_only_decides_at_first_is_claimed_by_its_first_write,
    of_two_that_have_a_process_in_mind_the_first_to_write_has_it,
    who_has_a_process_in_mind_that_another_claims_may_not_write,
    a_process_in_mind_that_is_ended_meanwhile_is_not_written,
    what_acts_at_first_is_claimed_at_once,
    what_somebody_left_running_is_claimed_at_once,
    of_many_each_is_taken_in_its_own_way,
}

async fn what_only_decides_at_first_is_claimed_by_its_first_write(world: World) {
    let queued = world.queued("one").await;
    let before = world.rows().await;
    let owned = world.take(queued.id, 7).await.unwrap();
    assert_eq!(owned.claims, Some(Fence::NONE));
    assert_eq!(owned.process.fence, Fence::from_raw(7));
    assert_eq!(world.rows().await, before, "nobody has written yet");

    let (write, _) = next_write(&owned, Outcome::done());
    world.commit(write.clone()).await;
    let row = world.process(queued.id).await;
    assert_eq!(row, write.process);
    assert_eq!((row.phase, row.fence), (Phase::Running, Fence::from_raw(7)));
}

async fn of_two_that_have_a_process_in_mind_the_first_to_write_has_it(world: World) {
    let queued = world.queued("one").await;
    let older = world.take(queued.id, 5).await.unwrap();
    let newer = world.take(queued.id, 6).await.unwrap();
    let (first, _) = next_write(&older, Outcome::done());
    world.commit(first).await;
    let (second, _) = next_write(&newer, Outcome::done());
    world.refuses(second, Written::NotOurs).await;
}

async fn who_has_a_process_in_mind_that_another_claims_may_not_write(world: World) {
    let waiting = world.waiting("one", Duration::ZERO, None).await;
    let in_mind = world.take(waiting.id, 5).await.unwrap();
    assert_eq!(in_mind.claims, Some(waiting.fence));
    world.claim(waiting.id, 6, NOW).await.unwrap();
    let (write, _) = next_write(&in_mind, Outcome::done());
    world.refuses(write, Written::NotOurs).await;
}

async fn a_process_in_mind_that_is_ended_meanwhile_is_not_written(world: World) {
    let intent = world.accept(to_create(container("one"))).await;
    let in_mind = world.take(intent.process.id, 5).await.unwrap();
    let remove = to_change(&intent.resource, Request::Remove);
    world.accept(remove).await;
    let (write, _) = next_write(&in_mind, Outcome::done());
    world.refuses(write, Written::NotOurs).await;
}

async fn what_acts_at_first_is_claimed_at_once(world: World) {
    let settled = world.settled("one").await;
    let remove = world.accept(to_change(&settled, Request::Remove)).await;
    let owned = world.take(remove.process.id, 9).await.unwrap();
    assert_eq!(owned.claims, None);
    assert_eq!(world.process(remove.process.id).await, owned.process);
}

async fn what_somebody_left_running_is_claimed_at_once(world: World) {
    let left = world.claimed("one", 5).await.process;
    assert!(world.take(left.id, 5).await.is_none(), "an older fence");
    let owned = world.take(left.id, 6).await.unwrap();
    assert_eq!(owned.claims, None);
    assert_eq!(world.process(left.id).await.fence, Fence::from_raw(6));
}

async fn of_many_each_is_taken_in_its_own_way(world: World) {
    let settled = world.settled("settled").await;
    let remove = world.accept(to_change(&settled, Request::Remove)).await;
    let finished = {
        let owned = world.claimed("finished", 1).await;
        world.finish(owned).await.process
    };
    let queued = world.queued("queued").await;
    let mut claims = Vec::new();
    for process in [queued.id, finished.id, queued.id, remove.process.id] {
        claims.push(world.claim_of(process, 20).await);
    }
    let server = drover_store::fresh::server_id();
    let taken = world.store.take(&claims, server, NOW, LEASE);
    let taken = taken.await.unwrap();
    let seen: Vec<_> = taken
        .iter()
        .map(|taken| taken.as_ref().map(|owned| (owned.process.id, owned.claims)))
        .collect();
    let in_mind = Some((queued.id, Some(Fence::NONE)));
    let at_once = Some((remove.process.id, None));
    assert_eq!(seen, [in_mind, None, None, at_once], "each of them once");
}
