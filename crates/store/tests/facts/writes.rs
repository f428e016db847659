//! Writes: under the right fence and over the right version, or not at all.

use drover_domain::engine::{Changes, Next, Outcome};
use drover_domain::lifecycle::Request;
use drover_domain::resource::Details;
use drover_domain::write::{Intent, ProcessWrite, ReservationChange, Written};
use drover_domain::{Fence, Phase, Resource, ResourceId, State};
use drover_store::{ChangeFilter, Claim, Claimed, Position, fresh};
use futures::future::join_all;

use crate::support::{LEASE, NOW, World, capacity, container, next_write, to_change, to_create};

facts! {
    a_write_under_an_older_fence_changes_nothing,
    a_write_over_a_moved_version_changes_nothing,
    a_write_that_finds_no_room_changes_nothing,
    a_write_of_a_process_that_rests_or_is_over_changes_nothing,
    a_hundred_writes_at_once_are_the_same_as_one_by_one,
    two_writes_of_one_process_at_once_are_both_of_its_owner,
    a_create_with_start_is_followed_by_a_running_start,
    a_purged_resource_is_gone_and_its_process_stays,
    what_a_person_changes_beside_a_process_stays_when_the_process_goes_on,
}

/// A write that would touch every table: it ends the process, chains another and takes room.
async fn full_write(world: &World, host: ResourceId) -> (Claimed, ProcessWrite) {
    world
        .store
        .set_room(host, capacity(1_000, 1_000))
        .await
        .unwrap();
    let mut resource = container("full");
    if let Details::Container { spec, .. } = &mut resource.details {
        spec.start = true;
    }
    let intent = world.accept(to_create(resource)).await;
    let mut owned = world.claim(intent.process.id, 5, NOW).await.unwrap();
    let (place, _) = next_write(&owned, Outcome::done());
    world.commit(place.clone()).await;
    owned.process = place.process;
    let changes = Changes {
        details: None,
        host: Some(Some(host)),
        reservation: Some(ReservationChange::Take {
            host,
            amount: capacity(100, 100),
            ports: vec![crate::support::port(None, 80)],
            apart: Vec::new(),
        }),
        ..Changes::default()
    };
    let (write, next) = next_write(&owned, Outcome::Done(Box::new(changes)));
    assert_eq!(next, Next::Chain);
    (owned, write)
}

async fn a_write_under_an_older_fence_changes_nothing(world: World) {
    let (owned, write) = full_write(&world, fresh::resource_id()).await;
    world.claim(owned.process.id, 6, NOW).await.unwrap();
    world.refuses(write.clone(), Written::NotOurs).await;
    let mut of_the_future = write.clone();
    of_the_future.process.fence = Fence::from_raw(7);
    world.refuses(of_the_future, Written::NotOurs).await;
    let mut current = write;
    current.process.fence = Fence::from_raw(6);
    world.commit(current).await;
}

async fn a_write_over_a_moved_version_changes_nothing(world: World) {
    let (_, write) = full_write(&world, fresh::resource_id()).await;
    let (changed, expected) = write.resource.clone().unwrap();
    for wrong in [expected - 1, expected + 1] {
        let mut moved = write.clone();
        moved.resource = Some((changed.clone(), wrong));
        world.refuses(moved, Written::VersionMoved).await;
    }
    let mut elsewhere = write.clone();
    elsewhere.resource = Some((container("never-there"), 0));
    world.refuses(elsewhere, Written::VersionMoved).await;
    world.commit(write).await;
}

async fn a_write_that_finds_no_room_changes_nothing(world: World) {
    let host = fresh::resource_id();
    let (_, write) = full_write(&world, host).await;
    world
        .store
        .set_room(host, capacity(1_000, 99))
        .await
        .unwrap();
    world.refuses(write.clone(), Written::NoRoom).await;
    world
        .store
        .set_room(host, capacity(1_000, 100))
        .await
        .unwrap();
    world.commit(write).await;
}

async fn a_write_of_a_process_that_rests_or_is_over_changes_nothing(world: World) {
    let owned = world.claimed("rests", 5).await;
    let (done, _) = next_write(&owned, Outcome::done());
    let wait = Outcome::Wait {
        reason: "early".to_owned(),
        delay: LEASE,
        waits_for: None,
        progress: None,
    };
    world.commit(next_write(&owned, wait).0).await;
    world.refuses(done, Written::NotOurs).await;

    let owned = world.claimed("ends", 5).await;
    let (write, _) = next_write(&owned, Outcome::done());
    world.finish(owned).await;
    world.refuses(write, Written::NotOurs).await;
}

