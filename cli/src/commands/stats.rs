//! `drover stats`: what containers use, once or again each second.

use std::collections::BTreeMap;
use std::time::Duration;

use drover_domain::stream::{Control, Usage};
use futures::StreamExt;
use futures::stream;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

use super::{Session, id_of, title};
use crate::arguments::StatsArguments;
use crate::client::{Kind, Told};
use crate::failure::Failure;
use crate::render::stats::{Row, table};

/// The most containers that are asked at the same time.
const AT_ONCE: usize = 16;
/// The most containers that can be watched.
const MOST: usize = 100;
/// How often the table is drawn.
const DRAW_EVERY: Duration = Duration::from_secs(1);

/// A container that is measured.
#[derive(Clone)]
struct Measured {
    name: String,
    id: String,
}

/// Carries out the command.
///
/// # Errors
/// When a container that was named cannot be measured, or none can be any more.
pub async fn stats(session: &Session<'_>, arguments: &StatsArguments) -> Result<(), Failure> {
    let containers = wanted(session, &arguments.containers).await?;
    let are_named = !arguments.containers.is_empty();
    if arguments.no_stream || session.terminal.wants_json() {
        return once(session, containers, are_named).await;
    }
    tokio::select! {
        watched = live(session, containers) => watched,
        // To be interrupted is how it ends.
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}

/// Those that were named, or all that run.
async fn wanted(session: &Session<'_>, named: &[String]) -> Result<Vec<Measured>, Failure> {
    let client = &session.client;
    let mut found = Vec::new();
    for reference in named {
        found.push(client.find(Kind::Container, reference).await?);
    }
    if named.is_empty() {
        let running = [("state", "running")];
        found = client.list(Kind::Container.collection(), &running).await?;
    }
    let measured = found.iter().map(|container| {
        Ok(Measured {
            name: title(container),
            id: id_of(client, container)?.to_owned(),
        })
    });
    measured.collect()
}

async fn once(
    session: &Session<'_>,
    containers: Vec<Measured>,
    are_named: bool,
) -> Result<(), Failure> {
    let asked = containers.into_iter().map(async |measured: Measured| {
        let path = format!("/v1/containers/{}/stats", measured.id);
        let usage = session.client.get(&path, &[]).await;
        (measured, usage)
    });
    let told: Vec<(Measured, Result<Value, Failure>)> =
        stream::iter(asked).buffered(AT_ONCE).collect().await;
    let mut rows = Vec::new();
    for (measured, usage) in told {
        match usage {
            Ok(usage) => rows.push((measured, usage)),
            Err(failure) if are_named => return Err(failure),
            // It has ended since it was listed, or its host is away: the others are shown.
            Err(Failure::Refused(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    if session.terminal.wants_json() {
        let objects = rows.into_iter().map(
            |(measured, usage)| json!({ "id": measured.id, "name": measured.name, "stats": usage }),
        );
        return session.terminal.print_json(&objects.collect());
    }
    let mut shown = Vec::new();
    for (measured, usage) in rows {
        let usage: Usage = session.client.view(&usage)?;
        shown.push(Row {
            name: measured.name,
            id: measured.id,
            usage,
        });
    }
    session.terminal.print(&table(&shown, session.look()))
}

async fn live(session: &Session<'_>, containers: Vec<Measured>) -> Result<(), Failure> {
    if containers.len() > MOST {
        session.terminal.note(&format!(
            "the first {MOST} of {} containers",
            containers.len()
        ));
    }
    let (sender, mut told) = mpsc::channel::<(Measured, Option<Usage>)>(MOST);
    let mut readers = Vec::new();
    for measured in containers.into_iter().take(MOST) {
        let path = format!("/v1/containers/{}/stats", measured.id);
        let (_writing, mut reading) = session.client.stream(&path, &[]).await?;
        let sender = sender.clone();
        readers.push(AbortOnDropHandle::new(tokio::spawn(async move {
            let _writing = _writing;
            while let Ok(Told::Control(control)) = reading.next().await {
                if let Control::Stats(usage) = control
                    && sender.send((measured.clone(), Some(usage))).await.is_err()
                {
                    return;
                }
            }
            // Nobody may be listening any more.
            sender.send((measured, None)).await.ok();
        })));
    }
    drop(sender);
    let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
    let mut draw = tokio::time::interval(DRAW_EVERY);
    draw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut drawn = 0;
    loop {
        tokio::select! {
            news = told.recv() => match news {
                None => return Ok(()),
                Some((measured, usage)) => {
                    let Measured { name, id } = measured;
                    let key = (name.clone(), id.clone());
                    match usage {
                        Some(usage) => drop(rows.insert(key, Row { name, id, usage })),
                        None => drop(rows.remove(&key)),
                    }
                }
            },
            _ = draw.tick(), if !rows.is_empty() => {
                let rows: Vec<Row> = rows.values().cloned().collect();
                let table = table(&rows, session.look());
                session.terminal.redraw(&table, drawn)?;
                drawn = table.lines().count();
            }
        }
    }
}
