//! Sees containers come to their states, by one watch of the whole change log.
//!
//! This is what a client would do that wants to know at once. It costs the API server a read of
//! the change log for each batch of changes, and this process a line of JSON for each change; both
//! are part of what is measured, as in any installation that somebody looks at. A watch that breaks is
//! taken up where it ended, at whichever server answers, and so misses nothing.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use drover_scenarios::installation::Api;
use futures::StreamExt;
use reqwest::{Method, RequestBuilder, Response};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// A broken watch is given up when it cannot be taken up within this time.
const RESUMED_WITHIN: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(100);

/// A change; of what else a watch tells only the position counts.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default, rename = "type")]
    resource_type: &'a str,
    #[serde(default)]
    id: &'a str,
    #[serde(default)]
    state: &'a str,
    #[serde(default)]
    position: &'a str,
}

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Seen {
    /// When a container was first seen running.
    pub(crate) running: HashMap<String, Instant>,
    /// How often a container was seen to come to `running` from another state.
    pub(crate) runs: HashMap<String, u32>,
    /// Containers that were removed, and not purged since.
    pub(crate) removed: HashSet<String>,
    /// Containers that were purged.
    pub(crate) purged: HashSet<String>,
    /// Containers that ended in `error`.
    pub(crate) failed: Vec<String>,
    /// The lines of the watch.
    pub(crate) lines: u64,
    last: HashMap<String, bool>,
}

impl Seen {
    /// Drops what was seen of a container that is purged and will not be asked about.
    pub(crate) fn forget(&mut self, id: &str) {
        self.running.remove(id);
        self.runs.remove(id);
        self.purged.remove(id);
        self.last.remove(id);
    }

    fn take(&mut self, line: &Line<'_>, now: Instant) {
        if line.resource_type.is_empty() {
            return;
        }
        self.lines += 1;
        if line.resource_type != "container" {
            return;
        }
        let is_running = line.state == "running";
        match line.state {
            "running" => {
                self.running.entry(line.id.to_owned()).or_insert(now);
            }
            "removed" => {
                self.removed.insert(line.id.to_owned());
            }
            "purged" => {
                self.removed.remove(line.id);
                self.purged.insert(line.id.to_owned());
            }
            "error" => self.failed.push(line.id.to_owned()),
            _ => {}
        }
        let was_running = self.last.insert(line.id.to_owned(), is_running);
        if is_running && was_running != Some(true) {
            *self.runs.entry(line.id.to_owned()).or_default() += 1;
        }
    }
}

/// A watch that is followed until this is dropped.
pub(crate) struct Observer {
    seen: Arc<Mutex<Seen>>,
    changed: watch::Receiver<()>,
    following: JoinHandle<()>,
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Observer {
    /// Watches from now on.
    pub(crate) async fn begin(api: &Api) -> Result<Self> {
        // A request to each server; each is longer than any workload.
        let requests = api.servers().iter().map(|_| {
            let request = api.request(Method::GET, "/v1/watch");
            request.timeout(Duration::from_secs(7_200))
        });
        let requests: Vec<RequestBuilder> = requests.collect();
        let first = requests.first().and_then(RequestBuilder::try_clone);
        let response = first.context("an API server")?.send().await?;
        let response = response.error_for_status()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (tell, changed) = watch::channel(());
        let follower = Follower {
            seen: Arc::clone(&seen),
            tell,
            rest: Vec::new(),
            requests,
            position: None,
        };
        let following = tokio::spawn(follower.follow(response));
        Ok(Self {
            seen,
            changed,
            following,
        })
    }

    /// What was seen so far. Not to be held over a wait.
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until what was seen is enough.
    pub(crate) async fn until<T>(
        &self,
        what: &str,
        within: Duration,
        enough: impl Fn(&Seen) -> Option<T>,
    ) -> Result<T> {
        let mut changed = self.changed.clone();
        let looking = async {
            loop {
                changed.borrow_and_update();
                if let Some(found) = enough(&self.seen()) {
                    return Ok(found);
                }
                ensure!(!self.following.is_finished(), "the watch broke");
                if changed.changed().await.is_err() {
                    bail!("the watch broke");
                }
            }
        };
        let looked = tokio::time::timeout(within, looking).await;
        looked
            .map_err(|_| anyhow::anyhow!("not within {within:?}"))
            .flatten()
            .with_context(|| {
                let seen = self.seen();
                let (running, failed) = (seen.running.len(), seen.failed.len());
                format!("{what}; {running} were seen running and {failed} in error")
            })
    }
}

struct Follower {
    seen: Arc<Mutex<Seen>>,
    tell: watch::Sender<()>,
    rest: Vec<u8>,
    /// The watch, at each server.
    requests: Vec<RequestBuilder>,
    /// All up to here was told.
    position: Option<String>,
}

impl Follower {
    async fn follow(mut self, response: Response) {
        let mut next = Some(response);
        while let Some(response) = next {
            self.read(response).await;
            next = self.resume().await;
        }
    }

    /// Reads until the watch breaks.
    async fn read(&mut self, response: Response) {
        self.rest.clear();
        let mut chunks = response.bytes_stream();
        while let Some(Ok(chunk)) = chunks.next().await {
            let now = Instant::now();
            self.rest.extend_from_slice(&chunk);
            let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
                continue;
            };
            {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                for text in self.rest[..end].split(|byte| *byte == b'\n') {
                    if let Ok(line) = serde_json::from_slice::<Line<'_>>(text) {
                        seen.take(&line, now);
                        if !line.position.is_empty() {
                            self.position = Some(line.position.to_owned());
                        }
                    }
                }
            }
            self.rest.drain(..=end);
            self.tell.send_replace(());
        }
    }

    /// The same watch, from where it ended; none if it began nowhere or no server answers.
    async fn resume(&self) -> Option<Response> {
        let position = self.position.as_deref()?;
        let deadline = Instant::now() + RESUMED_WITHIN;
        for request in self.requests.iter().cycle() {
            let request = request.try_clone()?.query(&[("after", position)]);
            match request.send().await.and_then(Response::error_for_status) {
                Ok(response) => return Some(response),
                Err(_) if Instant::now() > deadline => return None,
                Err(_) => sleep(PAUSE).await,
            }
        }
        None
    }
}
