//! Reservations: what two race for has one winner, and what is given back is there again.

use drover_domain::engine::{Changes, Outcome};
use drover_domain::resource::{
    AskedCapacity, Capacity, Details, HostFacts, Neighbours, Port, Protocol, Room,
};
use drover_domain::write::{ProcessWrite, ReservationChange, Written};
use drover_domain::{Resource, ResourceId, Selector};
use drover_store::{Attached, Claimed, Mutated, Store, fresh};
use futures::future::join_all;

use crate::support::{NOW, World, capacity, container, host, next_write, port, to_create};

facts! {
    a_race_for_one_port_in_one_batch_has_one_winner,
    a_race_for_one_port_between_two_servers_has_one_winner,
    a_race_for_the_last_megabyte_in_one_batch_has_one_winner,
    a_race_for_the_last_megabyte_between_two_servers_has_one_winner,
    a_race_for_the_last_place_in_one_batch_has_one_winner,
    a_race_for_the_last_place_between_two_servers_has_one_winner,
    what_is_asked_of_a_host_is_what_containers_may_take_of_it,
    a_host_whose_room_is_forgotten_gets_none_by_being_changed,
    a_port_is_held_on_its_address_and_protocol,
    giving_back_gives_back_just_what_was_taken,
    taking_twice_is_taking_once,
    moving_to_another_host_releases_the_first,
    what_is_given_back_can_be_taken_in_the_same_batch,
    what_is_taken_of_a_host_is_shown_to_placement,
    a_host_that_is_unknown_has_no_room,
    of_those_who_stand_apart_one_has_a_place_on_a_host,
    one_who_stands_apart_minds_its_own_project_only,
}

const ROOM: Capacity = Capacity {
    cpu_millis: 4_000,
    memory_mib: 1_000,
};

async fn a_host_with_room(world: &World) -> Resource {
    let host = host("host");
    world.insert(&host).await;
    world.store.set_room(host.id, ROOM).await.unwrap();
    host
}

fn with(owned: &Claimed, change: ReservationChange) -> ProcessWrite {
    let changes = Changes {
        reservation: Some(change),
        ..Changes::default()
    };
    let outcome = Outcome::Done(Box::new(changes));
    let (mut write, _) = next_write(owned, outcome);
    // Only what is reserved is of interest: the process stays on its first step.
    write.process = owned.process.clone();
    write
}

fn take(owned: &Claimed, host: ResourceId, amount: Capacity, ports: &[Port]) -> ProcessWrite {
    let ports = ports.to_vec();
    with(
        owned,
        ReservationChange::Take {
            host,
            amount,
            ports,
            apart: Vec::new(),
        },
    )
}

async fn taken(world: &World, host: ResourceId) -> (Capacity, u32) {
    let rooms = world.store.rooms([host]).await.unwrap();
    let (all, taken, containers) = rooms[&host];
    assert_eq!(all, ROOM);
    let on_host = world.store.containers_on(host).await.unwrap();
    assert_eq!(u64::from(containers), on_host);
    (taken, containers)
}

/// Lets several containers ask for the same at once, by turns over the given stores.
async fn race(
    world: &World,
    stores: &[&Store],
    host: ResourceId,
    amount: Capacity,
    ports: &[Port],
) -> usize {
    let mut rivals = Vec::new();
    for number in 0..6 {
        rivals.push(world.claimed(&format!("rival-{number}"), 5).await);
    }
    let writes = rivals.iter().enumerate().map(|(number, rival)| {
        stores[number % stores.len()].commit(take(rival, host, amount, ports))
    });
    let outcomes = join_all(writes).await;
    let outcomes: Vec<Written> = outcomes.into_iter().map(Result::unwrap).collect();
    let is_told = |outcome: &&Written| matches!(outcome, Written::Committed | Written::NoRoom);
    assert_eq!(outcomes.iter().filter(is_told).count(), 6, "{outcomes:?}");
    let won = |outcome: &&Written| **outcome == Written::Committed;
    outcomes.iter().filter(won).count()
}

async fn a_race_for_one_port_in_one_batch_has_one_winner(world: World) {
    let host = a_host_with_room(&world).await.id;
    let ports = [port(None, 8080)];
    let winners = race(&world, &[&world.store], host, capacity(1, 1), &ports).await;
    assert_eq!(winners, 1);
    assert_eq!(taken(&world, host).await, (capacity(1, 1), 1));
}

async fn a_race_for_one_port_between_two_servers_has_one_winner(world: World) {
    let other = world.second_server().await;
    for _ in 0..5 {
        let host = a_host_with_room(&world).await.id;
        let ports = [port(None, 8080)];
        let stores = [&world.store, &other];
        let winners = race(&world, &stores, host, capacity(1, 1), &ports).await;
        assert_eq!(winners, 1);
        assert_eq!(taken(&world, host).await, (capacity(1, 1), 1));
    }
}

