//! The schema, and what the database itself sees to.

use drover_domain::State;
use drover_store::{Store, StoreError, StoreOptions};

use crate::support::{World, container, to_create};

facts! {
    a_database_is_ready_once_its_schema_is_there,
    bringing_the_schema_up_to_date_again_changes_nothing,
    servers_that_bring_the_schema_up_at_once_all_succeed,
    a_resource_has_one_unfinished_process_at_most,
}

async fn over(url: &str) -> Store {
    Store::connect(&StoreOptions::new(url)).await.unwrap()
}

async fn a_database_is_ready_once_its_schema_is_there(world: World) {
    let empty = world.database.another().await;
    let store = over(&empty.url).await;
    assert!(!store.is_ready().await.unwrap());
    store.migrate().await.unwrap();
    assert!(store.is_ready().await.unwrap());
    store.close().await.unwrap();
}

async fn bringing_the_schema_up_to_date_again_changes_nothing(world: World) {
    world.settled("one").await;
    world.queued("two").await;
    let before = world.rows().await;
    assert!(before.len() >= 10, "every table: {:?}", before.keys());
    world.store.migrate().await.unwrap();
    assert_eq!(world.rows().await, before);
}

async fn servers_that_bring_the_schema_up_at_once_all_succeed(world: World) {
    for _ in 0..3 {
        let empty = world.database.another().await;
        let stores = [
            over(&empty.url).await,
            over(&empty.url).await,
            over(&empty.url).await,
        ];
        let outcomes = futures::future::join_all(stores.iter().map(Store::migrate)).await;
        for outcome in outcomes {
            outcome.unwrap();
        }
        for store in stores {
            assert!(store.is_ready().await.unwrap());
            store.close().await.unwrap();
        }
    }
}

async fn a_resource_has_one_unfinished_process_at_most(world: World) {
    let first = world.accept(to_create(container("one"))).await;
    let before = world.rows().await;
    // A server that does not know of the first: nothing but the database is in its way.
    let mut unaware = first.resource;
    unaware.state = State::Requested;
    let second = to_create(unaware);
    let outcome = world.store.accept(second).await;
    let is_refused = matches!(
        outcome,
        Err(StoreError::Refused { .. }) | Ok(drover_store::Accepted::VersionMoved)
    );
    assert!(is_refused, "{outcome:?}");
    assert_eq!(world.rows().await, before);
}
