//! A database that is away: callers are told soon, and go on when it is back. PostgreSQL only.

use std::time::Duration;

use drover_domain::engine::Outcome;
use drover_domain::{Fence, ResourceType, Role};
use drover_scenarios::postgres::Postgres;
use drover_scenarios::until::until;
use drover_store::{
    Attached, ChangeFilter, Claim, Claimed, CredentialKind, Position, ResourceFilter, Store,
    StoreError, StoreOptions, fresh,
};
use futures::future::{BoxFuture, FutureExt, join_all};
use tokio::time::{sleep, timeout};

use crate::support::{LEASE, NOW, container, next_write, to_create};

/// The patience of the store is two seconds; the rest is for a machine that is busy.
const SOON: Duration = Duration::from_secs(8);

/// Longer than a connection may lie unused before the store looks whether it is still good.
const IDLE: Duration = Duration::from_secs(1);

/// Makes every kind of call at once; tells what went wrong with each.
async fn call(store: &Store) -> Vec<(&'static str, Result<(), StoreError>)> {
    let intent = to_create(container("one"));
    let claim = [Claim {
        process: intent.process.id,
        resource: intent.resource.reference(),
        fence: Fence::from_raw(1),
        is_called: false,
    }];
    let owned = Claimed {
        process: intent.process.clone(),
        resource: intent.resource.clone(),
        claims: None,
    };
    let (write, _) = next_write(&owned, Outcome::done());
    let filter = ResourceFilter::all(ResourceType::Container, 1);
    let changes = ChangeFilter::default();
    let insert = container("two");
    let kind = CredentialKind::ApiKey;
    let start = Position::default();
    let calls: Vec<(&str, BoxFuture<'_, Result<(), StoreError>>)> = vec![
        (
            "accept",
            store.accept(intent).map(|it| it.map(drop)).boxed(),
        ),
        ("commit", store.commit(write).map(|it| it.map(drop)).boxed()),
        (
            "claim",
            store
                .claim(&claim, fresh::server_id(), NOW, LEASE)
                .map(|it| it.map(drop))
                .boxed(),
        ),
        ("due", store.due(NOW, 1).map(|it| it.map(drop)).boxed()),
        (
            "resources",
            store.resources(&filter).map(|it| it.map(drop)).boxed(),
        ),
        (
            "changes",
            store
                .changes(start, &changes, 1)
                .map(|it| it.map(drop))
                .boxed(),
        ),
        (
            "end of changes",
            store.end_of_changes().map(|it| it.map(drop)).boxed(),
        ),
        (
            "epoch",
            store.next_lock_epoch().map(|it| it.map(drop)).boxed(),
        ),
        (
            "issue",
            store
                .issue(kind, None, Role::Operator, NOW)
                .map(|it| it.map(drop))
                .boxed(),
        ),
        (
            "candidates",
            store.candidates().map(|it| it.map(drop)).boxed(),
        ),
        (
            "insert",
            store
                .insert(&insert, Attached::nothing())
                .map(|it| it.map(drop))
                .boxed(),
        ),
        ("is ready", store.is_ready().map(|it| it.map(drop)).boxed()),
    ];
    let calls = calls
        .into_iter()
        .map(async |(name, call)| (name, call.await));
    join_all(calls).await
}

async fn assert_out_of_reach(store: &Store) {
    let outcomes = timeout(SOON, call(store)).await.unwrap();
    for (name, outcome) in outcomes {
        let is_unavailable = matches!(outcome, Err(StoreError::Unavailable { .. }));
        assert!(is_unavailable, "{name}: {outcome:?}");
    }
}

async fn assert_all_work(store: &Store) {
    for (name, outcome) in call(store).await {
        assert!(outcome.is_ok(), "{name}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_database_that_stops_is_told_of_soon_and_used_again_when_it_is_back() {
    let mut server = Postgres::start().await.unwrap();
    let store = Store::connect(&StoreOptions::new(server.url()))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    let intent = to_create(container("before"));
    store.accept(intent.clone()).await.unwrap();
    assert_all_work(&store).await;

    server.stop().await.unwrap();
    assert_out_of_reach(&store).await;
    assert_out_of_reach(&store).await;
    server.start_again().await.unwrap();
    assert_all_work(&store).await;
    let process = store.process(intent.process.id).await.unwrap();
    assert_eq!(process, Some(intent.process));

    // Connections that lay idle while the server was replaced trouble nobody.
    sleep(IDLE).await;
    server.restart().await.unwrap();
    assert_all_work(&store).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_store_can_be_made_before_its_database_is_up() {
    let mut server = Postgres::start().await.unwrap();
    server.stop().await.unwrap();
    let store = Store::connect(&StoreOptions::new(server.url()))
        .await
        .unwrap();
    assert_out_of_reach(&store).await;
    let error = timeout(SOON, store.migrate()).await.unwrap().unwrap_err();
    assert!(error.is_unavailable(), "{error:?}");
    server.start_again().await.unwrap();
    store.migrate().await.unwrap();
    assert_all_work(&store).await;
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_was_accepted_is_there_after_the_database_was_killed() {
    let mut server = Postgres::start().await.unwrap();
    let store = Store::connect(&StoreOptions::new(server.url()))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    let clients: Vec<_> = (0..8)
        .map(|client| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut accepted = Vec::new();
                loop {
                    let intent = to_create(container(&format!("client-{client}")));
                    match store.accept(intent.clone()).await {
                        Ok(_) => accepted.push(intent),
                        Err(error) => return (accepted, error),
                    }
                }
            })
        })
        .collect();
    sleep(Duration::from_millis(300)).await;
    server.process().kill_hard().unwrap();
    let clients = timeout(SOON, join_all(clients)).await.unwrap();
    server.start_again().await.unwrap();
    until("the store reads again", SOON, || async {
        Ok(store.end_of_changes().await?)
    })
    .await
    .unwrap();
    let mut count = 0;
    for client in clients {
        let (accepted, error) = client.unwrap();
        assert!(error.is_unavailable(), "{error:?}");
        count += accepted.len();
        for intent in accepted {
            let process = store.process(intent.process.id).await.unwrap();
            assert_eq!(process, Some(intent.process));
        }
    }
    assert!(count > 0, "something was accepted before");
    store.close().await.unwrap();
}
