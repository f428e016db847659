//! The plain form, as `curl` would speak it.

use std::time::Duration;

use drover_proto::v1::{InspectContainer, command, reply};
use serde_json::json;
use uuid::Uuid;

use crate::world::{SOON, World, about, ping};

#[tokio::test]
async fn a_command_goes_out_as_a_line_and_its_reply_comes_back_in_a_post() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut lines = world.lines(&agent).await;
    assert_eq!(lines.welcome["heartbeatMillis"], 5_000);
    let container = Uuid::now_v7();
    let inspect = about(
        container,
        command::Action::InspectContainer(InspectContainer {}),
    );
    let (reply, ()) = tokio::join!(world.ask(agent.host, inspect, SOON), async {
        let command = lines.next().await["command"].clone();
        assert_eq!(command["resource"]["id"], container.to_string());
        assert_eq!(command["fence"], "1");
        assert_eq!(command["inspectContainer"], json!({}));
        let reply = json!({"reply": {
            "commandId": command["id"],
            "container": {"containerId": container, "state": "STATE_EXITED", "exitCode": 3},
        }});
        let posted = world.post(&agent, &lines.session, reply.to_string()).await;
        assert_eq!(posted, (200, json!({"accepted": 1})));
    });
    let Some(reply::Result::Container(seen)) = reply.unwrap().result else {
        panic!("no container");
    };
    assert_eq!(seen.exit_code, Some(3));
}

#[tokio::test]
async fn reports_are_answered_on_the_lines() {
    let world = World::begin(Duration::from_secs(5)).await;
    let mut reports = world.settle_reports().await;
    let agent = world.agent().await;
    let mut lines = world.lines(&agent).await;
    let body = format!(
        "{}\n{}\n",
        json!({"report": {"id": "a", "inventory": {"containers": []}}}),
        json!({"report": {"id": "b", "container": {"containerId": Uuid::now_v7()}}}),
    );
    let posted = world.post(&agent, &lines.session, body).await;
    assert_eq!(posted, (200, json!({"accepted": 2})));
    let mut answered = Vec::new();
    for _ in 0..2 {
        let answer = lines.next().await["reportAnswer"].clone();
        assert_eq!(answer["settled"], true);
        answered.push(answer["reportId"].as_str().unwrap().to_owned());
    }
    answered.sort();
    assert_eq!(answered, ["a", "b"]);
    let report = reports.recv().await.unwrap();
    assert_eq!(report.host_id, agent.host.to_string());
}

#[tokio::test]
async fn an_empty_post_is_a_sign_of_life_and_silence_ends_the_session() {
    let world = World::begin(Duration::from_millis(200)).await;
    let agent = world.agent().await;
    let mut lines = world.lines(&agent).await;
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(1_200) {
        let posted = world.post(&agent, &lines.session, "").await;
        assert_eq!(posted, (200, json!({"accepted": 0})));
        let line = lines.line().await.unwrap();
        assert!(line.get("heartbeat").is_some(), "{line}");
    }
    // From here on it says nothing any more.
    let farewell = lines.next().await;
    let reason = farewell["farewell"]["reason"].as_str().unwrap();
    assert!(reason.contains("three heartbeats"), "{reason}");
    assert_eq!(lines.line().await, None);
    let (status, problem) = world.post(&agent, &lines.session, "[]").await;
    assert_eq!((status, &problem["code"]), (409, &json!("agent.session")));
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_and_the_session_goes_on() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut lines = world.lines(&agent).await;
    for (body, code) in [("{", 422), ("[1]", 422), (r#"{"replies": []}"#, 422)] {
        let (status, problem) = world.post(&agent, &lines.session, body).await;
        assert_eq!((status, &problem["code"]), (code, &json!("agent.invalid")));
    }
    let (status, problem) = world.post(&agent, "", "[]").await;
    assert_eq!(status, 422, "{problem}");
    let (reply, ()) = tokio::join!(world.ask(agent.host, ping(), SOON), async {
        let id = lines.next().await["command"]["id"].clone();
        let pong = json!([{"reply": {"commandId": id, "pong": {}}}]);
        world.post(&agent, &lines.session, pong.to_string()).await;
    });
    assert!(matches!(
        reply.unwrap().result,
        Some(reply::Result::Pong(_))
    ));
}

#[tokio::test]
async fn a_credential_that_is_revoked_ends_its_connection() {
    let world = World::begin(Duration::from_secs(5)).await;
    let (agent, other) = (world.agent().await, world.agent().await);
    let mut lines = world.lines(&agent).await;
    let mut socket = world.socket(&other).await;
    world.store.revoke(agent.id).await.unwrap();
    world.store.revoke(other.id).await.unwrap();
    let farewell = lines.next().await;
    let reason = farewell["farewell"]["reason"].as_str().unwrap();
    assert!(reason.contains("not valid"), "{reason}");
    assert_eq!(socket.end().await.unwrap().0, 1_008);
    let (status, _) = world.post(&agent, &lines.session, "[]").await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn a_connection_in_either_form_takes_the_place_of_an_older_one() {
    let world = World::begin(Duration::from_secs(5)).await;
    let agent = world.agent().await;
    let mut older = world.lines(&agent).await;
    let mut newer = world.socket(&agent).await;
    let farewell = older.next().await;
    let reason = farewell["farewell"]["reason"].as_str().unwrap();
    assert!(reason.contains("newer"), "{reason}");
    let mut newest = world.lines(&agent).await;
    assert_eq!(newer.end().await.unwrap().0, 1_001);
    let (reply, ()) = tokio::join!(world.ask(agent.host, ping(), SOON), async {
        let id = newest.next().await["command"]["id"].clone();
        let pong = json!({"reply": {"commandId": id, "pong": {}}});
        world.post(&agent, &newest.session, pong.to_string()).await;
    });
    assert!(reply.is_ok());
}
