//! Finding what nobody works on, and waking what waits.

use std::collections::BTreeSet;
use std::time::Duration;

use drover_domain::process::WaitsFor;
use drover_domain::{Phase, ProcessId};
use drover_scenarios::until::until;
use drover_store::{Ready, fresh};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::support::{LEASE, NOW, World, at};

facts! {
    due_is_what_is_queued_overdue_or_left_behind_and_nothing_else,
    what_has_been_due_longest_comes_first_and_no_more_than_asked_for,
    only_those_that_wait_for_it_are_woken,
    waking_reaches_nobody_who_does_not_wait_any_more,
    waking_does_not_trip_a_server_that_claims,
    what_is_due_is_found_by_its_index_however_long_the_history,
}

fn ids(ready: &[Ready]) -> BTreeSet<ProcessId> {
    ready.iter().map(|ready| ready.process).collect()
}

async fn due_is_what_is_queued_overdue_or_left_behind_and_nothing_else(world: World) {
    let lease = i64::try_from(LEASE.as_secs()).unwrap();
    let queued = world.queued("queued").await;
    let running = world.claimed("running", 1).await.process;
    let short = world.waiting("short", Duration::from_secs(5), None).await;
    let long = world.waiting("long", Duration::from_secs(90), None).await;
    world.settled("settled").await;

    let due = |seconds| {
        let store = world.store.clone();
        async move { store.due(at(seconds), 100).await.unwrap() }
    };
    assert_eq!(ids(&due(-1).await), BTreeSet::new());
    assert_eq!(
        due(0).await,
        [Ready {
            process: queued.id,
            resource: queued.resource,
            priority: queued.priority,
        }]
    );
    assert_eq!(ids(&due(5).await), [queued.id, short.id].into());
    assert_eq!(ids(&due(lease - 1).await), [queued.id, short.id].into());
    let left_behind = [queued.id, short.id, running.id];
    assert_eq!(ids(&due(lease).await), left_behind.into());
    let all = [queued.id, short.id, running.id, long.id];
    assert_eq!(ids(&due(90).await), all.into());
}

async fn what_has_been_due_longest_comes_first_and_no_more_than_asked_for(world: World) {
    let mut expected = Vec::new();
    for delay in [50, 10, 40, 20, 30] {
        let name = format!("after-{delay}");
        let process = world.waiting(&name, Duration::from_secs(delay), None).await;
        expected.push((delay, process.id));
    }
    expected.sort_unstable();
    let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).take(3).collect();
    let due = world.store.due(at(60), 3).await.unwrap();
    let due: Vec<_> = due.into_iter().map(|ready| ready.process).collect();
    assert_eq!(due, expected);
}

async fn only_those_that_wait_for_it_are_woken(world: World) {
    let (here, there) = (fresh::resource_id(), fresh::resource_id());
    let hour = Duration::from_secs(3_600);
    let for_here = world.waiting("a", hour, Some(WaitsFor::Host(here))).await;
    let also_for_here = world.waiting("b", hour, Some(WaitsFor::Host(here))).await;
    let for_there = world.waiting("c", hour, Some(WaitsFor::Host(there))).await;
    let for_room = world.waiting("d", hour, Some(WaitsFor::Room)).await;
    let for_the_clock = world.waiting("e", hour, None).await;

    let woken = world.store.wake(WaitsFor::Host(here), at(7)).await.unwrap();
    let expected = BTreeSet::from([for_here.id, also_for_here.id]);
    assert_eq!(ids(&woken), expected);
    assert_eq!(ids(&world.store.due(at(6), 10).await.unwrap()), [].into());
    assert_eq!(ids(&world.store.due(at(7), 10).await.unwrap()), expected);
    for untouched in [for_there, for_room, for_the_clock] {
        assert_eq!(world.process(untouched.id).await, untouched);
    }
    assert!(world.claim(for_here.id, 9, at(7)).await.is_some());
}

