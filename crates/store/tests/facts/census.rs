//! The census: what is unfinished, by kind.

use std::time::Duration;

use drover_domain::Phase;
use drover_domain::lifecycle::Request;
use drover_store::Census;

use crate::support::{NOW, World, at, container, to_change, to_create};

facts! {
    a_census_counts_what_is_unfinished_by_phase_and_request,
    a_census_tells_since_when_the_oldest_of_each_kind_is_there,
    a_census_reads_an_index_however_long_the_history,
}

fn kind(phase: Phase, processes: u64) -> Census {
    Census {
        phase,
        request: Request::Create,
        processes,
        oldest: NOW,
    }
}

/// The census, in an order of its own.
async fn taken(world: &World) -> Vec<Census> {
    let mut census = world.store.census().await.unwrap();
    census.sort_by_key(|kind| (kind.phase, kind.request));
    census
}

async fn a_census_counts_what_is_unfinished_by_phase_and_request(world: World) {
    assert_eq!(taken(&world).await, []);
    world.queued("one").await;
    world.queued("two").await;
    world.claimed("three", 1).await;
    world.waiting("four", Duration::from_secs(9), None).await;
    let settled = world.settled("five").await;
    let mut expected = vec![
        kind(Phase::Queued, 2),
        kind(Phase::Running, 1),
        kind(Phase::Waiting, 1),
    ];
    assert_eq!(taken(&world).await, expected);

    let removal = to_change(&settled, Request::Remove);
    world.accept(removal).await;
    expected.insert(
        1,
        Census {
            request: Request::Remove,
            ..kind(Phase::Queued, 1)
        },
    );
    assert_eq!(taken(&world).await, expected);
}

async fn a_census_tells_since_when_the_oldest_of_each_kind_is_there(world: World) {
    for (name, seconds) in [("late", 30), ("early", -30), ("now", 0)] {
        let mut intent = to_create(container(name));
        intent.process.created = at(seconds);
        world.accept(intent).await;
    }
    let expected = Census {
        oldest: at(-30),
        ..kind(Phase::Queued, 3)
    };
    assert_eq!(taken(&world).await, [expected]);
}

/// PostgreSQL counts how often a table is read as a whole; SQLite does not, so there nothing is
/// looked at.
async fn a_census_reads_an_index_however_long_the_history(world: World) {
    if !world.database.is_postgres() {
        return;
    }
    let finished = world.settled("one").await;
    world.queued("two").await;
    let history = format!(
        "INSERT INTO process SELECT (jsonb_populate_record(p, jsonb_build_object(\
         'id', gen_random_uuid(), 'resource_id', gen_random_uuid()))).* \
         FROM process AS p, generate_series(1, 5000) WHERE p.resource_id = '{}'",
        finished.id
    );
    world.database.texts(&history).await;
    world.database.texts("ANALYZE process").await;
    let scans = "SELECT seq_scan::text FROM pg_stat_user_tables WHERE relname = 'process'";
    world.store.clone().close().await.unwrap();
    world.database.until_unused().await;
    let before = world.database.texts(scans).await;

    let store = world.second_server().await;
    // Often enough for a prepared statement to be planned without its parameters.
    for _ in 0..12 {
        assert_eq!(store.census().await.unwrap(), [kind(Phase::Queued, 1)]);
    }
    store.close().await.unwrap();
    world.database.until_unused().await;
    assert_eq!(world.database.texts(scans).await, before);
}
