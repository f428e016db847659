//! So many containers at once, from the first request until the last of them runs: what W1 measures, and
//! several other workloads under other circumstances.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::budget::Reading;
use crate::load::{Created, container, create_all};
use crate::observer::{Observer, Seen};
use crate::outcome::{Outcome, Times};
use crate::system::System;

pub(crate) const WITHIN: Duration = Duration::from_secs(600);
/// Created before the first measurement, so that connections, plans and caches are warm.
const WARM_UP: usize = 200;

/// What a burst was found to be.
pub(crate) struct Burst {
    /// Containers accepted a second.
    pub(crate) accepted: f64,
    /// Containers that came to run a second.
    pub(crate) running: f64,
    /// From the first request until the first of them ran, in milliseconds.
    pub(crate) first: f64,
    /// From each request until it was accepted.
    pub(crate) accepting: Times,
    /// From each request until its container ran.
    pub(crate) times: Times,
    /// Lines of the watch, for each.
    pub(crate) changes: f64,
    /// What each has cost every part.
    pub(crate) cost: Outcome,
}

/// Creates some, and waits until they run.
pub(crate) async fn warm_up(
    system: &System,
    observer: &Observer,
    connections: usize,
) -> Result<()> {
    fill(system, observer, WARM_UP, connections).await.map(drop)
}

/// Creates so many, and waits until they run.
pub(crate) async fn fill(
    system: &System,
    observer: &Observer,
    containers: usize,
    connections: usize,
) -> Result<Vec<Created>> {
    let before = settled(&observer.seen());
    let spec = container(&json!({}));
    let created = create_all(system, &spec, containers, connections).await?;
    let all = |seen: &Seen| (settled(seen) >= before + containers).then_some(());
    observer.until("all run", WITHIN, all).await?;
    Ok(created)
}

/// Creates so many, waits until they run, and tells all about it.
pub(crate) async fn measure(
    system: &System,
    observer: &Observer,
    containers: usize,
    connections: usize,
) -> Result<Burst> {
    let lines = observer.seen().lines;
    let failed = observer.seen().failed.len();
    let reading = Reading::first(system).await?;
    let created = fill(system, observer, containers, connections).await;
    let mut cost = Outcome::of("cost", json!({}));
    reading.end(system, containers, &mut cost).await?;
    let created = created?;

    let seen = observer.seen();
    let failed = seen.failed.len() - failed;
    ensure!(failed == 0, "{failed} failed");
    let first = created.iter().map(|one| one.asked).min().context("one")?;
    let accepted = created.iter().map(|one| one.accepted).max();
    let ran: Option<Vec<Instant>> = created
        .iter()
        .map(|one| seen.running.get(&one.id).copied())
        .collect();
    let ran = ran.context("a container that was not seen running")?;
    let since = |moment: Option<Instant>| moment.map_or(f64::NAN, |at| (at - first).as_secs_f64());
    let (earliest, last) = (ran.iter().min().copied(), ran.iter().max().copied());
    let times = created.iter().zip(&ran);
    let times = times.map(|(one, ran)| ran.saturating_duration_since(one.asked));
    let count = containers as f64;
    Ok(Burst {
        accepted: count / since(accepted),
        running: count / since(last),
        first: since(earliest) * 1_000.0,
        accepting: Times::of(created.iter().map(|one| one.accepted - one.asked)),
        times: Times::of(times),
        changes: (seen.lines - lines) as f64 / count,
        cost,
    })
}

fn settled(seen: &Seen) -> usize {
    seen.running.len() + seen.failed.len()
}
