//! Claims: a higher fence, a process that is due, and never one that is over.

use std::collections::HashMap;
use std::time::Duration;

use drover_domain::engine::{Next, Outcome};
use drover_domain::lifecycle::Request;
use drover_domain::process::WaitsFor;
use drover_domain::write::Written;
use drover_domain::{Fence, Phase};
use drover_store::{Claim, Claimed, fresh};
use futures::future::join_all;

use crate::support::{LEASE, NOW, World, at, container, next_write, to_change, to_create};

facts! {
    a_claim_under_the_lock_of_another_resource_claims_nothing,
    a_claim_says_who_works_on_what_and_until_when,
    a_claim_needs_a_higher_fence,
    a_sleeping_process_is_not_claimed_before_its_moment,
    a_sleeping_process_that_is_called_is_claimed_before_its_moment,
    a_finished_process_is_never_claimed,
    each_claim_of_many_has_its_own_answer,
    of_servers_that_race_the_highest_fence_has_the_process,
    servers_that_claim_and_wake_the_same_processes_do_not_trip_each_other,
}

async fn a_claim_says_who_works_on_what_and_until_when(world: World) {
    let intent = world.accept(to_create(container("one"))).await;
    let claim = Claim {
        process: intent.process.id,
        resource: intent.resource.reference(),
        fence: Fence::from_raw(7),
        is_called: false,
    };
    let server = fresh::server_id();
    let answers = world.store.claim(&[claim], server, at(3), LEASE).await;
    let owned = answers.unwrap().remove(0).unwrap();
    assert_eq!(owned.resource, intent.resource);
    assert_eq!(owned.process, world.process(intent.process.id).await);
    assert_eq!(owned.process.phase, Phase::Running);
    assert_eq!(owned.process.fence, Fence::from_raw(7));
    assert_eq!(owned.process.server, Some(server));
    assert_eq!(owned.process.started, Some(at(3)));
    assert_eq!(owned.process.run_after, at(33));

    let again = world.claim(intent.process.id, 8, at(60)).await.unwrap();
    assert_eq!(again.process.started, Some(at(3)), "it started only once");
}

async fn a_claim_needs_a_higher_fence(world: World) {
    let process = world.queued("one").await.id;
    assert!(world.claim(process, 5, NOW).await.is_some());
    let before = world.rows().await;
    assert!(world.claim(process, 5, at(900)).await.is_none());
    assert!(world.claim(process, 4, at(900)).await.is_none());
    assert_eq!(world.rows().await, before);
    let taken = world.claim(process, 6, NOW).await.unwrap();
    assert_eq!(taken.process.fence, Fence::from_raw(6));
}

async fn a_sleeping_process_is_not_claimed_before_its_moment(world: World) {
    let process = world.waiting("one", Duration::from_secs(10), None).await;
    let before = world.rows().await;
    assert!(world.claim(process.id, 9, at(9)).await.is_none());
    assert_eq!(world.rows().await, before);
    let owned = world.claim(process.id, 9, at(10)).await.unwrap();
    assert_eq!(owned.process.phase, Phase::Running);
    assert_eq!(owned.process.journal, process.journal);
}

async fn a_sleeping_process_that_is_called_is_claimed_before_its_moment(world: World) {
    let process = world.waiting("one", Duration::from_secs(10), None).await;
    let called = Claim {
        is_called: true,
        ..world.claim_of(process.id, 9).await
    };
    let server = fresh::server_id();
    let answers = world.store.take(&[called], server, at(1), LEASE).await;
    let owned = answers.unwrap().remove(0).unwrap();
    assert_eq!(owned.process.phase, Phase::Running);
    assert_eq!(owned.process.run_after, at(31));
}

async fn a_finished_process_is_never_claimed(world: World) {
    let owned = world.claimed("done", 1).await;
    let done = world.finish(owned).await.process;
    let owned = world.claimed("failed", 1).await;
    let failure = drover_domain::engine::Failure::new("it will never work");
    let (mut write, mut next) = next_write(&owned, Outcome::Fail(failure));
    world.commit(write.clone()).await;
    while next == Next::Continue {
        let undoing = Claimed {
            process: write.process,
            resource: owned.resource.clone(),
            claims: None,
        };
        (write, next) = next_write(&undoing, Outcome::done());
        world.commit(write.clone()).await;
    }
    let owned = world.claimed("canceled", 1).await;
    world
        .accept(to_change(&owned.resource, Request::Remove))
        .await;
    let before = world.rows().await;
    for finished in [done.id, write.process.id, owned.process.id] {
        assert!(world.process(finished).await.phase.is_finished());
        assert!(world.claim(finished, 1_000, at(10_000)).await.is_none());
    }
    assert_eq!(world.rows().await, before);
}

