//! Settings: written under their version, and seen by every server.

use drover_store::{Attached, Store, StoredSetting};
use futures::future::join_all;
use serde_json::{Value, json};

use super::attached::{answer, entry};
use crate::support::{NOW, World};

facts! {
    a_setting_is_read_by_every_server_as_it_was_written,
    a_setting_that_was_written_meanwhile_is_left_alone,
    of_those_who_write_one_version_one_wins,
    what_is_put_back_has_a_version_of_its_own,
}

async fn write(
    store: &Store,
    name: &str,
    value: Value,
    expected: Option<i64>,
) -> Option<StoredSetting> {
    let attached = Attached {
        audit: Some(entry("setting.set")),
        answer: None,
    };
    store
        .write_setting(name, value, expected, NOW, attached)
        .await
        .unwrap()
}

async fn a_setting_is_read_by_every_server_as_it_was_written(world: World) {
    assert_eq!(world.store.settings().await.unwrap(), []);
    let other = world.second_server().await;
    let written = write(&world.store, "one", json!(7), None).await.unwrap();
    let expected = StoredSetting {
        name: "one".to_owned(),
        value: json!(7),
        version: 1,
        updated: NOW,
    };
    assert_eq!(written, expected);
    assert_eq!(other.settings().await.unwrap(), [expected]);
    assert_eq!(world.rows().await["audit"].len(), 1);
}

async fn a_setting_that_was_written_meanwhile_is_left_alone(world: World) {
    write(&world.store, "one", json!(7), Some(0)).await.unwrap();
    let before = world.rows().await;
    for stale in [0, 2] {
        let written = write(&world.store, "one", json!(8), Some(stale)).await;
        assert_eq!(written, None);
    }
    let written = write(&world.store, "never", json!(8), Some(1)).await;
    assert_eq!(written, None);
    // One whose request is repeated, too.
    let attached = || Attached {
        audit: None,
        answer: Some(answer(1, "key")),
    };
    let store = &world.store;
    let first = store.write_setting("two", json!(1), None, NOW, attached());
    assert!(first.await.unwrap().is_some());
    let second = store.write_setting("two", json!(2), None, NOW, attached());
    assert_eq!(second.await.unwrap(), None);
    let after = world.rows().await;
    assert_eq!(after["audit"], before["audit"]);
    assert_eq!(after["setting"].len(), 2);
}

async fn of_those_who_write_one_version_one_wins(world: World) {
    let other = world.second_server().await;
    for round in 0..10 {
        let writing = (0..6).map(|number| {
            let store = match number % 2 {
                0 => &world.store,
                _ => &other,
            };
            write(store, "one", json!(number), Some(round))
        });
        let won = join_all(writing).await.into_iter().flatten();
        assert_eq!(won.count(), 1);
    }
}

async fn what_is_put_back_has_a_version_of_its_own(world: World) {
    write(&world.store, "one", json!(7), None).await.unwrap();
    let back = write(&world.store, "one", Value::Null, Some(1)).await;
    let back = back.unwrap();
    assert_eq!((back.value, back.version), (Value::Null, 2));
    assert_eq!(write(&world.store, "one", json!(8), Some(1)).await, None);
}
