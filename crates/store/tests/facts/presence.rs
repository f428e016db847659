//! Who is connected to whom: late news change nothing, and the end of a server is that of its agents.

use std::collections::HashSet;

use drover_domain::liveness::Loss;
use drover_domain::{ResourceId, ServerId, State};
use drover_store::{News, Store, fresh};
use futures::future::join_all;

use crate::support::{NOW, World, at, host};

facts! {
    each_connection_of_an_agent_has_a_higher_number,
    late_news_of_an_older_connection_change_nothing,
    a_host_that_is_removed_is_not_connected_any_more,
    agents_that_come_at_once_are_written_together_each_with_its_own_number,
    the_agents_of_a_server_that_ended_are_lost_until_they_come_back_elsewhere,
    a_server_that_has_counted_on_is_not_ended,
    a_server_that_was_held_for_dead_has_its_agents_again,
    what_nobody_was_last_connected_to_is_forgotten,
    hosts_are_out_of_reach_by_their_agents_or_by_their_states,
    of_resources_that_are_rewritten_together_those_that_have_moved_stay_as_they_are,
}

async fn a_host(world: &World) -> ResourceId {
    let host = host("one");
    world.insert(&host).await;
    host.id
}

async fn connect(store: &Store, host: ResourceId, server: ServerId) -> Option<i64> {
    let news = News::Connected {
        agent: host,
        server,
        at: NOW,
    };
    store.tell_presence(host, news).await.unwrap()
}

async fn gone(store: &Store, host: ResourceId, number: i64) -> Option<i64> {
    let news = News::Gone { number, at: at(1) };
    store.tell_presence(host, news).await.unwrap()
}

async fn each_connection_of_an_agent_has_a_higher_number(world: World) {
    let host = a_host(&world).await;
    let other = world.second_server().await;
    let (one, two) = (fresh::server_id(), fresh::server_id());
    assert_eq!(connect(&world.store, host, one).await, Some(1));
    assert_eq!(connect(&other, host, two).await, Some(2));
    assert_eq!(gone(&other, host, 2).await, Some(2));
    assert_eq!(connect(&world.store, host, one).await, Some(3));
    assert!(world.store.lost().await.unwrap().is_empty());
}

async fn late_news_of_an_older_connection_change_nothing(world: World) {
    let host = a_host(&world).await;
    connect(&world.store, host, fresh::server_id()).await;
    connect(&world.store, host, fresh::server_id()).await;
    let before = world.rows().await;
    assert_eq!(gone(&world.store, host, 1).await, None);
    assert_eq!(world.rows().await, before);
    assert_eq!(gone(&world.store, host, 2).await, Some(2));
    let lost = world.store.lost().await.unwrap();
    assert_eq!(lost[&host], Loss::Connection(at(1)));
}

async fn a_host_that_is_removed_is_not_connected_any_more(world: World) {
    let mut host = host("one");
    world.insert(&host).await;
    connect(&world.store, host.id, fresh::server_id()).await;
    world.store.forget_presence(host.id).await.unwrap();
    host.removed = Some(NOW);
    host.version += 1;
    assert!(world.rewrite(&host, host.version - 1).await);
    let number = connect(&world.store, host.id, fresh::server_id()).await;
    assert_eq!(number, None);
    let nobody = fresh::resource_id();
    assert_eq!(
        connect(&world.store, nobody, fresh::server_id()).await,
        None
    );
    assert!(world.rows().await["agent_connection"].is_empty());
}

async fn agents_that_come_at_once_are_written_together_each_with_its_own_number(world: World) {
    let server = fresh::server_id();
    let mut hosts = Vec::new();
    for _ in 0..50 {
        hosts.push(a_host(&world).await);
    }
    connect(&world.store, hosts[7], server).await;
    let told = hosts
        .iter()
        .map(|host| connect(&world.store, *host, server));
    let numbers = join_all(told).await;
    let expected: Vec<_> = (0..50)
        .map(|at| Some(if at == 7 { 2 } else { 1 }))
        .collect();
    assert_eq!(numbers, expected);
    assert_eq!(world.rows().await["agent_connection"].len(), 50);
}