async fn a_host_for_two(world: &World) -> ResourceId {
    let host = a_host_with_room(world).await.id;
    let room = Room {
        maximum_containers: Some(2),
        ..Room::from(ROOM)
    };
    world.store.set_room(host, room).await.unwrap();
    host
}

async fn a_race_for_the_last_place_in_one_batch_has_one_winner(world: World) {
    let host = a_host_for_two(&world).await;
    let first = world.claimed("first", 5).await;
    let placed = world.store.commit(take(&first, host, capacity(0, 0), &[]));
    assert_eq!(placed.await.unwrap(), Written::Committed);
    let winners = race(&world, &[&world.store], host, capacity(0, 0), &[]).await;
    assert_eq!(winners, 1);
    assert_eq!(taken(&world, host).await, (capacity(0, 0), 2));
    // Who has a place keeps it, and gives it to the next one.
    let again = world.store.commit(take(&first, host, capacity(0, 0), &[]));
    assert_eq!(again.await.unwrap(), Written::Committed);
    let back = world.store.commit(with(&first, ReservationChange::Release));
    assert_eq!(back.await.unwrap(), Written::Committed);
    let next = world.claimed("next", 5).await;
    let placed = world.store.commit(take(&next, host, capacity(0, 0), &[]));
    assert_eq!(placed.await.unwrap(), Written::Committed);
}

async fn a_race_for_the_last_place_between_two_servers_has_one_winner(world: World) {
    let other = world.second_server().await;
    for _ in 0..5 {
        let host = a_host_for_two(&world).await;
        let stores = [&world.store, &other];
        let winners = race(&world, &stores, host, capacity(1, 1), &[]).await;
        assert_eq!(winners, 2);
        assert_eq!(taken(&world, host).await, (capacity(2, 2), 2));
    }
}

/// With its facts, and asked to give less memory to one container.
fn limited(mut host: Resource) -> Resource {
    if let Details::Host { spec, status } = &mut host.details {
        status.facts = HostFacts {
            cpus: 4,
            memory_mib: 1_000,
            ..HostFacts::default()
        };
        spec.capacity = AskedCapacity {
            cpu_millis: None,
            memory_mib: Some(100),
        };
        spec.maximum_containers = Some(1);
    }
    host.version += 1;
    host
}

async fn what_is_asked_of_a_host_is_what_containers_may_take_of_it(world: World) {
    let host = a_host_with_room(&world).await;
    let asked = limited(host.clone());
    let rewritten = world
        .store
        .rewrite(&asked, host.version, Attached::nothing());
    assert_eq!(rewritten.await.unwrap(), Mutated::Done);
    let rooms = world.store.rooms([host.id]).await.unwrap();
    assert_eq!(rooms[&host.id].0, capacity(4_000, 100));
    let candidates = world.store.candidates().await.unwrap();
    let candidate = candidates.iter().find(|one| one.id == host.id).unwrap();
    assert_eq!(candidate.maximum_containers, Some(1));
    let winners = race(&world, &[&world.store], host.id, capacity(0, 1), &[]).await;
    assert_eq!(winners, 1);
    // And as it was found again, for any number.
    let mut free = host.clone();
    free.version = asked.version + 1;
    if let (Details::Host { status, .. }, Details::Host { status: known, .. }) =
        (&mut free.details, &asked.details)
    {
        status.facts = known.facts.clone();
    }
    let rewritten = world
        .store
        .rewrite(&free, asked.version, Attached::nothing());
    assert_eq!(rewritten.await.unwrap(), Mutated::Done);
    let candidates = world.store.candidates().await.unwrap();
    let candidate = candidates.iter().find(|one| one.id == host.id).unwrap();
    assert_eq!(candidate.capacity, ROOM);
    assert_eq!(candidate.maximum_containers, None);
    assert_eq!(candidate.containers, 1, "what is taken stays");
}

async fn a_host_whose_room_is_forgotten_gets_none_by_being_changed(world: World) {
    let host = a_host_with_room(&world).await;
    world.store.forget_room(host.id).await.unwrap();
    let asked = limited(host.clone());
    let rewritten = world
        .store
        .rewrite(&asked, host.version, Attached::nothing());
    assert_eq!(rewritten.await.unwrap(), Mutated::Done);
    assert!(world.store.rooms([host.id]).await.unwrap().is_empty());
}

