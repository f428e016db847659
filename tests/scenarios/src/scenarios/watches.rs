//! Watching: whoever watches is told of every change once, in whatever form, at whichever server.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::SOON;
use super::people::{holder, key as new_key, somebody};
use crate::facts;
use crate::installation::{Api, Drover, id_of};
use crate::scrape::Scrape;
use crate::until::until;

/// How long a server waits for one who does not read, and some time to notice. Half a minute after it
/// has noticed it closes the connection, and then the reason cannot be read any more.
const PATIENCE: Duration = Duration::from_secs(50);

/// All facts of this theme.
pub async fn hold(drover: &Drover) {
    facts![
        drover;
        the_three_forms_tell_the_same,
        a_watch_goes_on_at_the_other_server_without_loss_or_repetition,
        a_filter_by_label_is_told_once_of_what_leaves_it,
        a_snapshot_is_followed_by_every_later_change,
        another_project_is_not_told_of,
        a_watch_ends_with_its_key,
        a_hundred_who_watch_are_told_everything,
        a_reader_that_is_too_slow_is_cut_with_a_reason_and_goes_on_where_it_was,
    ]
    .hold()
    .await;
}

/// Events of a watch.
struct Watch(BoxStream<'static, Result<Value>>);

impl Watch {
    async fn next(&mut self) -> Result<Value> {
        let next = timeout(SOON, self.0.next()).await;
        next.context("nothing is told")?
            .context("the watch ended")?
    }

    /// The positions and ids of changes, until so many containers have come to a state.
    async fn until(&mut self, state: &str, count: usize) -> Result<Vec<(String, String)>> {
        let mut changes = Vec::new();
        let mut there = HashSet::new();
        while there.len() < count {
            let event = self.next().await?;
            let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            ensure!(event["event"] == "changed", "it is told of {event}");
            changes.push((text("position"), text("id")));
            if event["state"] == state {
                there.insert(text("id"));
            }
        }
        Ok(changes)
    }
}

/// A watch of one server, as lines or as server-sent events.
async fn watch(api: &Api, query: &str, accept: &str) -> Result<Watch> {
    let path = format!("/v1/watch?{query}");
    let request = api.request(Method::GET, &path);
    let request = request.header(ACCEPT, accept).timeout(SOON * 10);
    let response = request.send().await?.error_for_status()?;
    ensure!(
        response.headers()["content-type"] == accept,
        "another form than {accept}"
    );
    let mut rest = Vec::new();
    let events = response.bytes_stream().map_ok(move |chunk| {
        rest.extend_from_slice(&chunk);
        let mut events = Vec::new();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let event = line.strip_prefix("data: ").unwrap_or(&line);
            if event.starts_with('{') {
                events.push(serde_json::from_str(event).context("an event is JSON"));
            }
        }
        futures::stream::iter(events)
    });
    Ok(Watch(
        events.map_err(anyhow::Error::new).try_flatten().boxed(),
    ))
}

async fn lines(drover: &Drover, query: &str) -> Result<Watch> {
    lines_of(&drover.api, query).await
}

async fn lines_of(api: &Api, query: &str) -> Result<Watch> {
    watch(api, query, "application/x-ndjson").await
}

async fn messages(drover: &Drover, query: &str) -> Result<Watch> {
    let server = drover.api.servers().first().context("a server")?;
    let address = format!("{}/v1/watch?{query}", server.replacen("http", "ws", 1));
    let mut request = address.into_client_request()?;
    let key = format!("Bearer {}", key(drover)?).parse()?;
    request.headers_mut().insert("authorization", key);
    let (socket, _) = tokio_tungstenite::connect_async(request).await?;
    let events = socket.try_filter(|message| std::future::ready(message.is_text()));
    let events = events.map(|message| {
        let text = message?.into_text()?;
        serde_json::from_str(&text).context("a message is JSON")
    });
    Ok(Watch(events.boxed()))
}

fn key(drover: &Drover) -> Result<String> {
    let key = std::fs::read_to_string(&drover.key_file)?;
    Ok(key.trim().to_owned())
}

/// A container that only this fact knows of, and that comes to a stand at once.
fn of(fact: &str) -> Value {
    json!({ "labels": { "fact": fact }, "start": false })
}

