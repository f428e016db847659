//! Many who watch a steady stream of changes: whether each is told of all of them, how long that
//! takes, and what it costs.
//!
//! Each change is a registration token, which is one write and needs no process. The delay of a
//! change is the time from its answer, which comes right after the commit, until a watcher has read
//! the line; that of every tenth watcher is taken, from a client on the same processors.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::budget::{Reading, resident_kib};
use crate::outcome::{Outcome, Times};
use crate::system::System;

const WITHIN: Duration = Duration::from_secs(60);
/// Connections that write.
const WRITERS: usize = 4;
/// Every so many watchers the delays are taken of.
const SAMPLED: usize = 10;

/// How many watch how much.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many watch
    #[arg(long, default_value_t = 1_000)]
    pub(crate) watchers: usize,
    /// Changes a second
    #[arg(long, default_value_t = 100)]
    pub(crate) rate: usize,
    /// For how many seconds
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: usize,
}

/// What all watchers write down.
#[derive(Default)]
struct Seen {
    lines: AtomicU64,
    /// When each change was answered, and when samples of it were read.
    answered: Mutex<HashMap<String, Instant>>,
    read: Mutex<Vec<(String, Instant)>>,
}

pub(crate) async fn run(size: Size) -> Result<Outcome> {
    let Size {
        watchers,
        rate,
        seconds,
    } = size;
    let parameters = json!({ "watchers": watchers, "rate": rate, "seconds": seconds });
    let system = System::cluster(1, &[], 1).await?;
    let mut outcome = Outcome::of("watchers", parameters);
    let api = api(&system)?;
    let before = api.map(resident_kib);
    let changes = rate * seconds;
    let seen = Arc::new(Seen::default());
    let mut watching = JoinSet::new();
    for number in 0..watchers {
        let watch = Watch::begin(&system, number % SAMPLED == 0).await?;
        watching.spawn(watch.follow(changes, Arc::clone(&seen)));
    }
    let reading = Reading::first(&system).await?;
    let began = Instant::now();
    write(&system, size, &seen).await?;
    let written = began.elapsed();
    let mut orders = Vec::new();
    while let Some(followed) = timeout(WITHIN, watching.join_next())
        .await
        .context("not all are told of everything")?
    {
        orders.push(followed??);
    }
    let took = began.elapsed();
    let mut cost = Outcome::of("watchers", json!({}));
    reading.end(&system, changes, &mut cost).await?;
    let first = orders.first().context("somebody watches")?;
    ensure!(
        orders.iter().all(|order| order == first),
        "not all are told the same"
    );
    let lines = seen.lines.load(Ordering::Relaxed) as f64;
    outcome.add("changes", changes as f64 / written.as_secs_f64(), "/s");
    outcome.add_headline("delivered", lines / took.as_secs_f64(), "/s");
    let answered = seen.answered.lock().unwrap_or_else(PoisonError::into_inner);
    let read = seen.read.lock().unwrap_or_else(PoisonError::into_inner);
    let delays = read.iter().filter_map(|(id, read)| {
        let answered = answered.get(id)?;
        Some(read.saturating_duration_since(*answered))
    });
    Times::of(delays).add_to(&mut outcome, "answered to told");
    if let (Some(api), Some(before)) = (api, before) {
        let grown = resident_kib(api) - before;
        outcome.add_headline("memory of api, for each", grown / watchers as f64, "KiB");
    }
    outcome.put_after(cost);
    Ok(outcome)
}

fn api(system: &System) -> Result<Option<u32>> {
    let processes = system.processes()?;
    let api = processes.into_iter().find(|(part, _)| *part == "api");
    Ok(api.and_then(|(_, ids)| ids.first().copied()))
}

/// Writes at a steady rate, over a few connections that take turns.
async fn write(system: &System, size: Size, seen: &Arc<Seen>) -> Result<()> {
    let mut writing = JoinSet::new();
    for _ in 0..WRITERS {
        let mut connection = system.connect().await?;
        let seen = Arc::clone(seen);
        let pause = Duration::from_secs_f64(WRITERS as f64 / size.rate as f64);
        let count = size.rate * size.seconds / WRITERS;
        writing.spawn(async move {
            let mut ticks = interval(pause);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for _ in 0..count {
                ticks.tick().await;
                let body = r#"{"name":"watched"}"#;
                let id = connection.post("/v1/registrationTokens", body).await?;
                let mut answered = seen.answered.lock().unwrap_or_else(PoisonError::into_inner);
                answered.insert(id, Instant::now());
            }
            anyhow::Ok(())
        });
    }
    while let Some(written) = writing.join_next().await {
        written??;
    }
    Ok(())
}

/// One who watches, on a connection that costs next to nothing.
struct Watch {
    stream: TcpStream,
    is_sampled: bool,
}

impl Watch {
    async fn begin(system: &System, is_sampled: bool) -> Result<Self> {
        let server = system.api().servers().first().context("an API server")?;
        let key = std::fs::read_to_string(&system.drover().key_file)?;
        let mut stream = TcpStream::connect(server.trim_start_matches("http://")).await?;
        let request = format!(
            "GET /v1/watch?type=registrationToken HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\r\n",
            key.trim()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut status = [0; 12];
        stream.read_exact(&mut status).await?;
        ensure!(&status == b"HTTP/1.1 200", "a watch is refused");
        Ok(Self { stream, is_sampled })
    }

    /// Reads so many changes; gives what tells their order from any other.
    async fn follow(mut self, changes: usize, seen: Arc<Seen>) -> Result<u64> {
        let (mut order, mut count) = (0_u64, 0);
        let mut rest = Vec::with_capacity(4 * 1024);
        while count < changes {
            let read = self.stream.read_buf(&mut rest).await?;
            ensure!(read > 0, "a watch ended after {count} changes");
            let now = Instant::now();
            let whole = rest.iter().rposition(|byte| *byte == b'\n');
            let Some(whole) = whole else { continue };
            // Between the lines stand the sizes of chunks.
            let lines = rest[..whole].split(|byte| *byte == b'\n');
            for line in lines.filter(|line| line.starts_with(b"{\"event\":\"changed\"")) {
                let id = id_in(line).context("a change has an id")?;
                for byte in id.bytes() {
                    order = (order ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                }
                count += 1;
                if self.is_sampled {
                    let mut read = seen.read.lock().unwrap_or_else(PoisonError::into_inner);
                    read.push((id.to_owned(), now));
                }
            }
            rest.drain(..=whole);
        }
        seen.lines.fetch_add(count as u64, Ordering::Relaxed);
        Ok(order)
    }
}

fn id_in(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?;
    line.split_once("\"id\":\"")?.1.get(..36)
}