async fn the_agents_of_a_server_that_ended_are_lost_until_they_come_back_elsewhere(world: World) {
    let store = &world.store;
    let (one, two) = (a_host(&world).await, a_host(&world).await);
    let (dead, alive) = (fresh::server_id(), fresh::server_id());
    for server in [dead, alive] {
        store.beat(server, None, NOW).await.unwrap();
    }
    connect(store, one, dead).await;
    connect(store, two, alive).await;
    assert!(store.lost().await.unwrap().is_empty());
    assert!(store.end_agent_server(dead, Some(0), at(5)).await.unwrap());
    assert!(!store.end_agent_server(dead, Some(0), at(6)).await.unwrap());
    let lost = store.lost().await.unwrap();
    assert_eq!(
        lost.into_iter().collect::<Vec<_>>(),
        [(one, Loss::Server(at(5)))]
    );
    assert_eq!(store.agent_servers().await.unwrap(), [(alive, 0)]);
    connect(store, one, alive).await;
    assert!(store.lost().await.unwrap().is_empty());
}

async fn a_server_that_has_counted_on_is_not_ended(world: World) {
    let store = &world.store;
    let server = fresh::server_id();
    for _ in 0..3 {
        store.beat(server, None, NOW).await.unwrap();
    }
    assert_eq!(store.agent_servers().await.unwrap(), [(server, 2)]);
    assert!(
        !store
            .end_agent_server(server, Some(1), at(5))
            .await
            .unwrap()
    );
    assert!(
        store
            .end_agent_server(server, Some(2), at(5))
            .await
            .unwrap()
    );
    assert!(store.agent_servers().await.unwrap().is_empty());
}

async fn a_server_that_was_held_for_dead_has_its_agents_again(world: World) {
    let store = &world.store;
    let (stays, leaves) = (a_host(&world).await, a_host(&world).await);
    let server = fresh::server_id();
    store.beat(server, None, NOW).await.unwrap();
    connect(store, stays, server).await;
    connect(store, leaves, server).await;
    gone(store, leaves, 1).await;
    store.end_agent_server(server, None, at(5)).await.unwrap();
    assert_eq!(store.lost().await.unwrap().len(), 2);
    store.beat(server, None, at(6)).await.unwrap();
    let lost = store.lost().await.unwrap();
    assert_eq!(lost.into_keys().collect::<Vec<_>>(), [leaves]);
}

async fn what_nobody_was_last_connected_to_is_forgotten(world: World) {
    let store = &world.store;
    let host = a_host(&world).await;
    let (idle, needed, alive) = (fresh::server_id(), fresh::server_id(), fresh::server_id());
    for server in [idle, needed, alive] {
        store.beat(server, None, NOW).await.unwrap();
    }
    connect(store, host, needed).await;
    for server in [idle, needed] {
        store.end_agent_server(server, None, at(5)).await.unwrap();
    }
    assert_eq!(store.forget_agent_servers(at(5)).await.unwrap(), 0);
    assert_eq!(store.forget_agent_servers(at(6)).await.unwrap(), 1);
    assert_eq!(world.rows().await["agent_server"].len(), 2);
}

async fn hosts_are_out_of_reach_by_their_agents_or_by_their_states(world: World) {
    let store = &world.store;
    let (lost, connected) = (a_host(&world).await, a_host(&world).await);
    let server = fresh::server_id();
    store.beat(server, None, NOW).await.unwrap();
    for host in [lost, connected] {
        connect(store, host, server).await;
    }
    gone(store, lost, 1).await;
    let mut back = host("back");
    back.state = State::Disconnected;
    world.insert(&back).await;
    connect(store, back.id, server).await;
    let seen: HashSet<_> = store
        .out_of_reach()
        .await
        .unwrap()
        .into_iter()
        .map(|one| (one.host, one.state.as_str(), one.lost.map(Loss::since)))
        .collect();
    let expected = [
        (lost, "active", Some(at(1))),
        (back.id, "disconnected", None),
    ];
    assert_eq!(seen, HashSet::from(expected));
}

async fn of_resources_that_are_rewritten_together_those_that_have_moved_stay_as_they_are(
    world: World,
) {
    let (mut one, mut moved) = (host("one"), host("moved"));
    world.insert(&one).await;
    world.insert(&moved).await;
    for host in [&mut one, &mut moved] {
        host.state = State::Reconnecting;
        host.version += 1;
    }
    let records = world.rows().await["change"].len();
    let changed = vec![(one.clone(), 0), (moved.clone(), 7)];
    let written = world.store.rewrite_all(changed).await.unwrap();
    assert_eq!(written, [one.clone()]);
    let rows = world.store.resources_of([one.id, moved.id]).await.unwrap();
    assert_eq!(rows[&one.id].state, State::Reconnecting);
    assert_eq!(rows[&moved.id].state, State::Active);
    assert_eq!(world.rows().await["change"].len(), records + 1);
}