async fn waking_reaches_nobody_who_does_not_wait_any_more(world: World) {
    let hour = Duration::from_secs(3_600);
    let process = world.waiting("a", hour, Some(WaitsFor::Room)).await;
    let late = world
        .waiting("b", Duration::from_secs(5), Some(WaitsFor::Room))
        .await;
    let owned = world.claim(process.id, 9, at(3_600)).await.unwrap();
    world.store.wake(WaitsFor::Room, at(20)).await.unwrap();
    assert_eq!(world.process(process.id).await, owned.process);
    let late_row = world.process(late.id).await;
    assert_eq!(
        late_row.run_after,
        at(5),
        "nobody is put off by being woken"
    );
    let done = world.finish(owned).await.process;
    assert_eq!(done.phase, Phase::Done);
    let woken = world.store.wake(WaitsFor::Room, NOW).await.unwrap();
    assert_eq!(ids(&woken), [late.id].into());
}

/// Whoever locks several rows takes them by their ids, however they lie on the disk; otherwise two
/// could wait for one another. On SQLite no two write at once.
async fn waking_does_not_trip_a_server_that_claims(world: World) {
    if !world.database.is_postgres() {
        return;
    }
    let hour = Duration::from_secs(3_600);
    for number in 0..40 {
        let name = format!("waiting-{number}");
        world.waiting(&name, hour, Some(WaitsFor::Room)).await;
    }
    let other = world.database.connection().await;
    other
        .execute_unprepared(
            "CREATE TABLE moved AS TABLE process; TRUNCATE process; \
             INSERT INTO process SELECT * FROM moved ORDER BY id DESC; DROP TABLE moved",
        )
        .await
        .unwrap();
    let claiming = other.begin().await.unwrap();
    let lock = "SELECT id FROM process ORDER BY id LIMIT 1 FOR UPDATE";
    claiming.execute_unprepared(lock).await.unwrap();
    let store = world.store.clone();
    let waking = tokio::spawn(async move { store.wake(WaitsFor::Room, NOW).await });
    let blocked = "SELECT count(*)::text FROM pg_stat_activity \
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("waking meets the lock", Duration::from_secs(20), || async {
        let count = world.database.texts(blocked).await;
        anyhow::ensure!(count == ["1"], "{count:?} wait");
        Ok(())
    })
    .await
    .unwrap();
    let lock = "SELECT id FROM process ORDER BY id FOR UPDATE";
    claiming.execute_unprepared(lock).await.unwrap();
    claiming.commit().await.unwrap();
    assert_eq!(waking.await.unwrap().unwrap().len(), 40);
    assert_eq!(world.store.due(NOW, 100).await.unwrap().len(), 40);
    other.close().await.unwrap();
}

/// PostgreSQL counts how often an index is used; SQLite does not, so there nothing is looked at.
async fn what_is_due_is_found_by_its_index_however_long_the_history(world: World) {
    if !world.database.is_postgres() {
        return;
    }
    let finished = world.settled("one").await;
    let queued = world.queued("queued").await;
    let history = format!(
        "INSERT INTO process SELECT (jsonb_populate_record(p, jsonb_build_object(\
         'id', gen_random_uuid(), 'resource_id', gen_random_uuid()))).* \
         FROM process AS p, generate_series(1, 5000) WHERE p.resource_id = '{}'",
        finished.id
    );
    world.database.texts(&history).await;
    world.database.texts("ANALYZE process").await;
    let scans = "SELECT idx_scan::text FROM pg_stat_user_indexes \
                 WHERE indexrelname = 'process_due' UNION ALL \
                 SELECT seq_scan::text FROM pg_stat_user_tables WHERE relname = 'process'";
    world.store.clone().close().await.unwrap();
    world.database.until_unused().await;
    let before = numbers(&world.database.texts(scans).await);

    let store = world.second_server().await;
    // Often enough for a prepared statement to be planned without its parameters.
    for _ in 0..12 {
        let due = store.due(NOW, 10).await.unwrap();
        assert_eq!(ids(&due), [queued.id].into());
    }
    store.close().await.unwrap();
    world.database.until_unused().await;
    let after = numbers(&world.database.texts(scans).await);
    assert_eq!(after[1], before[1], "the table is never read as a whole");
    // Each time at least one scan for each class of urgency and one for what runs.
    assert!(after[0] >= before[0] + 48, "{before:?} {after:?}");
}

fn numbers(texts: &[String]) -> Vec<i64> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}