async fn a_race_for_the_last_megabyte_in_one_batch_has_one_winner(world: World) {
    let host = a_host_with_room(&world).await.id;
    let winners = race(&world, &[&world.store], host, capacity(0, 501), &[]).await;
    assert_eq!(winners, 1);
    assert_eq!(taken(&world, host).await, (capacity(0, 501), 1));
}

async fn a_race_for_the_last_megabyte_between_two_servers_has_one_winner(world: World) {
    let other = world.second_server().await;
    for _ in 0..5 {
        let host = a_host_with_room(&world).await.id;
        let stores = [&world.store, &other];
        let winners = race(&world, &stores, host, capacity(0, 501), &[]).await;
        assert_eq!(winners, 1);
        assert_eq!(taken(&world, host).await, (capacity(0, 501), 1));
    }
}

async fn a_port_is_held_on_its_address_and_protocol(world: World) {
    let host = a_host_with_room(&world).await.id;
    let udp = Port {
        protocol: Protocol::Udp,
        ..port(Some("127.0.0.1"), 80)
    };
    let asked = [
        (port(Some("127.0.0.1"), 80), Written::Committed),
        (port(Some("127.0.0.1"), 80), Written::NoRoom),
        (port(Some("::1"), 80), Written::Committed),
        (port(None, 80), Written::NoRoom),
        (port(Some("0.0.0.0"), 80), Written::NoRoom),
        (udp, Written::Committed),
        (port(None, 81), Written::Committed),
        (port(Some("127.0.0.1"), 81), Written::NoRoom),
    ];
    for (port, expected) in asked {
        let owned = world.claimed("one", 5).await;
        let write = take(
            &owned,
            host,
            Capacity::default(),
            std::slice::from_ref(&port),
        );
        let written = world.store.commit(write).await.unwrap();
        assert_eq!(written, expected, "{port:?}");
    }
    assert_eq!(taken(&world, host).await, (capacity(0, 0), 4));
}

async fn giving_back_gives_back_just_what_was_taken(world: World) {
    let host = a_host_with_room(&world).await.id;
    let stays = world.claimed("stays", 5).await;
    let goes = world.claimed("goes", 5).await;
    let ports = [port(None, 80), port(Some("127.0.0.1"), 443)];
    world
        .commit(take(&stays, host, capacity(100, 200), &[port(None, 81)]))
        .await;
    let before = taken(&world, host).await;
    world
        .commit(take(&goes, host, capacity(7, 13), &ports))
        .await;
    assert_eq!(taken(&world, host).await, (capacity(107, 213), 2));
    for _ in 0..2 {
        world.commit(with(&goes, ReservationChange::Release)).await;
        assert_eq!(
            taken(&world, host).await,
            before,
            "however often it is asked"
        );
    }
    let next = world.claimed("next", 5).await;
    world
        .commit(take(&next, host, capacity(7, 13), &ports))
        .await;
    let held = take(&goes, host, capacity(0, 0), &[port(None, 81)]);
    let written = world.store.commit(held).await.unwrap();
    assert_eq!(written, Written::NoRoom, "what stays keeps its port");
}

async fn taking_twice_is_taking_once(world: World) {
    let host = a_host_with_room(&world).await.id;
    let owned = world.claimed("one", 5).await;
    let write = take(&owned, host, capacity(600, 600), &[port(None, 80)]);
    world.commit(write.clone()).await;
    let once = world.rows().await;
    world.commit(write).await;
    assert_eq!(world.rows().await, once);
    assert_eq!(taken(&world, host).await, (capacity(600, 600), 1));
}

async fn moving_to_another_host_releases_the_first(world: World) {
    let first = a_host_with_room(&world).await.id;
    let second = a_host_with_room(&world).await.id;
    let owned = world.claimed("one", 5).await;
    let ports = [port(None, 80)];
    let amount = capacity(600, 600);
    world.commit(take(&owned, first, amount, &ports)).await;
    world.commit(take(&owned, second, amount, &ports)).await;
    assert_eq!(taken(&world, first).await, (capacity(0, 0), 0));
    assert_eq!(taken(&world, second).await, (amount, 1));
    let rival = world.claimed("rival", 5).await;
    let write = take(&rival, second, capacity(0, 0), &ports);
    assert_eq!(world.store.commit(write).await.unwrap(), Written::NoRoom);
    world.commit(take(&rival, first, amount, &ports)).await;
    // A move that fails keeps what there was.
    let write = take(&owned, first, amount, &ports);
    assert_eq!(world.store.commit(write).await.unwrap(), Written::NoRoom);
    assert_eq!(taken(&world, second).await, (amount, 1));
}

