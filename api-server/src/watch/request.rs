//! What is asked of a watch, and how it begins.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::WebSocket;
use axum::http::HeaderMap;
use drover_domain::{ResourceId, ResourceType, Selector};
use drover_store::Position;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use super::feed::Feed;
use super::filter::Filter;
use super::form::Form;
use super::outlet;
use super::queue::queue;
use super::socket::Socket;
use super::watcher::Watcher;
use crate::Shared;
use crate::authorization::Caller;
use crate::problem::Problem;
use crate::problem::catalogue::{NOT_ACCEPTABLE, WATCH_GONE, WATCHES};
use crate::upgrade::Upgrade;

/// The most seconds between two heartbeats.
const LONGEST_HEARTBEAT: u64 = 300;
/// What a WebSocket buffers of what it reads, which is next to nothing, and of what it writes.
const READ_BUFFER: usize = 4 * 1024;
const WRITE_BUFFER: usize = 16 * 1024;
/// The largest message that is taken from a client; none is looked at.
const LARGEST_MESSAGE: usize = 4 * 1024;

/// The query of a watch.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Query {
    /// Only what comes after this position; `0` for all that there is. Without it, what comes from
    /// now on.
    after: Option<String>,
    /// Only resources of this type; several with commas between them.
    r#type: Option<String>,
    /// Only what belongs to this project.
    project_id: Option<ResourceId>,
    /// Only this resource.
    resource_id: Option<ResourceId>,
    /// Only what has such labels, as in lists; and once what has them no more.
    labels: Option<String>,
    /// Whether to tell first what there is, and then what changes.
    #[serde(default)]
    snapshot: bool,
    /// `resource` to show with each change the resource as it is by then.
    include: Option<Include>,
    /// To be told after so many seconds that nothing has happened.
    #[schemars(range(min = 1, max = 300))]
    heartbeat: Option<u64>,
}

/// What is shown beside changes.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Include {
    /// The resource as it is by then.
    Resource,
}

/// What a watch answers with.
pub(crate) enum Watching {
    /// A body that goes on.
    Stream(Form, Body),
    /// What becomes a WebSocket.
    Socket(axum::response::Response),
}

/// Begins a watch.
pub(crate) async fn begin(
    shared: &Arc<Shared>,
    caller: Caller,
    query: Query,
    upgrade: Upgrade,
    headers: &HeaderMap,
) -> Result<Watching, Problem> {
    let form = match &upgrade.0 {
        Some(_) => None,
        None => Some(Form::accepted(headers).ok_or_else(|| {
            let forms = "the forms are application/x-ndjson, text/event-stream and a WebSocket";
            Problem::new(&NOT_ACCEPTABLE, forms)
        })?),
    };
    let settings = shared.live.values().await;
    let place = shared
        .watches
        .enter(&settings)
        .ok_or_else(|| Problem::new(&WATCHES, "the server has as many watches as it takes"))?;
    let expires = caller.expires;
    let beginning = Beginning::of(shared, &query, headers).await?;
    let heartbeat = heartbeat(&query)?;
    let shows_resources = query.include.is_some();
    let filter = filter(query, caller)?;
    let hub = shared
        .watches
        .hub(&shared.store, &shared.bus, &shared.shutdown);
    let limits = shared.watches.limits.clone();
    let longest = limits.longest.mul_f64(0.75 + rand::random::<f64>() / 4.0);
    let left = expires.map(|expires| shared.clock.now().until(expires));
    let longest = left.map_or(longest, |left| longest.min(left));
    let store = shared.store.clone();
    let Beginning {
        at,
        began,
        takes_snapshot,
    } = beginning;
    let watcher = Watcher {
        feed: Feed::after(at, began, Arc::new(filter), hub, store.clone()),
        store,
        takes_snapshot,
        shows_resources,
        heartbeat,
        told: Some(at).filter(|_| !takes_snapshot),
        until: Instant::now() + longest,
        shutdown: shared.shutdown.clone(),
        _place: place,
    };
    let Some(form) = form else {
        let run = move |socket| watcher.run(Socket::new(socket, limits.patience));
        return Ok(Watching::Socket(open(upgrade, run)));
    };
    let (filling, emptying) = queue(watcher.told, limits.patience);
    let body = outlet::Body {
        form,
        queue: filling,
    };
    tokio::spawn(watcher.run(body));
    Ok(Watching::Stream(form, Body::from_stream(emptying)))
}