/// Processes of which each fifth goes wrong in a way of its own.
async fn prepare(world: &World, intents: &[Intent], full: ResourceId, free: ResourceId) {
    let store = &world.store;
    store.set_room(full, capacity(10, 10)).await.unwrap();
    store
        .set_room(free, capacity(100_000, 100_000))
        .await
        .unwrap();
    for intent in intents {
        world.accept(intent.clone()).await;
    }
    let claims: Vec<Claim> = intents
        .iter()
        .map(|intent| Claim {
            process: intent.process.id,
            resource: intent.resource.reference(),
            fence: Fence::from_raw(5),
            is_called: false,
        })
        .collect();
    let server = drover_domain::ServerId::new(full.uuid());
    let claimed = store.claim(&claims, server, NOW, LEASE).await.unwrap();
    assert!(claimed.iter().all(Option::is_some));
}

fn write_of(
    number: usize,
    intent: &Intent,
    full: ResourceId,
    free: ResourceId,
) -> (ProcessWrite, Written) {
    let mut process = intent.process.clone();
    process.phase = Phase::Running;
    process.fence = Fence::from_raw(if number % 5 == 1 { 4 } else { 5 });
    process.message = Some(format!("write {number}"));
    let mut changed: Resource = intent.resource.clone();
    changed.host = Some(free);
    changed.version += 1;
    let expected = intent.resource.version - i64::from(number % 5 == 2);
    let host = if number % 5 == 3 { full } else { free };
    let write = ProcessWrite {
        passed: vec![drover_domain::write::Passed {
            state: changed.state,
            version: changed.version,
        }],
        resource: Some((changed, expected)),
        reservation: Some(ReservationChange::Take {
            host,
            amount: capacity(20, 30),
            ports: Vec::new(),
            apart: Vec::new(),
        }),
        ..ProcessWrite::of(process)
    };
    let outcome = match number % 5 {
        1 => Written::NotOurs,
        2 => Written::VersionMoved,
        3 => Written::NoRoom,
        _ => Written::Committed,
    };
    (write, outcome)
}

async fn a_hundred_writes_at_once_are_the_same_as_one_by_one(together: World) {
    let apart = together.elsewhere().await;
    let intents: Vec<Intent> = (0..100)
        .map(|number| to_create(container(&format!("number-{number}"))))
        .collect();
    let (full, free) = (fresh::resource_id(), fresh::resource_id());
    prepare(&together, &intents, full, free).await;
    prepare(&apart, &intents, full, free).await;
    let (writes, expected): (Vec<_>, Vec<_>) = intents
        .iter()
        .enumerate()
        .map(|(number, intent)| write_of(number, intent, full, free))
        .unzip();

    let at_once = join_all(writes.iter().map(|one| together.store.commit(one.clone()))).await;
    let at_once: Vec<Written> = at_once.into_iter().map(Result::unwrap).collect();
    assert_eq!(at_once, expected);
    for (write, expected) in writes.into_iter().zip(expected) {
        assert_eq!(apart.store.commit(write).await.unwrap(), expected);
    }

    let (mut left, mut right) = (together.rows().await, apart.rows().await);
    for rows in [&mut left, &mut right] {
        // What differs by its nature: positions of the change log, and when the schema was made.
        rows.remove("seaql_migrations").unwrap();
        let changes = rows.remove("change").unwrap();
        assert_eq!(changes.len(), 140);
    }
    assert_eq!(left, right);
    apart.store.close().await.unwrap();
}

async fn two_writes_of_one_process_at_once_are_both_of_its_owner(world: World) {
    let owned = world.claimed("one", 5).await;
    let neighbour = world.claimed("neighbour", 5).await;
    let said = |owned: &Claimed, message: &str| {
        let mut process = owned.process.clone();
        process.message = Some(message.to_owned());
        world.store.commit(ProcessWrite::of(process))
    };
    let outcomes = join_all([
        said(&owned, "first"),
        said(&neighbour, "beside"),
        said(&owned, "second"),
    ]);
    for (number, outcome) in outcomes.await.into_iter().enumerate() {
        assert_eq!(outcome.unwrap(), Written::Committed, "write {number}");
    }
    let row = world.process(owned.process.id).await;
    assert!(row.message.is_some());
    let row = world.process(neighbour.process.id).await;
    assert_eq!(row.message.as_deref(), Some("beside"));
}