async fn the_three_forms_tell_the_same(drover: &Drover) -> Result<()> {
    let query = "labels=fact%3Dforms";
    let mut as_lines = lines(drover, query).await?;
    let mut as_events = watch(&drover.api, query, "text/event-stream").await?;
    let mut as_messages = messages(drover, query).await?;
    let id = drover.create(of("forms")).await?;
    drover.wait_for_state(&id, "created", SOON).await?;
    loop {
        let told = as_lines.next().await?;
        ensure!(told["id"] == id.as_str(), "told of another: {told}");
        ensure!(as_events.next().await? == told, "events say otherwise");
        ensure!(as_messages.next().await? == told, "messages say otherwise");
        if told["state"] == "created" {
            return Ok(());
        }
    }
}

async fn a_watch_goes_on_at_the_other_server_without_loss_or_repetition(
    drover: &Drover,
) -> Result<()> {
    let query = "labels=fact%3Dresumed";
    let mut first = lines(drover, query).await?;
    for _ in 0..5 {
        drover.create(of("resumed")).await?;
    }
    let whole = first.until("created", 5).await?;
    for (index, (position, _)) in whole.iter().enumerate() {
        if index + 1 == whole.len() {
            break;
        }
        // Requests go to the servers in turn.
        let mut again = lines(drover, &format!("{query}&after={position}")).await?;
        for expected in &whole[index + 1..] {
            let event = again.next().await?;
            ensure!(
                event["position"] == expected.0.as_str(),
                "after {position} comes {event}, not {expected:?}"
            );
        }
    }
    Ok(())
}

async fn a_filter_by_label_is_told_once_of_what_leaves_it(drover: &Drover) -> Result<()> {
    let mut selected = lines(drover, "labels=fact%3Dleaving").await?;
    let id = drover.create(of("leaving")).await?;
    selected.until("created", 1).await?;
    for fact in ["left", "far"] {
        let change = json!({ "labels": { "fact": fact } });
        let path = format!("/v1/containers/{id}");
        let request = drover.api.request(Method::PATCH, &path).json(&change);
        crate::installation::send(request).await?.expect(200)?;
    }
    let other = drover.create(of("leaving")).await?;
    let told = selected.next().await?;
    ensure!(told["labels"]["fact"] == "left", "what leaves: {told}");
    let next = selected.next().await?;
    ensure!(next["id"] == other.as_str(), "told of it again: {next}");
    Ok(())
}

async fn a_snapshot_is_followed_by_every_later_change(drover: &Drover) -> Result<()> {
    let before = drover.create(of("snapshot")).await?;
    drover.wait_for_state(&before, "created", SOON).await?;
    let query = "snapshot=true&include=resource&type=container&labels=fact%3Dsnapshot";
    let mut all = lines(drover, query).await?;
    let found = all.next().await?;
    ensure!(found["event"] == "snapshot", "the first is {found}");
    ensure!(found["resource"]["id"] == before.as_str(), "{found}");
    ensure!(all.next().await?["event"] == "synced", "it is not whole");
    let after = drover.create(of("snapshot")).await?;
    loop {
        let change = all.next().await?;
        // What the snapshot has shown may be told of again, never missed.
        if change["id"] == after.as_str() && change["state"] == "created" {
            ensure!(change["resource"]["state"].is_string(), "{change}");
            return Ok(());
        }
    }
}

async fn another_project_is_not_told_of(drover: &Drover) -> Result<()> {
    let (_, one) = somebody(drover, "watched-one", "member").await?;
    let (_, two) = somebody(drover, "watched-two", "viewer").await?;
    let query = "type=container,registrationToken,project,account&heartbeat=1";
    let snapshot = format!("{query}&snapshot=true&labels=fact%3Dprojects");
    let mut of_one = lines_of(&one, query).await?;
    let mut of_two = lines_of(&two, query).await?;
    let spec = drover.hello(of("projects"));
    let made = one.post("/v1/containers", &spec).await?.expect(202)?;
    let token = json!({ "name": "hidden" });
    drover.api.post("/v1/registrationTokens", &token).await?;
    loop {
        let told = of_one.next().await?;
        ensure!(
            told["event"] == "heartbeat" || told["id"] == made["id"],
            "{told}"
        );
        if told["state"] == "created" {
            break;
        }
    }
    // Two heartbeats later it would have been told of.
    for _ in 0..2 {
        let told = of_two.next().await?;
        ensure!(told["event"] == "heartbeat", "it is told of {told}");
    }
    for (api, count) in [(&one, 1), (&two, 0), (&drover.api, 1)] {
        let mut found = lines_of(api, &snapshot).await?;
        for _ in 0..count {
            let event = found.next().await?;
            ensure!(event["id"] == made["id"], "the snapshot has {event}");
        }
        ensure!(found.next().await?["event"] == "synced", "it has more");
    }
    Ok(())
}

