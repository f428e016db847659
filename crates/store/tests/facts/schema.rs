//! The schema, and what the database itself sees to.

use drover_store::{Store, StoreOptions};
use sea_orm::ConnectionTrait;

use crate::support::World;

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
    let process = world.queued("one").await;
    let other_id = match world.database.is_postgres() {
        true => "gen_random_uuid()",
        false => "randomblob(16)",
    };
    let connection = world.database.connection().await;
    let add_another = async |phase| {
        let copy = format!(
            "DROP TABLE IF EXISTS another; CREATE TABLE another AS SELECT * FROM process; \
             UPDATE another SET id = {other_id}, phase = '{phase}'"
        );
        connection.execute_unprepared(&copy).await.unwrap();
        let insert = "INSERT INTO process SELECT * FROM another";
        connection.execute_unprepared(insert).await
    };
    for unfinished in ["queued", "running", "waiting"] {
        add_another(unfinished).await.unwrap_err();
    }
    let found = world.store.unfinished([process.resource.id]).await.unwrap();
    assert_eq!(found, [process]);
    add_another("failed").await.unwrap();
    connection.close().await.unwrap();
}
