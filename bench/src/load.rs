//! Creates containers: as fast as they are accepted, or at a steady rate.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use drover_scenarios::process::Process;
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::observer::{Observer, Seen};
use crate::system::System;

/// Connections where nobody says how many.
const CONNECTIONS: usize = 64;
const FEW_WITHIN: Duration = Duration::from_secs(60);

/// One container that was asked for.
pub(crate) struct Created {
    pub(crate) id: String,
    pub(crate) asked: Instant,
    pub(crate) accepted: Instant,
}

/// The spec of a container that does nothing and is started at once, with further fields.
pub(crate) fn container(fields: &Value) -> String {
    let mut spec = json!({ "image": "drover/nothing", "start": true });
    if let (Value::Object(spec), Value::Object(fields)) = (&mut spec, fields) {
        spec.extend(fields.clone());
    }
    spec.to_string()
}

/// Asks for `count` containers over so many connections, each of which asks for the next one when
/// the one before is accepted.
pub(crate) async fn create_all(
    system: &System,
    spec: &str,
    count: usize,
    connections: usize,
) -> Result<Vec<Created>> {
    let open = (0..connections.min(count)).map(|_| system.connect());
    let connections = try_join_all(open).await?;
    let left = Cell::new(count);
    let posting = connections.into_iter().map(|mut connection| {
        let left = &left;
        async move {
            let mut created = Vec::new();
            while left.get() > 0 {
                left.set(left.get() - 1);
                let asked = Instant::now();
                let id = connection.post("/v1/containers", spec).await?;
                created.push(Created {
                    id,
                    asked,
                    accepted: Instant::now(),
                });
            }
            Ok::<_, anyhow::Error>(created)
        }
    });
    let created: Vec<Created> = try_join_all(posting).await?.into_iter().flatten().collect();
    ensure!(created.len() == count, "{} were created", created.len());
    Ok(created)
}

/// Has so many containers under way at once, and ends when the first few of them run: the process servers
/// are paused while they are asked for.
pub(crate) async fn under_way(
    system: &mut System,
    observer: &Observer,
    spec: &str,
    count: usize,
    few: usize,
) -> Result<Vec<Created>> {
    let before = observer.seen().running.len();
    let servers = &mut system.cluster_parts()?.process_servers;
    servers.iter_mut().try_for_each(Process::pause)?;
    let created = create_all(system, spec, count, CONNECTIONS).await?;
    let servers = &mut system.cluster_parts()?.process_servers;
    servers.iter_mut().try_for_each(Process::resume)?;
    let run = |seen: &Seen| (seen.running.len() >= before + few).then_some(());
    observer.until("the first few run", FEW_WITHIN, run).await?;
    Ok(created)
}

/// Asks for so many containers a second for a while, each at its moment, whether or not those
/// before it have been accepted (up to 64 at a time).
pub(crate) async fn create_steadily(
    system: &System,
    spec: &str,
    rate: u32,
    during: Duration,
) -> Result<Vec<Created>> {
    let open = (0..CONNECTIONS).map(|_| system.connect());
    let connections = try_join_all(open).await?;
    steadily(connections, rate, during, async |connection, _, due| {
        let id = connection.post("/v1/containers", spec).await?;
        Ok(Created {
            id,
            asked: due,
            accepted: Instant::now(),
        })
    })
    .await
}

/// Has clients do something so many times a second for a while, each time at its moment, as long as one of
/// them is free. It is told which time it is, and its moment: who counts from when it began would not see
/// the queue in here.
pub(crate) async fn steadily<Client, Done>(
    clients: Vec<Client>,
    rate: u32,
    during: Duration,
    act: impl AsyncFn(&mut Client, u32, Instant) -> Result<Done>,
) -> Result<Vec<Done>> {
    let pause = Duration::from_secs(1) / rate;
    let (began, next) = (tokio::time::Instant::now(), Cell::new(0_u32));
    let (act, next) = (&act, &next);
    let acting = clients.into_iter().map(|mut client| async move {
        let mut done = Vec::new();
        loop {
            let turn = next.get();
            next.set(turn + 1);
            if pause * turn >= during {
                return Ok::<_, anyhow::Error>(done);
            }
            let due = began + pause * turn;
            tokio::time::sleep_until(due).await;
            done.push(act(&mut client, turn, due.into_std()).await?);
        }
    });
    Ok(try_join_all(acting).await?.into_iter().flatten().collect())
}
