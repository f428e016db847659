//! `/v1/watch`: changes as they happen, one JSON object a line.
//!
//! The change log is read, page by page; the bus only tells that it is worth to look, and a timer
//! looks without being told. Under load it is told far more often than it is worth to look: what
//! it is told while it looks, and for a moment after, counts once. A reader that comes back with the
//! last position that it saw misses nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::OperationOutput;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use drover_bus::{Subscribe, Subscription};
use drover_domain::ResourceId;
use drover_metrics::Presence;
use drover_metrics::table::API_WATCHES;
use drover_store::{Change, ChangeFilter, Position, StoreError};
use futures::{FutureExt, Stream};
use schemars::json_schema;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::Shared;
use crate::answer::media;
use crate::problem::Problem;
use crate::problem::catalogue::{WATCH_GONE, WATCHES};
use crate::query::{Strict, Watch};
use crate::routes::{Needs, Routes, about};

const FORM: &str = "application/x-ndjson";

/// Changes that are read at a time.
const PAGE: u64 = 500;
/// How often the log is looked at without being told.
const LOOK: Duration = Duration::from_millis(500);
/// The shortest time between two looks, however often it is told.
const GAP: Duration = Duration::from_millis(2);

struct Watching {
    shared: Arc<Shared>,
    resource: Option<ResourceId>,
    project: Option<ResourceId>,
    after: Position,
    told: Option<Subscription>,
    looked: Instant,
    _permit: OwnedSemaphorePermit,
    _counted: Presence,
}

/// The address of the watch.
pub(crate) fn routes(routes: Routes) -> Routes {
    let about = about(
        Needs::ANY,
        "Watch",
        "watch",
        "Streams changes as they happen",
    );
    routes.get("/watch", about.fails(&[&WATCH_GONE, &WATCHES]), watch)
}

async fn watch(
    State(shared): State<Arc<Shared>>,
    Strict(query): Strict<Watch>,
) -> Result<Streamed, Problem> {
    let permit = shared
        .watches
        .clone()
        .try_acquire_owned()
        .map_err(|_| Problem::new(&WATCHES, "the server has as many watches as it takes"))?;
    let after = position(&shared, query.after.as_deref()).await?;
    // Without the bus the timer serves alone.
    let told = shared.bus.subscribe(Subscribe::changed()).await.ok();
    let watching = Watching {
        shared,
        resource: query.resource_id,
        project: query.project_id,
        after,
        told,
        looked: Instant::now(),
        _permit: permit,
        _counted: API_WATCHES.enter([]),
    };
    let body = Body::from_stream(changes(watching));
    Ok(Streamed(body))
}

/// Changes, one JSON object a line.
struct Streamed(Body);

impl IntoResponse for Streamed {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, FORM)], self.0).into_response()
    }
}

impl OperationOutput for Streamed {
    type Inner = ();

    fn inferred_responses(
        _: &mut GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<u16>, aide::openapi::Response)> {
        let response = aide::openapi::Response {
            description: "Changes, one JSON object a line, for ever.".to_owned(),
            content: [(FORM.to_owned(), media(json_schema!({ "type": "string" })))]
                .into_iter()
                .collect(),
            ..aide::openapi::Response::default()
        };
        vec![(Some(200), response)]
    }
}

/// Where to begin: after the position that was given, at the oldest change there is for `0`, or with
/// what comes from now on.
async fn position(shared: &Shared, given: Option<&str>) -> Result<Position, Problem> {
    let Some(text) = given else {
        return Ok(shared.store.end_of_changes().await?);
    };
    let after: Position = text
        .parse()
        .map_err(|error| Problem::bad_query(format!("{error}")))?;
    let is_from_the_beginning = after == Position::default();
    if !is_from_the_beginning && after < shared.store.forgotten_changes().await? {
        return Err(Problem::new(
            &WATCH_GONE,
            "changes after that position have been forgotten",
        )
        .with_hint("read the collections again, and watch from now on"));
    }
    Ok(after)
}

/// Pages of changes, for ever; ends when the server stops or the database is out of reach, and the
/// reader comes back.
fn changes(watching: Watching) -> impl Stream<Item = Result<Bytes, Infallible>> {
    futures::stream::unfold(watching, |mut watching| async move {
        match watching.next_page().await {
            Ok(Some(page)) => Some((Ok(lines(&page)), watching)),
            Ok(None) => None,
            Err(error) => {
                tracing::info!(%error, "a watch ends");
                None
            }
        }
    })
}

impl Watching {
    /// The next changes, as soon as there are any; none once the server stops.
    async fn next_page(&mut self) -> Result<Option<Vec<Change>>, StoreError> {
        loop {
            let everything = ChangeFilter::default();
            self.looked = Instant::now();
            let mut page = self
                .shared
                .store
                .changes(self.after, &everything, PAGE)
                .await?;
            if let Some(last) = page.last() {
                // What does not pass the filter was read all the same, and is not read again.
                self.after = last.position;
                page.retain(|change| self.passes(change));
                if page.is_empty() {
                    continue;
                }
                return Ok(Some(page));
            }
            let pause = LOOK.mul_f64(0.75 + rand::random::<f64>() / 2.0);
            let told = async {
                match &mut self.told {
                    Some(told) => told.next().await.is_some(),
                    None => std::future::pending().await,
                }
            };
            let is_open = tokio::select! {
                is_open = told => is_open,
                () = tokio::time::sleep(pause) => true,
                () = self.shared.shutdown.cancelled() => return Ok(None),
            };
            if !is_open {
                self.told = None;
            }
            tokio::time::sleep_until(self.looked + GAP).await;
            self.forget_what_was_told();
        }
    }
}

impl Watching {
    /// What was told until now is seen by the look that comes next.
    fn forget_what_was_told(&mut self) {
        if let Some(told) = &mut self.told {
            while let Some(Some(_)) = told.next().now_or_never() {}
        }
    }

    fn passes(&self, change: &Change) -> bool {
        let is_wanted = |wanted: Option<ResourceId>, given| wanted.is_none() || wanted == given;
        is_wanted(self.resource, Some(change.resource.id))
            && is_wanted(self.project, change.project)
    }
}

fn lines(changes: &[Change]) -> Bytes {
    let mut text = String::new();
    for change in changes {
        let line = json!({
            "position": change.position.to_string(),
            "type": change.resource.resource_type,
            "id": change.resource.id,
            "projectId": change.project,
            "state": change.state,
            "version": change.version,
            "time": change.at,
        });
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text.into()
}
