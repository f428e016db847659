//! The change log: each change once, in order, whoever writes at the same time.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use drover_domain::lifecycle::Request;
use drover_domain::resource::Version;
use drover_domain::{ResourceId, State};
use drover_store::{Change, ChangeFilter, Position, Store};
use futures::future::join_all;
use sea_orm::{ConnectionTrait, TransactionTrait};
use tokio::time::{sleep, timeout};

use crate::support::{NOW, World, at, container, host, to_change, to_create};

facts! {
    a_reader_that_follows_eight_writers_sees_each_change_once_and_in_order,
    the_end_comes_after_what_is_there,
    a_reader_can_go_on_from_the_text_of_a_position,
    only_changes_of_one_resource_or_one_project_are_read,
    a_resource_that_is_written_outside_of_processes_is_in_the_log,
    a_rewrite_over_a_moved_version_changes_nothing,
    a_record_bears_the_labels_of_its_moment_and_those_that_it_changed,
    what_an_open_transaction_could_precede_is_held_back_until_it_ends,
    reading_some_of_a_long_log_does_not_read_all_of_it,
}

const EVERYTHING: ChangeFilter = ChangeFilter {
    resource: None,
    project: None,
};

async fn all(store: &Store) -> Vec<Change> {
    let start = Position::default();
    store.changes(start, &EVERYTHING, 1_000).await.unwrap()
}

/// Writes new resources and changes each some times over; tells at which version each ended up.
async fn write(store: Store, resources: usize, times: usize) -> HashMap<ResourceId, Version> {
    let mut written = HashMap::new();
    for number in 0..resources {
        let mut intent = to_create(container(&format!("resource-{number}")));
        store.accept(intent.clone()).await.unwrap();
        for _ in 1..times {
            let mut resource = intent.resource;
            resource.state = State::Running;
            intent = to_change(&resource, Request::Restart);
            store.accept(intent.clone()).await.unwrap();
        }
        written.insert(intent.resource.id, intent.resource.version);
    }
    written
}

/// Follows the log in small pages until so many changes were seen.
async fn follow(store: &Store, count: usize) -> Vec<Change> {
    let mut seen: Vec<Change> = Vec::new();
    while seen.len() < count {
        let position = seen
            .last()
            .map_or(Position::default(), |last| last.position);
        let page = store.changes(position, &EVERYTHING, 7).await.unwrap();
        if page.is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
        seen.extend(page);
    }
    seen
}

async fn a_reader_that_follows_eight_writers_sees_each_change_once_and_in_order(world: World) {
    const WRITERS: usize = 8;
    const RESOURCES: usize = 6;
    const TIMES: usize = 5;
    let other = world.second_server().await;
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = if writer % 2 == 0 {
                &world.store
            } else {
                &other
            };
            tokio::spawn(write(store.clone(), RESOURCES, TIMES))
        })
        .collect();
    let following = follow(&world.store, WRITERS * RESOURCES * TIMES);
    let seen = timeout(Duration::from_secs(60), following).await.unwrap();

    let mut ended: HashMap<ResourceId, Version> = HashMap::new();
    for written in join_all(writers).await {
        ended.extend(written.unwrap());
    }
    let positions: HashSet<String> = seen.iter().map(|one| one.position.to_string()).collect();
    assert_eq!(positions.len(), seen.len(), "no change twice");
    assert!(seen.is_sorted_by_key(|change| change.position));
    let mut last: HashMap<ResourceId, Version> = HashMap::new();
    for change in &seen {
        let before = last.insert(change.resource.id, change.version);
        assert_eq!(
            change.version,
            before.unwrap_or(0) + 1,
            "each version in turn"
        );
    }
    assert_eq!(last, ended);
    assert_eq!(
        all(&world.store).await,
        seen,
        "as whoever comes later sees it"
    );
}

