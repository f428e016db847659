//! Watching: changes as they happen, told to many.
//!
//! ```text
//!   bus: look!   timer
//!        \        /
//!    hub: reads the change log on --> ring: the last changes, each encoded once
//!                                      |          \
//!                    watcher: takes what passes    watcher … a task each
//!                             its filter
//!                      |
//!                 queue, bounded --> body of an answer        or: WebSocket
//! ```
//!
//! One hub for each server reads the log, page by page; the bus only tells that it is worth to look,
//! and a timer looks without being told, so that a hint that is lost costs time and nothing else.
//! Under load it is told far more often than it is worth to look: looks are apart by a pause that
//! grows with the number of watchers, since each page that is read wakes all of them. The hub runs
//! only while somebody watches.
//!
//! A watcher is a position in the log. One whose position the ring does not reach back to reads
//! pages from the database until it does. All that it was told before is before its position, so that
//! whoever comes back with the last position that it saw, to whichever server, misses nothing and is
//! told nothing twice. A position that the log does not reach back to is refused.
//!
//! What a watcher is told waits in a queue of bounded size. One whose queue stays full for
//! [`WatchLimits::patience`], or whom the ring has left behind, is cut: it is told so where it can
//! still be told, its place is free at once, and it can come back.
//!
//! Costs: a look is one query for all watchers. A page is encoded once in each form; a watcher that
//! wants all of it is handed the same bytes, and one with a filter copies its lines. A change costs
//! each watcher one test of its filter, and each page one wake-up and one write. A watcher holds its
//! task, its queue of 64 KiB at most (most of it shared with the ring) and its connection's buffers.

mod choice;
mod event;
mod feed;
mod filter;
mod form;
mod hub;
mod outlet;
mod page;
mod queue;
pub(crate) mod request;
mod resources;
mod ring;
mod snapshot;
mod socket;
mod watcher;

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use drover_bus::EventBus;
use drover_domain::settings::Values;
use drover_metrics::Presence;
use drover_metrics::table::API_WATCHES;
use drover_store::Store;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use aide::generate::GenContext;
use aide::openapi::{MediaType, Response};
use schemars::json_schema;

use crate::answer::media;
use event::Event;
use form::Form;
use hub::Hub;

/// How many watch, and what is held for them.
#[derive(Clone, Debug)]
pub struct WatchLimits {
    /// The most watches at the same time.
    pub watches: usize,
    /// How many changes the ring holds.
    pub ring: usize,
    /// How long a watcher may take nothing while there is something for it.
    pub patience: Duration,
    /// How long a watch goes on before its client is asked to come back, and to show again that it
    /// may watch.
    pub longest: Duration,
}

impl Default for WatchLimits {
    fn default() -> Self {
        Self {
            watches: 2_000,
            ring: 16_384,
            patience: Duration::from_secs(30),
            longest: Duration::from_secs(60 * 60),
        }
    }
}

/// More places than any server has.
const PLACES: usize = 1_000_000;

/// The watches of a server.
pub(crate) struct Watches {
    limits: WatchLimits,
    places: Arc<Semaphore>,
    hub: Mutex<Weak<Hub>>,
}

/// A place among the watches, for as long as it is kept.
struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: Presence,
}

impl Watches {
    pub(crate) fn new(limits: WatchLimits) -> Self {
        Self {
            places: Arc::new(Semaphore::new(PLACES)),
            hub: Mutex::new(Weak::new()),
            limits,
        }
    }

    /// A place for one more, if no more are taken than the settings say, or else the configuration.
    fn enter(&self, settings: &Values) -> Option<Place> {
        let most = settings.watches_per_server;
        let most = most.and_then(|most| usize::try_from(most).ok());
        let permit = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let taken = PLACES - self.places.available_permits();
        (taken <= most.unwrap_or(self.limits.watches)).then(|| Place {
            _permit: permit,
            _counted: API_WATCHES.enter([]),
        })
    }

    /// The hub, which begins with whoever is the first to watch.
    fn hub(
        &self,
        store: &Store,
        bus: &Arc<dyn EventBus>,
        shutdown: &CancellationToken,
    ) -> Arc<Hub> {
        let mut known = self.hub.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = known.upgrade().filter(|hub| !hub.has_lost()) {
            return running;
        }
        let hub = Arc::new(Hub::new(self.limits.ring));
        *known = Arc::downgrade(&hub);
        let running = hub::run(known.clone(), store.clone(), Arc::clone(bus));
        let shutdown = shutdown.clone();
        tokio::spawn(async move { shutdown.run_until_cancelled(running).await });
        hub
    }
}

/// How the answers of a watch are described.
pub(crate) fn described(context: &mut GenContext) -> Vec<(Option<u16>, Response)> {
    let event = context.schema.subschema_for::<Event<'static>>();
    let event = serde_json::to_string(event.as_value()).unwrap_or_default();
    let stream = |form: Form, says: &str| -> (String, MediaType) {
        let schema = json_schema!({
            "type": "string",
            "description": format!("{says}, each an event of this schema: `{event}`"),
        });
        (form.media_type().to_owned(), media(schema))
    };
    let told = Response {
        description: "Events, for as long as the watch goes on.".to_owned(),
        content: [
            stream(Form::Lines, "JSON objects, one a line"),
            stream(
                Form::Events,
                "Server-sent events, whose data are JSON objects",
            ),
        ]
        .into_iter()
        .collect(),
        ..Response::default()
    };
    let upgraded = Response {
        description: "A WebSocket, whose messages are the same JSON objects.".to_owned(),
        ..Response::default()
    };
    vec![(Some(200), told), (Some(101), upgraded)]
}
