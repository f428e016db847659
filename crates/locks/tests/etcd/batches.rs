//! Many locks cost few transactions.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::ensure;
use drover_domain::Fence;
use drover_locks::conformance::container;
use drover_locks::{Acquisition, EtcdLocks, LockManager};
use drover_scenarios::until::until;
use futures::future::join_all;
use tokio::time::Instant;

use crate::service::Service;

/// The fences of locks that all have to be free.
async fn fences(locks: &EtcdLocks, from: usize, count: usize) -> (Vec<Fence>, Vec<Acquisition>) {
    let wanted: Vec<_> = (from..from + count).map(container).collect();
    let answers = locks.acquire(&wanted).await.unwrap();
    let fences = answers.iter().map(|answer| match answer {
        Acquisition::Acquired(guard) => guard.fence(),
        Acquisition::Held => panic!("a lock is held"),
    });
    (fences.collect(), answers)
}

/// etcd's count of the transactions that wrote something.
async fn revision(service: &Service) -> i64 {
    let found = service.client().await.get("any", None).await.unwrap();
    found.header().unwrap().revision()
}

#[tokio::test]
async fn a_thousand_locks_take_and_leave_in_a_few_transactions() {
    let service = Service::start().await;
    let locks = service.server("first").await;
    let before = revision(&service).await;
    let (fences, guards) = fences(&locks, 0, 1_000).await;
    // All locks of one transaction have the fence of its revision.
    let transactions = fences.iter().collect::<HashSet<_>>().len();
    assert!(transactions <= 20, "{transactions} transactions");
    drop(guards);
    until("no lock is left", Duration::from_secs(10), || async {
        let left = service.keys("lock/").await.len();
        ensure!(left == 0, "{left} are left");
        Ok(())
    })
    .await
    .unwrap();
    let written = revision(&service).await - before;
    assert!(written <= 60, "{written} transactions");
}

#[tokio::test]
async fn calls_that_come_together_share_transactions() {
    let service = Service::start().await;
    let locks = service.server("first").await;
    let calls = (0..500).map(|number| fences(&locks, number, 1));
    let answers = join_all(calls).await;
    let transactions: HashSet<_> = answers.iter().flat_map(|(fences, _)| fences).collect();
    assert!(
        transactions.len() <= 100,
        "{} transactions",
        transactions.len()
    );
}

/// Prints how fast locks are taken and given back; run it by name, with `--run-ignored all`.
#[tokio::test]
#[ignore = "it measures, it asserts nothing but that it ends"]
async fn how_fast_locks_are_taken_and_given_back() {
    let service = Service::start().await;
    let locks = service.server("first").await;
    for callers in [1_usize, 16, 128, 512] {
        let (started, turns) = (Instant::now(), 20_000 / callers.max(4));
        join_all((0..callers).map(|caller| {
            let locks = &locks;
            async move {
                for turn in 0..turns {
                    // Another lock each turn, as one process after another has it.
                    drop(fences(locks, caller * turns + turn, 1).await);
                }
            }
        }))
        .await;
        let per_second = (callers * turns) as f64 / started.elapsed().as_secs_f64();
        println!("{callers} callers: {per_second:.0} locks a second");
    }
}