async fn the_end_comes_after_what_is_there(world: World) {
    let empty = world.store.end_of_changes().await.unwrap();
    world.settled("before").await;
    let end = world.store.end_of_changes().await.unwrap();
    let read = async |after| world.store.changes(after, &EVERYTHING, 10).await.unwrap();
    assert_eq!(read(end).await, []);
    assert_eq!(read(empty).await, all(&world.store).await);
    let intent = world.accept(to_create(container("after"))).await;
    let seen = read(end).await;
    let seen: Vec<_> = seen.iter().map(|change| change.resource.id).collect();
    assert_eq!(seen, [intent.resource.id]);
}

async fn a_reader_can_go_on_from_the_text_of_a_position(world: World) {
    for name in ["a", "b", "c"] {
        world.settled(name).await;
    }
    let everything = all(&world.store).await;
    assert_eq!(everything.len(), 6);
    for (index, change) in everything.iter().enumerate() {
        let position: Position = change.position.to_string().parse().unwrap();
        let rest = world
            .store
            .changes(position, &EVERYTHING, 100)
            .await
            .unwrap();
        assert_eq!(rest, everything[index + 1..]);
    }
    let end = world.store.end_of_changes().await.unwrap();
    assert_eq!(end.to_string().parse(), Ok(end));
}

async fn only_changes_of_one_resource_or_one_project_are_read(world: World) {
    let project = world.project("one").await;
    let mut inside = container("inside");
    inside.project = Some(project);
    let inside = world.accept(to_create(inside)).await.resource;
    let outside = world.settled("outside").await;
    let read = async |resource, project| {
        let filter = ChangeFilter { resource, project };
        let start = Position::default();
        let changes = world.store.changes(start, &filter, 10).await.unwrap();
        let of: Vec<_> = changes.into_iter().map(|one| one.resource.id).collect();
        of
    };
    assert_eq!(read(Some(outside.id), None).await, [outside.id; 2]);
    assert_eq!(read(None, Some(project)).await, [inside.id]);
    assert_eq!(read(Some(inside.id), Some(project)).await, [inside.id]);
    assert_eq!(read(Some(outside.id), Some(project)).await, []);
}

async fn a_resource_that_is_written_outside_of_processes_is_in_the_log(world: World) {
    let mut resource = host("host");
    resource.version = 1;
    world.insert(&resource).await;
    resource.description = "seen".to_owned();
    resource.version = 2;
    resource.updated = at(1);
    assert!(world.rewrite(&resource, 1).await);
    let seen = all(&world.store).await;
    let seen: Vec<_> = seen.iter().map(|one| (one.version, one.at)).collect();
    assert_eq!(seen, [(1, NOW), (2, at(1))]);
    assert_eq!(world.resource(&resource).await, Some(resource));
}

async fn a_rewrite_over_a_moved_version_changes_nothing(world: World) {
    let mut resource = host("host");
    resource.version = 5;
    world.insert(&resource).await;
    let before = world.rows().await;
    resource.version = 6;
    for wrong in [4, 6] {
        assert!(!world.rewrite(&resource, wrong).await);
    }
    let never_there = host("never-there");
    assert!(!world.rewrite(&never_there, 0).await);
    assert_eq!(world.rows().await, before);
}

/// On SQLite no transaction that writes overlaps another, so there is nothing to hold back.
async fn what_an_open_transaction_could_precede_is_held_back_until_it_ends(world: World) {
    if !world.database.is_postgres() {
        return;
    }
    let first = world.accept(to_create(container("first"))).await;
    let outside = world.database.connection().await;
    let open = outside.begin().await.unwrap();
    // It takes its place in the order now, and writes its record only after others have.
    open.execute_unprepared("SELECT pg_current_xact_id()")
        .await
        .unwrap();
    let second = world.accept(to_create(container("second"))).await;
    let seen = |changes: Vec<Change>| -> Vec<ResourceId> {
        changes.iter().map(|change| change.resource.id).collect()
    };
    let first_id = first.resource.id;
    assert_eq!(seen(all(&world.store).await), [first_id]);
    let end = world.store.end_of_changes().await.unwrap();
    let record = format!(
        "INSERT INTO change (resource_type, resource_id, state, version, at) \
         VALUES ('container', '{first_id}', 'creating', 2, 0)"
    );
    open.execute_unprepared(&record).await.unwrap();
    assert_eq!(seen(all(&world.store).await), [first_id]);
    open.commit().await.unwrap();
    let everything = [first_id, first_id, second.resource.id];
    assert_eq!(seen(all(&world.store).await), everything);
    let after = world.store.changes(end, &EVERYTHING, 10).await.unwrap();
    assert_eq!(seen(after), everything[1..]);
    outside.close().await.unwrap();
}

