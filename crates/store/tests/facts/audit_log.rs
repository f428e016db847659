//! The audit log: newest first, page by page, by who, what and when.

use drover_domain::{ResourceId, Timestamp};
use drover_store::{AuditEntry, AuditFilter, fresh};
use futures::future::join_all;

use super::attached::entry;
use crate::support::{World, at};

facts! {
    what_is_written_down_is_read_as_it_was_written,
    pages_neither_repeat_nor_skip,
    each_filter_passes_what_it_says,
    what_is_refused_at_the_same_time_is_written_down_whole,
}

fn all(limit: u64) -> AuditFilter {
    AuditFilter {
        limit,
        ..AuditFilter::default()
    }
}

fn entry_at(moment: Timestamp, operation: &str) -> AuditEntry {
    AuditEntry {
        id: fresh::audit_id(moment),
        at: moment,
        ..entry(operation)
    }
}

async fn what_is_written_down_is_read_as_it_was_written(world: World) {
    let whole = entry("container.start");
    let bare = AuditEntry {
        id: fresh::audit_id(at(1)),
        at: at(1),
        account: None,
        credential: None,
        from: None,
        resource_type: None,
        resource: None,
        project: Some(fresh::resource_id()),
        status: 422,
        code: Some("invalid".to_owned()),
        ..entry("container.create")
    };
    for one in [&whole, &bare] {
        world.store.record(one.clone()).await.unwrap();
        let read = world.store.audit_entry(one.id).await.unwrap();
        assert_eq!(read.as_ref(), Some(one));
    }
    let read = world.store.audit_log(&all(10)).await.unwrap();
    assert_eq!(read, [bare, whole]);
    let none = world.store.audit_entry(fresh::audit_id(at(2))).await;
    assert_eq!(none.unwrap(), None);
}

async fn pages_neither_repeat_nor_skip(world: World) {
    // Several of one moment, too.
    let entries = (0..25).map(|number| entry_at(at(number / 3), "container.create"));
    for one in entries {
        world.store.record(one).await.unwrap();
    }
    let whole = world.store.audit_log(&all(100)).await.unwrap();
    assert_eq!(whole.len(), 25);
    assert!(whole.is_sorted_by_key(|one| std::cmp::Reverse(one.id)));
    assert!(whole.is_sorted_by_key(|one| std::cmp::Reverse(one.at)));
    let mut read = Vec::new();
    loop {
        let filter = AuditFilter {
            below: read.last().map(|one: &AuditEntry| one.id),
            ..all(4)
        };
        let page = world.store.audit_log(&filter).await.unwrap();
        if page.is_empty() {
            break;
        }
        read.extend(page);
        let newer = entry_at(at(100), "container.create");
        world.store.record(newer).await.unwrap();
    }
    assert_eq!(read, whole);
}

async fn each_filter_passes_what_it_says(world: World) {
    let mut wanted = entry_at(at(5), "container.start");
    wanted.project = Some(fresh::resource_id());
    wanted.status = 409;
    wanted.resource_type = Some("host".to_owned());
    let other = |moment| AuditEntry {
        account: Some(fresh::resource_id()),
        ..entry_at(moment, "container.stop")
    };
    for one in [other(at(4)), wanted.clone(), other(at(6))] {
        world.store.record(one).await.unwrap();
    }
    let filters = [
        AuditFilter {
            account: wanted.account,
            ..all(10)
        },
        AuditFilter {
            resource: wanted.resource,
            ..all(10)
        },
        AuditFilter {
            resource_type: Some("host".to_owned()),
            ..all(10)
        },
        AuditFilter {
            project: wanted.project,
            ..all(10)
        },
        AuditFilter {
            operation: Some("container.start".to_owned()),
            ..all(10)
        },
        AuditFilter {
            status: Some(409),
            ..all(10)
        },
        AuditFilter {
            after: Some(at(4)),
            before: Some(at(6)),
            ..all(10)
        },
    ];
    for filter in filters {
        let read = world.store.audit_log(&filter).await.unwrap();
        assert_eq!(read, std::slice::from_ref(&wanted), "{filter:?}");
    }
    let nobody = AuditFilter {
        account: Some(ResourceId::new(fresh::audit_id(at(0)))),
        ..all(10)
    };
    assert_eq!(world.store.audit_log(&nobody).await.unwrap(), []);
}

async fn what_is_refused_at_the_same_time_is_written_down_whole(world: World) {
    let entries: Vec<_> = (0..50)
        .map(|number| entry(&format!("container.{number}")))
        .collect();
    let recording = entries.iter().map(|one| world.store.record(one.clone()));
    for recorded in join_all(recording).await {
        recorded.unwrap();
    }
    let read = world.store.audit_log(&all(100)).await.unwrap();
    assert_eq!(read.len(), 50);
    assert!(entries.iter().all(|one| read.contains(one)));
}
