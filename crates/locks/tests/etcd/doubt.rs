//! Requests that were carried out without an answer, or long after they were given up.

use std::time::Duration;

use anyhow::ensure;
use drover_domain::ResourceRef;
use drover_locks::conformance::{acquired, container, eventually, is_held};
use drover_locks::{EtcdLocks, EtcdOptions, LockError, LockManager};
use drover_scenarios::until::until;

use crate::proxy::Proxy;
use crate::service::Service;

const SOON: Duration = Duration::from_secs(20);

/// A server whose way to etcd leads through a proxy, with a lease that outlives the test.
async fn behind(proxy: &Proxy, service: &Service) -> EtcdLocks {
    let options = EtcdOptions {
        endpoints: vec![proxy.url()],
        lease: Duration::from_secs(60),
        ..service.options("first")
    };
    service.server_with(options).await
}

fn ten() -> Vec<ResourceRef> {
    (10..20).map(container).collect()
}

async fn until_locks(service: &Service, expected: usize) {
    until("the number of locks in etcd", SOON, || async {
        let there = service.keys("lock/").await.len();
        ensure!(there == expected, "there are {there}, not {expected}");
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn locks_that_were_taken_without_an_answer_are_given_back() {
    let service = Service::start().await;
    let proxy = Proxy::to(&service.etcd.url()).await;
    let first = behind(&proxy, &service).await;
    let kept = acquired(&first, container(1)).await;
    proxy.lose_answers();
    let wanted = ten();
    let (refused, ()) = tokio::join!(first.acquire(&wanted), until_locks(&service, 11));
    assert!(matches!(refused, Err(LockError::Unreachable { .. })));
    until_locks(&service, 1).await;
    let second = service.server("second").await;
    for resource in wanted {
        drop(eventually(&second, resource).await);
    }
    assert!(!kept.lost().is_cancelled());
    assert!(is_held(&second, container(1)).await);
    drop(eventually(&first, container(2)).await);
}

#[tokio::test]
async fn a_lock_that_was_given_back_without_an_answer_is_taken_from_nobody() {
    let service = Service::start().await;
    let proxy = Proxy::to(&service.etcd.url()).await;
    let first = behind(&proxy, &service).await;
    let guard = acquired(&first, container(1)).await;
    proxy.lose_answers();
    drop(guard);
    until_locks(&service, 0).await;
    let second = service.server("second").await;
    let _taken = acquired(&second, container(1)).await;
    // The first tries again to give its turn back, before it can take another lock.
    drop(eventually(&first, container(2)).await);
    assert!(is_held(&first, container(1)).await);
}

#[tokio::test]
async fn a_request_that_reaches_etcd_after_it_was_given_up_takes_nothing() {
    let service = Service::start().await;
    let proxy = Proxy::to(&service.etcd.url()).await;
    let first = behind(&proxy, &service).await;
    let kept = acquired(&first, container(1)).await;
    proxy.hold_requests();
    let holding = async {
        until("the request is under way", SOON, || async {
            ensure!(proxy.held() > 1_000, "{} bytes of it", proxy.held());
            Ok(())
        })
        .await
        .unwrap();
        // That the request was given up is not to reach etcd.
        proxy.hold_no_more();
    };
    let wanted = ten();
    let (refused, ()) = tokio::join!(first.acquire(&wanted), holding);
    assert!(matches!(refused, Err(LockError::Unreachable { .. })));
    drop(eventually(&first, container(2)).await);
    until_locks(&service, 1).await;

    proxy.let_go();
    until("the late request is answered", SOON, || async {
        ensure!(proxy.answered() > 100, "{} bytes", proxy.answered());
        Ok(())
    })
    .await
    .unwrap();
    let second = service.server("second").await;
    for resource in wanted {
        drop(acquired(&second, resource).await);
    }
    assert!(!kept.lost().is_cancelled());
}
