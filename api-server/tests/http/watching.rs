//! Watching, with limits that are small enough to be reached.

use std::time::Duration;

use drover_api_server::{Options, WatchLimits};
use drover_domain::Timestamp;
use futures::StreamExt;
use reqwest::header::{ACCEPT, ORIGIN};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{Api, SOON, client};

/// Events of a watch, as they come.
struct Watch {
    events: futures::stream::BoxStream<'static, Value>,
}

impl Watch {
    /// The next event that is not a heartbeat; none at the end.
    async fn next(&mut self) -> Option<Value> {
        timeout(SOON, self.events.next()).await.unwrap()
    }

    /// So many changes, by the state and id of what changed.
    async fn changes(&mut self, count: usize) -> Vec<(String, String)> {
        let mut changes = Vec::new();
        while changes.len() < count {
            let event = self.next().await.expect("there is more to come");
            assert_eq!(event["event"], "changed", "{event}");
            changes.push((text(&event["state"]), text(&event["id"])));
        }
        changes
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Api {
    async fn ask(&self, path: &str, accept: &str) -> reqwest::Response {
        client(&[])
            .get(format!("http://{}{path}", self.address))
            .header(ACCEPT, accept)
            .bearer_auth(&self.key)
            .send()
            .await
            .unwrap()
    }

    async fn watch(&self, query: &str) -> Watch {
        let path = format!("/v1/watch{query}");
        let response = self.ask(&path, "application/x-ndjson").await;
        assert_eq!(response.status(), 200);
        lines(response)
    }

    /// The data of server-sent events.
    async fn watch_events(&self, query: &str) -> Watch {
        let path = format!("/v1/watch{query}");
        let response = self.ask(&path, "text/event-stream").await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut lines = raw_lines(response);
        let events = async_stream(move |events| async move {
            let mut id = String::new();
            while let Some(line) = lines.next().await {
                if let Some(given) = line.strip_prefix("id: ") {
                    given.clone_into(&mut id);
                }
                if let Some(data) = line.strip_prefix("data: ") {
                    let event: Value = serde_json::from_str(data).unwrap();
                    assert_eq!(event["position"], id.as_str());
                    events.send(event).await.ok();
                }
            }
        });
        Watch { events }
    }

    /// The messages of a WebSocket.
    async fn watch_messages(&self, query: &str) -> Watch {
        let address = format!("ws://{}/v1/watch{query}", self.address);
        let mut request = address.into_client_request().unwrap();
        let key = format!("Bearer {}", self.key).parse().unwrap();
        request.headers_mut().insert("authorization", key);
        let (socket, _) = tokio_tungstenite::connect_async(request).await.unwrap();
        let events = socket.filter_map(|message| async {
            let message = message.ok()?;
            let text = message.is_text().then(|| message.into_text().unwrap())?;
            Some(serde_json::from_str(&text).unwrap())
        });
        Watch {
            events: events.boxed(),
        }
    }

    async fn create(&self, fields: Value) -> String {
        let mut body = json!({ "image": "drover/hello" });
        if let (Value::Object(body), Value::Object(fields)) = (&mut body, fields) {
            body.extend(fields);
        }
        let answer = client(&[])
            .post(format!("http://{}/v1/containers", self.address))
            .bearer_auth(&self.key)
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 202);
        text(&answer.json::<Value>().await.unwrap()["id"])
    }

    /// Gives a container another team.
    async fn move_to_team(&self, id: &str, team: &str) {
        let address = format!("http://{}/v1/containers/{id}", self.address);
        let changed = client(&[])
            .patch(address)
            .bearer_auth(&self.key)
            .json(&json!({ "labels": { "team": team } }));
        assert_eq!(changed.send().await.unwrap().status(), 200);
    }
}

fn async_stream<F, R>(run: F) -> futures::stream::BoxStream<'static, Value>
where
    F: FnOnce(tokio::sync::mpsc::Sender<Value>) -> R,
    R: Future<Output = ()> + Send + 'static,
{
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let running = tokio::spawn(run(sender));
    let events = futures::stream::poll_fn(move |context| {
        // The task lives as long as the stream.
        let _running = &running;
        receiver.poll_recv(context)
    });
    events.boxed()
}

fn raw_lines(response: reqwest::Response) -> futures::stream::BoxStream<'static, String> {
    let mut rest = Vec::new();
    let lines = response.bytes_stream().flat_map(move |chunk| {
        rest.extend_from_slice(&chunk.unwrap_or_default());
        let mut lines = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            lines.push(String::from_utf8(line).unwrap().trim_end().to_owned());
        }
        futures::stream::iter(lines)
    });
    lines.boxed()
}

fn lines(response: reqwest::Response) -> Watch {
    let events = raw_lines(response).map(|line| serde_json::from_str(&line).unwrap());
    Watch {
        events: events.boxed(),
    }
}

fn with(watch: WatchLimits) -> Options {
    Options {
        watch,
        ..Options::default()
    }
}

