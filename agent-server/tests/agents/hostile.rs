//! An agent that would harm others, or those who read of it.

use std::time::{Duration, Instant};

use drover_bus::BusError;
use drover_proto::v1::{
    InspectContainer, Pong, Report, agent_frame, command, reply, report, server_frame,
};
use futures::SinkExt;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::MaybeTlsStream;
use uuid::Uuid;

use crate::world::{SOON, World, about, message, ping, replied, seen};

const SHORT: Duration = Duration::from_millis(400);

#[tokio::test]
async fn a_reply_that_nobody_asked_for_counts_for_nothing_and_is_written_down_once() {
    let world = World::begin(Duration::from_secs(5)).await;
    let (good, bad) = (world.agent().await, world.agent().await);
    let mut hostile = world.socket(&bad).await;
    let mut asked = world.socket(&good).await;
    let ping = ping();
    let id = ping.id.clone();
    // The command of another agent, answered a hundred times by one that was not asked.
    let (reply, ()) = tokio::join!(world.ask(good.host, ping, SHORT), async {
        assert_eq!(asked.command().await.id, id);
        for _ in 0..100 {
            hostile.reply(&id, reply::Result::Pong(Pong {})).await;
        }
    });
    assert!(matches!(reply, Err(BusError::TimedOut(_))), "{reply:?}");
    let rows = world.offences("agent.reply.unasked").await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].resource, Some(bad.id.uuid()));
}

#[tokio::test]
async fn a_reply_that_is_replayed_counts_once() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    let (first, id) = tokio::join!(world.ask(agent.host, ping(), SOON), async {
        let id = socket.command().await.id;
        socket.reply(&id, reply::Result::Pong(Pong {})).await;
        id
    });
    assert!(first.is_ok());
    socket.reply(&id, reply::Result::Pong(Pong {})).await;
    world.offences("agent.reply.unasked").await;
    // It answers no later command either.
    let (second, ()) = tokio::join!(world.ask(agent.host, ping(), SHORT), async {
        socket.command().await;
        socket.reply(&id, reply::Result::Pong(Pong {})).await;
    });
    assert!(matches!(second, Err(BusError::TimedOut(_))), "{second:?}");
}

#[tokio::test]
async fn a_reply_after_its_deadline_counts_for_nothing() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    let mut hasty = ping();
    hasty.timeout_millis = 50;
    let (reply, ()) = tokio::join!(world.ask(agent.host, hasty, SHORT), async {
        let id = socket.command().await.id;
        tokio::time::sleep(Duration::from_millis(100)).await;
        socket.reply(&id, reply::Result::Pong(Pong {})).await;
    });
    assert!(matches!(reply, Err(BusError::TimedOut(_))), "{reply:?}");
    world.offences("agent.reply.late").await;
}

#[tokio::test]
async fn a_reply_about_another_container_counts_for_nothing() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    let inspect = about(
        Uuid::now_v7(),
        command::Action::InspectContainer(InspectContainer {}),
    );
    let (reply, ()) = tokio::join!(world.ask(agent.host, inspect, SHORT), async {
        let id = socket.command().await.id;
        let another = reply::Result::Container(seen(Uuid::now_v7()));
        socket.reply(&id, another).await;
    });
    assert!(matches!(reply, Err(BusError::TimedOut(_))), "{reply:?}");
    world.offences("agent.reply.foreign").await;
}

