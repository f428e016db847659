//! etcd restarts, stands still, loses its disk, or is not there.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::ensure;
use drover_locks::conformance::{acquired, container, eventually, is_held};
use drover_locks::{Acquisition, EtcdLocks, EtcdOptions, LockError, LockManager};
use drover_scenarios::until::until;
use tokio::time::{Instant, timeout};

use crate::service::{LEASE, Service};

const SOON: Duration = Duration::from_secs(20);

async fn until_connected(locks: &EtcdLocks, expected: bool) {
    until("the state of the session", SOON, || async move {
        ensure!(locks.is_connected() == expected, "it is {}", !expected);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_restart_of_etcd_within_the_lease_keeps_the_locks() {
    let mut service = Service::start().await;
    let (first, second) = (
        service.server("first").await,
        service.server("second").await,
    );
    let guard = acquired(&first, container(1)).await;
    service.etcd.process().kill_hard().unwrap();
    service.etcd.start_again().await.unwrap();
    // A later lock shows that both have found etcd again.
    drop(eventually(&first, container(2)).await);
    drop(eventually(&second, container(3)).await);
    assert!(is_held(&second, container(1)).await);
    // Longer than the lease from before the restart: the session was renewed.
    assert!(timeout(LEASE, guard.lost().cancelled()).await.is_err());
    assert!(is_held(&second, container(1)).await);
}

#[tokio::test]
async fn an_etcd_that_lost_its_disk_loses_the_guards_and_gives_higher_fences() {
    let mut service = Service::start().await;
    let (first, second) = (
        service.server("first").await,
        service.server("second").await,
    );
    for _ in 0..20 {
        drop(eventually(&first, container(9)).await);
    }
    let guard = eventually(&first, container(1)).await;
    service.etcd.start_empty().await.unwrap();
    timeout(SOON, guard.lost().cancelled()).await.unwrap();
    let after = eventually(&second, container(1)).await;
    assert!(after.fence() > guard.fence());
    let by_the_same = eventually(&first, container(2)).await;
    assert!(by_the_same.fence() > guard.fence());
    assert!(is_held(&first, container(1)).await);
    assert_eq!(service.keys("epoch").await[0].1, "2");
}

#[tokio::test]
async fn an_epoch_that_was_removed_by_hand_is_replaced_by_a_higher_one() {
    let service = Service::start().await;
    let locks = service.server("first").await;
    let guard = acquired(&locks, container(1)).await;
    let mut client = service.client().await;
    client.delete("/drover/v1/epoch", None).await.unwrap();
    let after = eventually(&locks, container(2)).await;
    assert!(guard.lost().is_cancelled());
    assert!(after.fence() > guard.fence());
    assert_eq!(service.keys("epoch").await[0].1, "2");
}

#[tokio::test]
async fn guards_are_lost_before_etcd_can_give_their_locks_away() {
    let mut service = Service::start().await;
    let options = EtcdOptions {
        lease: Duration::from_secs(3),
        ..service.options("first")
    };
    let locks = service.server_with(options).await;
    let guard = acquired(&locks, container(1)).await;
    service.etcd.process().pause().unwrap();
    let paused = Instant::now();
    timeout(SOON, guard.lost().cancelled()).await.unwrap();
    // The last renewal may have been confirmed just before the pause, but not after it.
    assert!(paused.elapsed() < Duration::from_secs(3));
    assert!(!locks.is_connected());
    service.etcd.process().resume().unwrap();
    let after = eventually(&locks, container(1)).await;
    assert!(after.fence() > guard.fence());
}

#[tokio::test]
async fn an_etcd_that_stands_still_for_less_than_the_lease_costs_no_guard() {
    let mut service = Service::start().await;
    let options = EtcdOptions {
        lease: Duration::from_secs(20),
        ..service.options("first")
    };
    let first = service.server_with(options).await;
    let second = service.server("second").await;
    let guard = acquired(&first, container(1)).await;
    service.etcd.process().pause().unwrap();
    let refused = first.acquire(&[container(2)]).await;
    assert!(matches!(refused, Err(LockError::Unreachable { .. })));
    assert!(!first.is_connected());
    service.etcd.process().resume().unwrap();
    until_connected(&first, true).await;
    drop(eventually(&second, container(2)).await);
    assert!(!guard.lost().is_cancelled());
    assert!(is_held(&second, container(1)).await);
}

#[tokio::test]
async fn a_lock_that_is_given_back_while_etcd_is_down_is_free_when_it_returns() {
    let mut service = Service::start().await;
    let options = EtcdOptions {
        lease: Duration::from_secs(60),
        ..service.options("first")
    };
    let first = service.server_with(options).await;
    let second = service.server("second").await;
    let kept = acquired(&first, container(1)).await;
    let guard = acquired(&first, container(2)).await;
    service.etcd.stop().await.unwrap();
    drop(guard);
    until_connected(&first, false).await;
    service.etcd.start_again().await.unwrap();
    drop(eventually(&second, container(2)).await);
    assert!(!kept.lost().is_cancelled());
    assert!(is_held(&second, container(1)).await);
}

#[tokio::test]
async fn while_etcd_is_down_asking_fails_soon_and_then_at_once() {
    let mut service = Service::start().await;
    let locks = service.server("first").await;
    service.etcd.process().kill_hard().unwrap();
    let first_refusal = locks.acquire(&[container(1)]).await;
    assert!(matches!(first_refusal, Err(LockError::Unreachable { .. })));
    for _ in 0..100 {
        let started = Instant::now();
        assert!(locks.acquire(&[container(1)]).await.is_err());
        assert!(started.elapsed() < Duration::from_millis(200));
    }
}

#[tokio::test]
async fn a_manager_that_starts_while_etcd_is_down_comes_up_with_it() {
    let mut service = Service::start().await;
    service.etcd.stop().await.unwrap();
    let locks = service.server("first").await;
    assert!(!locks.is_connected());
    assert!(locks.acquire(&[container(1)]).await.is_err());
    service.etcd.start_again().await.unwrap();
    let _guard = eventually(&locks, container(1)).await;
    assert!(locks.is_connected());
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_passed_over() {
    let service = Service::start().await;
    let options = EtcdOptions {
        endpoints: vec!["http://127.0.0.1:1".to_owned(), service.etcd.url()],
        ..service.options("first")
    };
    let locks = service.server_with(options).await;
    until_connected(&locks, true).await;
    for number in 0..20 {
        let answers = locks.acquire(&[container(number)]).await.unwrap();
        assert!(matches!(answers[..], [Acquisition::Acquired(_)]));
    }
}

#[tokio::test]
async fn without_an_epoch_there_is_no_lock_until_there_is_one() {
    let service = Service::start().await;
    service.epochs.out_of_reach.store(true, Ordering::SeqCst);
    let locks = service.server("first").await;
    let refused = locks.acquire(&[container(1)]).await;
    assert!(
        matches!(refused, Err(LockError::NoEpoch { .. })),
        "{refused:?}"
    );
    assert!(service.keys("").await.is_empty());
    service.epochs.out_of_reach.store(false, Ordering::SeqCst);
    let _guard = eventually(&locks, container(1)).await;
}

#[tokio::test]
async fn a_server_that_closes_or_goes_frees_its_locks_at_once() {
    let service = Service::start().await;
    let second = service.server("second").await;
    let closing = service.server("closing").await;
    let guard = acquired(&closing, container(1)).await;
    closing.close().await;
    assert!(guard.lost().is_cancelled());
    assert!(closing.acquire(&[container(2)]).await.is_err());
    let freed = acquired(&second, container(1)).await;
    assert!(freed.fence() > guard.fence());

    let dropped = service.server("dropped").await;
    let guard = acquired(&dropped, container(2)).await;
    drop(dropped);
    timeout(SOON, guard.lost().cancelled()).await.unwrap();
    let started = Instant::now();
    drop(eventually(&second, container(2)).await);
    assert!(started.elapsed() < LEASE / 2);
}