/// PostgreSQL counts what it reads; SQLite does not, so there nothing is looked at.
async fn reading_some_of_a_long_log_does_not_read_all_of_it(world: World) {
    if !world.database.is_postgres() {
        return;
    }
    for _ in 0..3 {
        let history = "INSERT INTO change (resource_type, resource_id, state, version, at) \
                       SELECT 'container', gen_random_uuid(), 'running', 1, 0 \
                       FROM generate_series(1, 3000)";
        world.database.texts(history).await;
    }
    world.database.texts("ANALYZE change").await;
    world.store.clone().close().await.unwrap();
    let place = "SELECT transaction || '-' || position FROM change ORDER BY position DESC";
    for behind in [5, 4_000, 8_999] {
        let place = format!("{place} OFFSET {behind} LIMIT 1");
        let after: Position = world.database.texts(&place).await[0].parse().unwrap();
        let before = rows_read(&world).await;
        let store = world.second_server().await;
        for _ in 0..10 {
            let changes = store.changes(after, &EVERYTHING, 5).await.unwrap();
            assert_eq!(changes.len(), 5);
        }
        store.close().await.unwrap();
        let read = rows_read(&world).await - before;
        assert!(
            read <= 100,
            "{read} rows read for 50, {behind} from the end"
        );
    }
}

/// How many rows of the log were read so far, from the table or its indexes.
async fn rows_read(world: &World) -> i64 {
    world.database.until_unused().await;
    let reads = "SELECT (sum(seq_tup_read) + sum(idx_tup_read))::text FROM \
                 (SELECT seq_tup_read, 0 AS idx_tup_read FROM pg_stat_user_tables \
                  WHERE relname = 'change' UNION ALL \
                  SELECT 0, idx_tup_read FROM pg_stat_user_indexes \
                  WHERE relname = 'change') AS reads";
    world.database.texts(reads).await[0].parse().unwrap()
}

async fn a_record_bears_the_labels_of_its_moment_and_those_that_it_changed(world: World) {
    let labels = |text: &str| drover_store::Labels::from([("team".to_owned(), text.to_owned())]);
    let mut made = container("labelled");
    made.labels = labels("x");
    let mut made = world.accept(to_create(made)).await.resource;
    made.state = State::Running;
    // A process and an intent leave the labels alone, a rewrite changes them twice.
    let mut now = world
        .accept(to_change(&made, Request::Restart))
        .await
        .resource;
    for changed in [labels("y"), drover_store::Labels::new()] {
        let expected = now.version;
        now.labels = changed;
        now.version += 1;
        assert!(world.rewrite(&now, expected).await);
    }
    now.labels = labels("z");
    now.state = State::Running;
    let last = world
        .accept(to_change(&now, Request::Restart))
        .await
        .resource;
    assert_eq!(last.labels, labels("z"));
    let told: Vec<_> = all(&world.store)
        .await
        .into_iter()
        .map(|change| (change.labels, change.labels_before))
        .collect();
    let nothing = drover_store::Labels::new();
    assert_eq!(
        told,
        [
            (labels("x"), None),
            (labels("x"), None),
            (labels("y"), Some(labels("x"))),
            (nothing.clone(), Some(labels("y"))),
            (labels("z"), Some(nothing)),
        ]
    );
}