#[tokio::test]
async fn the_session_of_another_agent_cannot_be_posted_for() {
    let world = World::begin(Duration::from_secs(5)).await;
    let (good, bad) = (world.agent().await, world.agent().await);
    let lines = world.lines(&good).await;
    let (status, problem) = world.post(&bad, &lines.session, "[]").await;
    assert_eq!(
        (status, &problem["code"]),
        (403, &json!("agent.foreignSession"))
    );
    let rows = world.offences("agent.session.foreign").await;
    assert_eq!(rows[0].resource, Some(bad.id.uuid()));
    let mut made_up = good.clone();
    made_up.credential.push('x');
    let (status, _) = world.post(&made_up, &lines.session, "[]").await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_report_bears_the_host_of_its_credential_and_unsound_ones_are_dropped() {
    let world = World::begin(Duration::from_secs(5)).await;
    let mut reports = world.settle_reports().await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    let report = |id: &str, runtime_id: &str| {
        let mut seen = seen(Uuid::now_v7());
        seen.runtime_id = runtime_id.to_owned();
        agent_frame::Content::Report(Report {
            id: id.to_owned(),
            what: Some(report::What::Container(seen)),
        })
    };
    socket.send(report("bad", "\u{1b}[2J")).await;
    socket.send(report("good", "r")).await;
    let server_frame::Content::ReportAnswer(answer) = socket.next().await else {
        panic!("no answer");
    };
    assert_eq!(answer.report_id, "good");
    assert_eq!(
        reports.recv().await.unwrap().host_id,
        agent.host.to_string()
    );
    world.offences("agent.invalid").await;
}

#[tokio::test]
async fn labels_names_and_facts_with_control_characters_are_refused() {
    let world = World::begin(Duration::from_secs(5)).await;
    for changes in [
        json!({"name": "host\u{1b}[2J"}),
        json!({"labels": {"rack": "7\u{7}"}}),
        json!({"labels": {"ra\nck": "7"}}),
        json!({"labels": {"drover.made": "up"}}),
        json!({"facts": {"kernel": "6.1\u{9b}31m"}}),
    ] {
        let (status, problem) = world.register(&changes).await;
        assert_eq!((status, &problem["code"]), (422, &json!("agent.invalid")));
        let told = problem["detail"].as_str().unwrap();
        assert!(!told.contains(char::is_control), "{told:?}");
    }
}

#[tokio::test]
async fn a_frame_of_a_hundred_megabytes_is_cut_at_its_header() {
    let world = World::begin(Duration::from_secs(5)).await;
    let (good, bad) = (world.agent().await, world.agent().await);
    world.socket(&good).await.be_good();
    let mut hostile = world.socket(&bad).await;
    let MaybeTlsStream::Plain(stream) = hostile.0.get_mut() else {
        panic!("no plain stream");
    };
    // A binary frame, masked with nothing, of a hundred megabytes; and the first of them.
    let mut header = vec![0x82, 0xff];
    header.extend_from_slice(&(100_u64 << 20).to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    stream.write_all(&header).await.unwrap();
    let mut written = 0;
    let megabyte = vec![0; 1 << 20];
    let write = async {
        while stream.write_all(&megabyte).await.is_ok() {
            written += 1;
        }
    };
    // It is cut while it writes, or takes no more and is read to its end.
    drop(tokio::time::timeout(SOON, write).await);
    assert!(written < 100, "all of it was taken");
    let mut rest = Vec::new();
    let read = tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection goes on");
    world.offences("agent.frame").await;
    assert!(world.ask(good.host, ping(), SOON).await.is_ok());
}

#[tokio::test]
async fn who_sends_a_frame_that_is_too_large_is_told_so() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut socket = world.socket(&agent).await;
    let MaybeTlsStream::Plain(stream) = socket.0.get_mut() else {
        panic!("no plain stream");
    };
    let mut header = vec![0x82, 0xff];
    header.extend_from_slice(&(100_u64 << 20).to_be_bytes());
    header.extend_from_slice(&[0; 4]);
    stream.write_all(&header).await.unwrap();
    let (code, reason) = socket.end().await.unwrap();
    assert_eq!(code, 1_009);
    assert!(reason.contains("4 MiB"), "{reason}");
}

#[tokio::test]
async fn a_post_of_a_hundred_megabytes_is_refused() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let lines = world.lines(&agent).await;
    // With its length told, and without.
    let large = vec![b' '; 8 << 20];
    let (status, problem) = world.post(&agent, &lines.session, large.clone()).await;
    assert_eq!((status, &problem["code"]), (413, &json!("agent.tooLarge")));
    let chunks = futures::stream::iter(
        large
            .chunks(1 << 16)
            .map(|chunk| Ok::<_, std::io::Error>(chunk.to_vec()))
            .collect::<Vec<_>>(),
    );
    let body = reqwest::Body::wrap_stream(chunks);
    let (status, _) = world.post(&agent, &lines.session, body).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn ten_thousand_frames_a_second_disturb_nobody_else() {
    let world = World::begin(Duration::from_secs(5)).await;
    let (good, bad) = (world.agent().await, world.agent().await);
    world.socket(&good).await.be_good();
    let mut hostile = world.socket(&bad).await;
    let began = Instant::now();
    let flood = tokio::spawn(async move {
        let unasked = message(replied("nothing", reply::Result::Pong(Pong {})));
        let mut sent = 0_u32;
        while began.elapsed() < Duration::from_secs(4) {
            for _ in 0..100 {
                if hostile.0.feed(unasked.clone()).await.is_err() {
                    return sent;
                }
            }
            sent += 100;
            drop(tokio::time::timeout(SHORT, hostile.0.flush()).await);
        }
        sent
    });
    let mut slowest = Duration::ZERO;
    let mut answered = 0;
    while began.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        let reply = world.ask(good.host, ping(), SOON).await;
        assert!(reply.is_ok(), "{reply:?}");
        slowest = slowest.max(asked.elapsed());
        answered += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(answered > 50, "only {answered} were answered");
    assert!(slowest < Duration::from_secs(1), "one took {slowest:?}");
    assert_eq!(world.offences("agent.reply.unasked").await.len(), 1);
    assert!(flood.await.unwrap() > 0);
}