async fn a_watch_ends_with_its_key(drover: &Drover) -> Result<()> {
    let (project, _) = somebody(drover, "watched-key", "member").await?;
    let accounts = drover.api.list("/v1/accounts?name=watched-key").await?;
    let account = id_of(accounts.first().context("the account")?)?;
    let fields = json!({ "accountId": account, "projectId": project, "role": "viewer" });
    let made = new_key(&drover.api, &fields).await?;
    let mut watch = lines_of(&holder(drover, &made)?, "type=host").await?;
    let path = format!("/v1/apiKeys/{}", id_of(&made)?);
    drover.api.delete(&path).await?.expect(204)?;
    let last = watch.next().await?;
    ensure!(
        last["event"] == "cut" && last["code"] == "watch.credential",
        "{last}"
    );
    ensure!(watch.0.next().await.is_none(), "it goes on");
    Ok(())
}

async fn a_hundred_who_watch_are_told_everything(drover: &Drover) -> Result<()> {
    const WATCHES: usize = 100;
    const CONTAINERS: usize = 20;
    let query = "labels=fact%3Dhundred";
    let mut watches = Vec::new();
    for number in 0..WATCHES {
        watches.push(match number % 3 {
            0 => lines(drover, query).await?,
            1 => watch(&drover.api, query, "text/event-stream").await?,
            _ => messages(drover, query).await?,
        });
    }
    for _ in 0..CONTAINERS {
        drover.create(of("hundred")).await?;
    }
    let told = watches
        .iter_mut()
        .map(|watch| watch.until("created", CONTAINERS));
    let told = futures::future::try_join_all(told).await?;
    for changes in &told {
        ensure!(changes == &told[0], "not all are told the same");
    }
    Ok(())
}

async fn a_reader_that_is_too_slow_is_cut_with_a_reason_and_goes_on_where_it_was(
    drover: &Drover,
) -> Result<()> {
    const CONTAINERS: usize = 100;
    let mut spec = of("slow");
    spec["metadata"] = json!({ "much": "x".repeat(60 * 1024) });
    let mut made = Vec::new();
    for _ in 0..CONTAINERS {
        made.push(drover.create(spec.clone()).await?);
    }
    let cut = || async {
        let scrape = Scrape::take(drover).await?;
        anyhow::Ok(scrape.sum("drover_api_watches_ended_total", &[r#"outcome="slow""#]))
    };
    let before = cut().await?;
    // There is more to tell from the start than buffers on the way can take.
    let server = drover.api.servers().first().context("a server")?;
    let address = server.trim_start_matches("http://").parse()?;
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(16 * 1024)?;
    let mut slow = socket.connect(address).await?;
    let request = format!(
        "GET /v1/watch?after=0&include=resource&labels=fact%3Dslow HTTP/1.1\r\nHost: x\r\n\
         Connection: close\r\nAuthorization: Bearer {}\r\n\r\n",
        key(drover)?
    );
    slow.write_all(request.as_bytes()).await?;
    let mut first = [0; 12];
    slow.read_exact(&mut first).await?;
    ensure!(&first == b"HTTP/1.1 200", "it is no watch");
    until("it is cut", PATIENCE, || async {
        let cut = cut().await? - before;
        ensure!(cut >= 1.0, "{cut} were cut");
        Ok(())
    })
    .await?;
    let mut said = Vec::new();
    timeout(SOON, slow.read_to_end(&mut said)).await??;
    let said = String::from_utf8_lossy(&said);
    // Between the lines stand the sizes of chunks.
    let events: Vec<Value> = said
        .lines()
        .filter(|line| line.starts_with('{'))
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let cut = events.last().context("it is told of something")?;
    ensure!(cut["event"] == "cut", "the last is {cut}");
    ensure!(
        cut["code"] == "watch.slow" && cut["hint"].is_string(),
        "{cut}"
    );
    let position = cut["position"].as_str().context("where to go on")?;
    let seen = events.iter().filter(|event| event["state"] == "created");
    let seen: HashSet<String> = seen.filter_map(|event| id_of(event).ok()).collect();
    let query = format!("labels=fact%3Dslow&after={position}");
    let mut again = lines(drover, &query).await?;
    let mut missing: HashSet<String> = made.into_iter().filter(|id| !seen.contains(id)).collect();
    if missing.is_empty() {
        bail!("it was not slow");
    }
    while !missing.is_empty() {
        let event = again.next().await?;
        if event["state"] == "created" {
            let id = id_of(&event)?;
            ensure!(missing.remove(&id), "told twice of {id}");
        }
    }
    Ok(())
}