/// The WebSocket of one who watches.
fn open<F, R>(upgrade: Upgrade, run: F) -> axum::response::Response
where
    F: FnOnce(WebSocket) -> R + Send + 'static,
    R: Future<Output = ()> + Send + 'static,
{
    use axum::response::IntoResponse;
    match upgrade.0 {
        Some(upgrade) => upgrade
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(LARGEST_MESSAGE)
            .on_upgrade(run),
        None => Problem::internal().into_response(),
    }
}

/// Where a watch begins.
struct Beginning {
    at: Position,
    /// The end of the log by now.
    began: Position,
    takes_snapshot: bool,
}

impl Beginning {
    /// After the position that was given, at the oldest change there is for `0`, or with what comes
    /// from now on. An event stream that is opened again by a browser names the last event that it
    /// saw, and its address is what it was.
    async fn of(shared: &Shared, query: &Query, headers: &HeaderMap) -> Result<Self, Problem> {
        let began = shared.store.end_of_changes().await?;
        let again = match headers.get("last-event-id") {
            Some(id) => Some(id.to_str().unwrap_or_default()).filter(|id| !id.is_empty()),
            None => None,
        };
        if query.snapshot && query.after.is_some() {
            return Err(Problem::bad_query(
                "`snapshot` tells what there is by now, and goes without `after`",
            ));
        }
        let given = again.or(query.after.as_deref());
        let Some(text) = given else {
            return Ok(Self {
                at: began,
                began,
                takes_snapshot: query.snapshot,
            });
        };
        let at: Position = text.parse().map_err(|error| match again {
            Some(_) => Problem::bad_header("Last-Event-ID", &format!("{error}")),
            None => Problem::bad_query(format!("{error}")),
        })?;
        let is_from_the_beginning = at == Position::default();
        if !is_from_the_beginning && at < shared.store.forgotten_changes().await? {
            if query.snapshot {
                // What was missed is in a new snapshot.
                return Ok(Self {
                    at: began,
                    began,
                    takes_snapshot: true,
                });
            }
            return Err(Problem::new(
                &WATCH_GONE,
                "changes after that position have been forgotten",
            )
            .with_hint("read the collections again, or watch with `snapshot=true`"));
        }
        Ok(Self {
            at,
            began,
            takes_snapshot: false,
        })
    }
}

fn heartbeat(query: &Query) -> Result<Option<Duration>, Problem> {
    match query.heartbeat {
        Some(seconds) if !(1..=LONGEST_HEARTBEAT).contains(&seconds) => Err(Problem::bad_query(
            format!("`heartbeat` is 1 to {LONGEST_HEARTBEAT} seconds"),
        )),
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
}

fn filter(query: Query, caller: Caller) -> Result<Filter, Problem> {
    let types: Result<Vec<ResourceType>, _> = match &query.r#type {
        Some(text) => text.split(',').map(|one| one.trim().parse()).collect(),
        None => Ok(Vec::new()),
    };
    let labels = query.labels.as_deref().map(Selector::parse).transpose();
    Ok(Filter {
        types: types.map_err(|error| Problem::bad_query(format!("`type`: {error}")))?,
        resource: query.resource_id,
        project: query.project_id,
        labels: labels
            .map_err(|error| Problem::bad_query(error.to_string()))?
            .unwrap_or_default(),
        caller,
    })
}