async fn a_claim_under_the_lock_of_another_resource_claims_nothing(world: World) {
    let (one, two) = (world.queued("one").await, world.queued("two").await);
    let wrong = Claim {
        resource: two.resource,
        ..world.claim_of(one.id, 5).await
    };
    let before = world.rows().await;
    let server = fresh::server_id();
    let answers = world
        .store
        .claim(&[wrong], server, NOW, LEASE)
        .await
        .unwrap();
    assert!(answers.iter().all(Option::is_none));
    assert_eq!(world.rows().await, before);
}

async fn each_claim_of_many_has_its_own_answer(world: World) {
    let taken = world.claimed("taken", 10).await.process.id;
    let asleep = world.waiting("asleep", LEASE, None).await.id;
    let (first, second) = (world.queued("a").await.id, world.queued("b").await.id);
    let asked = [
        (second, 5, true),
        (fresh::process_id(), 5, false),
        (taken, 10, false),
        (first, 6, true),
        (asleep, 5, false),
        (first, 7, false),
    ];
    let claims = join_all(asked.map(|(process, fence, _)| world.claim_of(process, fence))).await;
    let server = fresh::server_id();
    let answers = world
        .store
        .claim(&claims, server, NOW, LEASE)
        .await
        .unwrap();
    assert_eq!(answers.len(), asked.len());
    for ((process, fence, is_ours), answer) in asked.into_iter().zip(answers) {
        assert_eq!(answer.is_some(), is_ours, "{process} under {fence}");
        if let Some(owned) = answer {
            assert_eq!(owned.process.id, process);
            assert_eq!(owned.process.resource, owned.resource.reference());
            assert_eq!(owned.process.fence, Fence::from_raw(fence));
        }
    }
    let nothing = world.store.claim(&[], server, NOW, LEASE).await.unwrap();
    assert!(nothing.is_empty());
}

async fn of_servers_that_race_the_highest_fence_has_the_process(world: World) {
    let other = world.second_server().await;
    for round in 0..10 {
        let process = world.queued(&format!("round-{round}")).await.id;
        let servers: HashMap<i64, _> = (1..=8).map(|fence| (fence, fresh::server_id())).collect();
        let right = world.claim_of(process, 1).await;
        let claims = servers.iter().map(|(fence, server)| {
            let store = if fence % 2 == 0 { &world.store } else { &other };
            let claim = Claim {
                fence: Fence::from_raw(*fence),
                ..right
            };
            async move { store.claim(&[claim], *server, NOW, LEASE).await.unwrap() }
        });
        let answers: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
        let row = world.process(process).await;
        assert_eq!(row.fence, Fence::from_raw(8));
        assert_eq!(row.server, Some(servers[&8]));
        for owned in answers.into_iter().flatten() {
            let is_owner = owned.process.fence == row.fence;
            let (write, _) = next_write(&owned, Outcome::done());
            let expected = if is_owner {
                Written::Committed
            } else {
                Written::NotOurs
            };
            let written = world.store.commit(write).await.unwrap();
            assert_eq!(written, expected, "under fence {}", owned.process.fence);
        }
    }
}

/// Rows that several transactions rewrite at once, in whatever order they lie on the disk.
async fn servers_that_claim_and_wake_the_same_processes_do_not_trip_each_other(world: World) {
    const PROCESSES: usize = 60;
    const ROUNDS: i64 = 15;
    let other = world.second_server().await;
    let mut processes = Vec::new();
    for number in 0..PROCESSES {
        let name = format!("waiting-{number}");
        processes.push(world.waiting(&name, LEASE, Some(WaitsFor::Room)).await.id);
    }
    for round in 0..ROUNDS {
        let fence = 10 + round;
        let server = fresh::server_id();
        let claims = processes
            .iter()
            .map(|process| world.claim_of(*process, fence));
        let claims = join_all(claims).await;
        let (claimed, first, second) = tokio::join!(
            world.store.claim(&claims, server, at(100), LEASE),
            world.store.wake(WaitsFor::Room, NOW),
            other.wake(WaitsFor::Room, at(1)),
        );
        first.unwrap();
        second.unwrap();
        let claimed: Vec<_> = claimed.unwrap().into_iter().flatten().collect();
        assert_eq!(claimed.len(), PROCESSES, "all were due");
        // They lie down again in another order, which moves the rows about.
        let writes = claimed.iter().rev().map(|owned| {
            let outcome = Outcome::Wait {
                reason: "there is no room".to_owned(),
                delay: Duration::from_secs(60),
                waits_for: Some(WaitsFor::Room),
                progress: None,
            };
            world.store.commit(next_write(owned, outcome).0)
        });
        for written in join_all(writes).await {
            assert_eq!(written.unwrap(), Written::Committed);
        }
    }
}