async fn a_create_with_start_is_followed_by_a_running_start(world: World) {
    let (owned, write) = full_write(&world, fresh::resource_id()).await;
    let successor = write.successor.clone().unwrap();
    world.commit(write).await;

    let created = world.process(owned.process.id).await;
    assert_eq!(created.phase, Phase::Done);
    assert_eq!(created.successor, Some(successor.id));
    let start = world.process(successor.id).await;
    assert_eq!(start, successor);
    assert_eq!(start.request, Request::Start);
    assert_eq!(start.phase, Phase::Running);
    assert_eq!(start.fence, owned.process.fence);
    assert_eq!(start.server, owned.process.server);
    assert_eq!(start.cause, owned.process.cause);
    let resource = world.resource(&owned.resource).await.unwrap();
    assert_eq!(resource.state, State::Starting);
    let filter = ChangeFilter::default();
    let changes = world.store.changes(Position::default(), &filter, 10).await;
    let states: Vec<State> = changes.unwrap().iter().map(|change| change.state).collect();
    assert_eq!(states, [State::Creating, State::Created, State::Starting]);

    let ended = world
        .finish(Claimed {
            process: start,
            resource,
            claims: None,
        })
        .await;
    assert_eq!(ended.resource.state, State::Running);
    let row = world.resource(&owned.resource).await;
    assert_eq!(row, Some(ended.resource));
}

async fn a_purged_resource_is_gone_and_its_process_stays(world: World) {
    let mut resource = world.settled("one").await;
    for (fence, request) in [(2, Request::Remove), (3, Request::Purge)] {
        let intent = world.accept(to_change(&resource, request)).await;
        let owned = world.claim(intent.process.id, fence, NOW).await.unwrap();
        resource = world.finish(owned).await.resource;
        let is_there = world.resource(&resource).await.is_some();
        assert_eq!(is_there, request == Request::Remove);
        let process = world.process(intent.process.id).await;
        assert_eq!((process.request, process.phase), (request, Phase::Done));
    }
    let filter = ChangeFilter {
        resource: Some(resource.id),
        project: None,
    };
    let changes = world.store.changes(Position::default(), &filter, 100).await;
    assert_eq!(changes.unwrap().last().unwrap().state, State::Purged);
    let again = world.store.accept(to_change_purged(&resource)).await;
    assert_eq!(again.unwrap(), drover_store::Accepted::VersionMoved);
}

/// The intent of somebody who read the resource before it was purged.
fn to_change_purged(resource: &Resource) -> Intent {
    let mut read = resource.clone();
    read.state = State::Removed;
    to_change(&read, Request::Purge)
}

async fn what_a_person_changes_beside_a_process_stays_when_the_process_goes_on(world: World) {
    let mut owned = world.claimed("old name", 1).await;
    let mut changed = owned.resource.clone();
    changed.name = "new name".to_owned();
    changed.labels.insert("team".to_owned(), "x".to_owned());
    changed.version += 1;
    assert!(world.rewrite(&changed, owned.resource.version).await);
    // The process, which knows nothing of it, is told to read the resource again.
    loop {
        let (write, next) = next_write(&owned, Outcome::done());
        match world.store.commit(write.clone()).await.unwrap() {
            Written::VersionMoved => owned.resource = world.resource(&changed).await.unwrap(),
            Written::Committed => {
                owned.process = write.process;
                if let Some((resource, _)) = write.resource {
                    owned.resource = resource;
                }
                if next == Next::End {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    let settled = world.resource(&changed).await.unwrap();
    assert_eq!(settled.state, State::Created);
    assert_eq!(settled.name, "new name");
    assert_eq!(settled.labels, changed.labels);
    assert!(settled.version > changed.version);
    // And the other way round: a change that knows nothing of the process is refused.
    assert!(!world.rewrite(&changed, changed.version - 1).await);
    assert_eq!(world.resource(&changed).await.unwrap(), settled);
}