async fn what_is_given_back_can_be_taken_in_the_same_batch(world: World) {
    let (first, second) = (
        a_host_with_room(&world).await.id,
        a_host_with_room(&world).await.id,
    );
    let amount = capacity(4_000, 1_000);
    let ports = [port(None, 80)];
    let goes = world.claimed("goes", 5).await;
    let moves = world.claimed("moves", 5).await;
    let comes = world.claimed("comes", 5).await;
    world.commit(take(&goes, first, amount, &ports)).await;
    world.commit(take(&moves, second, amount, &ports)).await;
    let outcomes = join_all([
        world.store.commit(with(&goes, ReservationChange::Release)),
        world.store.commit(take(&moves, first, amount, &ports)),
        world.store.commit(take(&comes, second, amount, &ports)),
    ]);
    for (number, outcome) in outcomes.await.into_iter().enumerate() {
        assert_eq!(outcome.unwrap(), Written::Committed, "write {number}");
    }
    assert_eq!(taken(&world, first).await, (amount, 1));
    assert_eq!(taken(&world, second).await, (amount, 1));
}

async fn what_is_taken_of_a_host_is_shown_to_placement(world: World) {
    let host = a_host_with_room(&world).await;
    a_host_with_room(&world).await;
    let owned = world.claimed("one", 5).await;
    let any = Port {
        host_port: None,
        ..port(None, 0)
    };
    let ports = [port(Some("127.0.0.1"), 80), port(None, 443), any];
    world
        .commit(take(&owned, host.id, capacity(5, 6), &ports))
        .await;
    let candidates = world.store.candidates().await.unwrap();
    assert_eq!(candidates.len(), 2);
    let seen = candidates.iter().find(|seen| seen.id == host.id).unwrap();
    assert_eq!((seen.state, seen.containers), (host.state, 1));
    assert_eq!((seen.capacity, seen.reserved), (ROOM, capacity(5, 6)));
    let mut numbers: Vec<u16> = seen.ports.iter().map(|held| held.port).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [80, 443], "a port without a number takes nothing");
    let empty = candidates.iter().find(|seen| seen.id != host.id).unwrap();
    assert_eq!((empty.containers, empty.ports.len()), (0, 0));
}

async fn a_host_that_is_unknown_has_no_room(world: World) {
    let owned = world.claimed("one", 5).await;
    let write = take(&owned, fresh::resource_id(), capacity(0, 0), &[]);
    assert_eq!(world.store.commit(write).await.unwrap(), Written::NoRoom);
}

/// Takes a place on a host that has none of these containers.
fn apart(owned: &Claimed, host: ResourceId, selector: &str) -> ProcessWrite {
    let selector = Selector::parse(selector).unwrap();
    let changes = Changes {
        host: Some(Some(host)),
        reservation: Some(ReservationChange::Take {
            host,
            amount: capacity(1, 1),
            ports: Vec::new(),
            apart: vec![Neighbours::Labelled(selector)],
        }),
        ..Changes::default()
    };
    next_write(owned, Outcome::Done(Box::new(changes))).0
}

async fn of_those_who_stand_apart_one_has_a_place_on_a_host(world: World) {
    let other = world.second_server().await;
    for turn in 0..6 {
        // In one batch, and between two servers.
        let stores = match turn % 2 {
            0 => vec![&world.store],
            _ => vec![&world.store, &other],
        };
        let host = a_host_with_room(&world).await.id;
        let mut rivals = Vec::new();
        for number in 0..6 {
            rivals.push(world.claimed(&format!("rival-{number}"), 5).await);
        }
        // Whoever has no such label, and none has.
        let writes = rivals.iter().enumerate().map(|(number, rival)| {
            stores[number % stores.len()].commit(apart(rival, host, "!nobody"))
        });
        let outcomes = join_all(writes).await.into_iter().map(Result::unwrap);
        let won = outcomes.filter(|outcome| *outcome == Written::Committed);
        assert_eq!(won.count(), 1);
        assert_eq!(taken(&world, host).await, (capacity(1, 1), 1));
    }
}

async fn one_who_stands_apart_minds_its_own_project_only(world: World) {
    let host = a_host_with_room(&world).await.id;
    let one = world.claimed("one", 5).await;
    world.commit(apart(&one, host, "!nobody")).await;
    let mut stranger = container("stranger");
    stranger.project = Some(world.project("other").await);
    let intent = world.accept(to_create(stranger)).await;
    let stranger = world.claim(intent.process.id, 6, NOW).await.unwrap();
    world.commit(apart(&stranger, host, "!nobody")).await;
    let other = world.claimed("other", 7).await;
    let outcome = world.store.commit(apart(&other, host, "app=db")).await;
    assert_eq!(outcome.unwrap(), Written::Committed, "nobody is app=db");
}