#[tokio::test]
async fn the_three_forms_tell_the_same() {
    let api = Api::start(Options::default()).await;
    let mut lines = api.watch("").await;
    let mut events = api.watch_events("").await;
    let mut messages = api.watch_messages("").await;
    for number in 0..3 {
        let labels = json!({ "number": number.to_string() });
        let id = api.create(json!({ "labels": labels })).await;
        let told = lines.next().await;
        let change = told.clone().unwrap();
        assert_eq!(
            (&change["event"], &change["id"]),
            (&json!("changed"), &json!(id))
        );
        assert_eq!(change["labels"], labels);
        assert_eq!(change["type"], "container");
        assert_eq!(events.next().await, told);
        assert_eq!(messages.next().await, told);
    }
    api.shutdown.cancel();
    let last = lines.next().await.unwrap();
    assert_eq!(
        (&last["event"], &last["code"]),
        (&json!("end"), &json!("watch.shutdown"))
    );
    assert_eq!(events.next().await, Some(last.clone()));
    assert_eq!(messages.next().await, Some(last));
    assert_eq!(lines.next().await, None);
    api.stop().await;
}

#[tokio::test]
async fn whoever_comes_back_is_told_what_came_after_and_nothing_twice() {
    let api = Api::start(with(WatchLimits {
        ring: 5,
        ..WatchLimits::default()
    }))
    .await;
    let mut ids = Vec::new();
    // Far more than the ring holds, and a watch that keeps the hub running.
    let mut following = api.watch("").await;
    for _ in 0..30 {
        ids.push(api.create(json!({})).await);
    }
    let seen: Vec<String> = following
        .changes(30)
        .await
        .into_iter()
        .map(|(_, id)| id)
        .collect();
    assert_eq!(seen, ids);
    let mut from_the_beginning = api.watch("?after=0&type=container").await;
    let mut positions = Vec::new();
    for id in &ids {
        let event = from_the_beginning.next().await.unwrap();
        assert_eq!(event["id"], id.as_str());
        positions.push(text(&event["position"]));
    }
    for at in [0, 11, 27, 28] {
        let mut again = api.watch(&format!("?after={}", positions[at])).await;
        let seen = again.changes(29 - at).await;
        let seen: Vec<String> = seen.into_iter().map(|(_, id)| id).collect();
        assert_eq!(seen, ids[at + 1..]);
    }
    // As a browser does it.
    let again = client(&[])
        .get(format!("http://{}/v1/watch?after=0", api.address))
        .header("Last-Event-ID", &positions[28])
        .bearer_auth(&api.key);
    let mut again = lines(again.send().await.unwrap());
    assert_eq!(again.changes(1).await[0].1, ids[29]);
    api.stop().await;
}

#[tokio::test]
async fn a_position_that_was_forgotten_is_410() {
    let api = Api::start(Options::default()).await;
    let mut watch = api.watch("").await;
    api.create(json!({})).await;
    let position = text(&watch.next().await.unwrap()["position"]);
    api.create(json!({})).await;
    let all = Timestamp::from_millis(i64::MAX);
    while api.store.forget_changes(all, 100).await.unwrap() > 0 {}
    let gone = api.ask(&format!("/v1/watch?after={position}"), "*/*").await;
    assert_eq!(gone.status(), 410);
    assert_eq!(gone.json::<Value>().await.unwrap()["code"], "watch.gone");
    api.stop().await;
}

#[tokio::test]
async fn a_filter_by_label_is_told_once_of_what_leaves_it() {
    let api = Api::start(Options::default()).await;
    let mut team_x = api.watch("?labels=team%3Dx").await;
    let mut hosts = api.watch("?type=host,agent").await;
    let x = api.create(json!({ "labels": { "team": "x" } })).await;
    let y = api.create(json!({ "labels": { "team": "y" } })).await;
    let mut labels = Vec::new();
    for (id, team) in [(&x, "y"), (&x, "z"), (&y, "x")] {
        api.move_to_team(id, team).await;
    }
    for _ in 0..3 {
        let event = team_x.next().await.unwrap();
        labels.push((text(&event["id"]), text(&event["labels"]["team"])));
    }
    let told = |id: &String, team: &str| (id.clone(), team.to_owned());
    assert_eq!(labels, [told(&x, "x"), told(&x, "y"), told(&y, "x")]);
    let nothing = timeout(Duration::from_millis(50), hosts.events.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    for wrong in [
        "labels=in(",
        "type=moon",
        "heartbeat=0",
        "snapshot=true&after=0",
        "after=x",
    ] {
        let refused = api.ask(&format!("/v1/watch?{wrong}"), "*/*").await;
        assert_eq!(refused.status(), 400, "{wrong}");
    }
    api.stop().await;
}

#[tokio::test]
async fn a_snapshot_is_followed_by_every_later_change() {
    let api = Api::start(Options::default()).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(api.create(json!({})).await);
    }
    let query = "?snapshot=true&include=resource&type=container";
    let mut watch = api.watch(query).await;
    for id in &ids {
        let event = watch.next().await.unwrap();
        assert_eq!(event["event"], "snapshot");
        assert_eq!(event["id"], id.as_str());
        assert_eq!(event["resource"]["image"], "drover/hello");
        assert_eq!(event["position"], Value::Null);
    }
    let synced = watch.next().await.unwrap();
    assert_eq!(synced["event"], "synced");
    let id = api.create(json!({ "name": "later" })).await;
    let change = watch.next().await.unwrap();
    assert_eq!(
        (&change["event"], &change["id"]),
        (&json!("changed"), &json!(id))
    );
    assert_eq!(change["resource"]["name"], "later");
    let position = text(&synced["position"]);
    let mut again = api.watch(&format!("?after={position}")).await;
    assert_eq!(again.changes(1).await[0].1, id);
    api.stop().await;
}

