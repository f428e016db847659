//! Connections that end, and what was under way on them.

use std::time::{Duration, Instant};

use drover_proto::v1::{failure, reply};
use socket2::SockRef;
use tokio_tungstenite::MaybeTlsStream;

use crate::world::{SOON, Socket, World, ping, replied};
use drover_proto::v1::Pong;

/// Nobody waits for a reply in vain for so long.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test]
async fn whoever_waits_for_a_reply_is_told_at_once_that_its_connection_has_ended() {
    let world = World::begin(Duration::from_secs(30)).await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    let asked = Instant::now();
    let (first, second, ()) = tokio::join!(
        world.ask(agent.host, ping(), SOON),
        world.ask(agent.host, ping(), SOON),
        async {
            socket.command().await;
            socket.command().await;
            drop(socket);
        }
    );
    assert!(
        asked.elapsed() < AT_ONCE,
        "told after {:?}",
        asked.elapsed()
    );
    for reply in [first, second] {
        let Some(reply::Result::Failure(failure)) = reply.unwrap().result else {
            panic!("it is no failure");
        };
        assert_eq!(failure.code(), failure::Code::Disconnected);
    }
    // The next one goes nowhere, or to the next connection.
    let mut again = world.socket(&agent).await;
    let (reply, ()) = tokio::join!(world.ask(agent.host, ping(), SOON), async {
        let id = again.command().await.id;
        again.reply(&id, reply::Result::Pong(Pong {})).await;
    });
    assert!(matches!(
        reply.unwrap().result,
        Some(reply::Result::Pong(_))
    ));
}

#[tokio::test]
async fn a_newer_connection_gives_no_answer_to_what_was_asked_on_the_older_one() {
    let world = World::begin(Duration::from_secs(30)).await;
    let agent = world.agent().await;
    let mut older = world.socket(&agent).await;
    let (reply, _newer) = tokio::join!(world.ask(agent.host, ping(), SOON), async {
        older.command().await;
        world.socket(&agent).await
    });
    let Some(reply::Result::Failure(failure)) = reply.unwrap().result else {
        panic!("it is no failure");
    };
    assert_eq!(failure.code(), failure::Code::Disconnected);
}

/// Killed, an agent ends its connection without a word; cut off by its host, with a reset.
#[tokio::test]
async fn an_agent_that_is_killed_has_done_nothing_that_it_may_not() {
    let world = World::begin(Duration::from_secs(30)).await;
    let killed = world.agent().await;
    drop(world.socket(&killed).await);
    let reset = world.agent().await;
    let socket = world.socket(&reset).await;
    set_to_reset(&socket);
    drop(socket);
    for agent in [&killed, &reset] {
        until_lost(&world, agent.host).await;
    }
    // What is written down, is written down in order.
    let other = world.agent().await;
    let mut hostile = world.socket(&other).await;
    hostile
        .send(replied("nothing", reply::Result::Pong(Pong {})))
        .await;
    let rows = world.offences("agent.reply.unasked").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(world.all_offences().await, rows);
}

fn set_to_reset(socket: &Socket) {
    let MaybeTlsStream::Plain(stream) = socket.0.get_ref() else {
        panic!("no plain stream");
    };
    let at_once = Some(Duration::ZERO);
    SockRef::from(stream).set_linger(at_once).unwrap();
}

async fn until_lost(world: &World, host: drover_domain::ResourceId) {
    let waiting = async {
        while !world.store.lost().await.unwrap().contains_key(&host) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(SOON, waiting).await.is_ok());
}
