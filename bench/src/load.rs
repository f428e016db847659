//! Creates containers: as fast as they are accepted, or at a steady rate.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::system::System;

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

/// Asks for so many containers a second for a while, each at its moment, whether or not those
/// before it have been accepted (up to 64 at a time).
pub(crate) async fn create_steadily(
    system: &System,
    spec: &str,
    rate: u32,
    during: Duration,
) -> Result<Vec<Created>> {
    const CONNECTIONS: usize = 64;
    let open = (0..CONNECTIONS).map(|_| system.connect());
    let connections = try_join_all(open).await?;
    let pause = Duration::from_secs(1) / rate;
    let (began, next) = (tokio::time::Instant::now(), Cell::new(0_u32));
    let posting = connections.into_iter().map(|mut connection| {
        let next = &next;
        async move {
            let mut created = Vec::new();
            loop {
                let turn = next.get();
                next.set(turn + 1);
                if pause * turn >= during {
                    return Ok::<_, anyhow::Error>(created);
                }
                // From the moment that it was due: a queue in here would hide a slow server.
                let due = began + pause * turn;
                tokio::time::sleep_until(due).await;
                let id = connection.post("/v1/containers", spec).await?;
                created.push(Created {
                    id,
                    asked: due.into_std(),
                    accepted: Instant::now(),
                });
            }
        }
    });
    Ok(try_join_all(posting).await?.into_iter().flatten().collect())
}