#[tokio::test]
async fn one_who_does_not_read_is_cut_with_a_reason_and_goes_on_where_it_was() {
    let api = Api::start(with(WatchLimits {
        watches: 1,
        patience: Duration::from_millis(300),
        ..WatchLimits::default()
    }))
    .await;
    // Enough for every buffer on the way: a resource of 60 KB beside each change.
    let description = "x".repeat(60 * 1024);
    let mut slow = api.connect().await;
    let request = format!(
        "GET /v1/watch?include=resource HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\n\r\n",
        api.key
    );
    slow.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    slow.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    assert_eq!(api.ask("/v1/watch", "*/*").await.status(), 429);
    let mut ids = Vec::new();
    let made = async {
        loop {
            ids.push(
                api.create(json!({ "metadata": { "x": description } }))
                    .await,
            );
            // Its place is free as soon as it is cut.
            let other = api.ask("/v1/watch", "*/*").await;
            if other.status() == 200 {
                return;
            }
        }
    };
    timeout(SOON * 3, made).await.unwrap();
    let mut said = Vec::new();
    timeout(SOON, slow.read_to_end(&mut said))
        .await
        .unwrap()
        .ok();
    let said = String::from_utf8_lossy(&said);
    let cut = said.lines().find(|line| line.contains("\"cut\""));
    let cut: Value = serde_json::from_str(cut.expect("it is told why")).unwrap();
    assert_eq!(cut["code"], "watch.slow");
    let whole = |line: &&str| {
        serde_json::from_str::<Value>(line).is_ok_and(|line| line["event"] == "changed")
    };
    let seen = said.lines().filter(whole).count();
    let query = format!("?after={}", text(&cut["position"]));
    let mut again = api.watch(&query).await;
    let rest = again.changes(ids.len() - seen).await;
    let rest: Vec<String> = rest.into_iter().map(|(_, id)| id).collect();
    assert_eq!(rest, ids[seen..]);
    api.stop().await;
}

#[tokio::test]
async fn one_who_asks_for_it_is_told_that_nothing_happens() {
    let api = Api::start(Options::default()).await;
    let mut watch = api.watch("?heartbeat=1").await;
    let beat = watch.next().await.unwrap();
    assert_eq!(beat["event"], "heartbeat");
    let id = api.create(json!({})).await;
    let after = text(&beat["position"]);
    let mut again = api.watch(&format!("?after={after}")).await;
    assert_eq!(again.changes(1).await[0].1, id);
    api.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_websocket_and_a_strange_form_is_refused() {
    let api = Api::start(Options::default()).await;
    let asked = client(&[])
        .get(format!("http://{}/v1/watch", api.address))
        .bearer_auth(&api.key)
        .header("Connection", "upgrade")
        .header("Upgrade", "websocket")
        .header(ORIGIN, "https://elsewhere.example");
    assert_eq!(asked.send().await.unwrap().status(), 403);
    assert_eq!(api.ask("/v1/watch", "image/png").await.status(), 406);
    api.stop().await;
}

#[tokio::test]
async fn a_watch_ends_after_a_while_and_says_where_to_go_on() {
    let api = Api::start(with(WatchLimits {
        longest: Duration::from_millis(200),
        ..WatchLimits::default()
    }))
    .await;
    let mut watch = api.watch("").await;
    let last = watch.next().await.unwrap();
    assert_eq!(
        (&last["event"], &last["code"]),
        (&json!("end"), &json!("watch.again"))
    );
    assert!(last["position"].is_string());
    assert_eq!(watch.next().await, None);
    api.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_who_watch_are_told_everything() {
    let api = Api::start(Options::default()).await;
    let mut watches = Vec::new();
    for number in 0..100 {
        watches.push(match number % 3 {
            0 => api.watch("").await,
            1 => api.watch_events("?type=container").await,
            _ => api.watch_messages("").await,
        });
    }
    let creating = futures::future::join_all((0..50).map(|_| api.create(json!({}))));
    let reading = watches.iter_mut().map(|watch| watch.changes(50));
    let (ids, told) = tokio::join!(creating, futures::future::join_all(reading));
    let mut ids: Vec<String> = ids;
    ids.sort();
    for changes in &told {
        assert_eq!(changes, &told[0], "all are told the same, in one order");
    }
    let mut seen: Vec<String> = told[0].iter().map(|(_, id)| id.clone()).collect();
    seen.sort();
    assert_eq!(seen, ids);
    api.stop().await;
}
