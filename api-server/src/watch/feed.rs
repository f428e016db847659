//! Where one watcher is in the log, and what comes next for it.
//!
//! ```text
//!   position --> reads pages from the database --> joins the ring --> takes pages from it
//!                  until the ring reaches back to its position
//! ```
//!
//! What it is told next can be given up at any moment and asked for again: nothing moves before it
//! is handed over.

use std::sync::Arc;

use drover_domain::State;
use drover_store::{Change, ChangeFilter, Position, Store, StoreError};
use tokio::sync::watch;

use super::choice::Choice;
use super::event::Ending;
use super::filter::Filter;
use super::hub::{Hub, Lost, PAGE};
use super::page::Page;
use super::resources::{self, Rows};
use super::ring::Found;

/// What comes next for a watcher.
pub(super) struct Batch {
    pub(super) page: Arc<Page>,
    /// The number of the page, if it is one of the ring.
    number: Option<u64>,
    pub(super) choice: Choice,
}

/// A watcher's place in the log.
pub(super) struct Feed {
    hub: Arc<Hub>,
    store: Store,
    filter: Arc<Filter>,
    /// Everything up to here was told, or did not pass.
    at: Position,
    /// The page of the ring that comes next, once it has joined.
    place: Option<u64>,
    news: watch::Receiver<u64>,
    /// Where the log ended when the watch began.
    began: Position,
    /// Whether that with which it began has changed since.
    is_unproven: bool,
}

impl From<Lost> for Ending {
    fn from(_: Lost) -> Self {
        Self::Gone
    }
}

impl From<StoreError> for Ending {
    fn from(error: StoreError) -> Self {
        tracing::info!(%error, "a watch ends");
        Self::Unavailable
    }
}

impl Feed {
    /// The feed of what comes after a position, for a watch that began when the log ended at
    /// another.
    pub(super) fn after(
        at: Position,
        began: Position,
        filter: Arc<Filter>,
        hub: Arc<Hub>,
        store: Store,
    ) -> Self {
        Self {
            began,
            is_unproven: false,
            news: hub.news(),
            hub,
            store,
            filter,
            at,
            place: None,
        }
    }

    /// The position from which whoever comes back goes on.
    pub(super) fn at(&self) -> Position {
        self.at
    }

    pub(super) fn filter(&self) -> Arc<Filter> {
        Arc::clone(&self.filter)
    }

    /// What comes next, as soon as there is anything.
    pub(super) async fn next(&mut self) -> Result<Batch, Ending> {
        loop {
            // One that everything passes by must not keep a thread to itself.
            tokio::task::consume_budget().await;
            if self.is_unproven {
                return Err(Ending::Credential);
            }
            let (page, number) = match self.place {
                Some(number) => match self.hub.page(number)? {
                    Found::Page(page) => (page, Some(number)),
                    Found::NotYet => {
                        self.wait().await?;
                        continue;
                    }
                    Found::Behind => return Err(Ending::Behind),
                },
                None => match self.catch_up().await? {
                    Some(page) => (page, None),
                    None => continue,
                },
            };
            let choice = Choice::of(&page.changes, self.at, &self.filter);
            self.at = self.at.max(page.end());
            self.place = number.map(|number| number + 1);
            self.is_unproven = page.of_credentials().any(|change| self.unproves(change));
            if let Some(choice) = choice {
                return Ok(Batch {
                    page,
                    number,
                    choice,
                });
            }
        }
    }

    /// Whether a change is one of the account or key with which the watch began: it may see less, or
    /// nothing, and is to show anew what it may.
    fn unproves(&self, change: &Change) -> bool {
        let caller = &self.filter.caller;
        let is_own_key =
            || change.resource.id.uuid() == caller.credential && change.state != State::Active;
        let is_own_account = || caller.account == Some(change.resource.id);
        change.position > self.began && (is_own_key() || is_own_account())
    }

    async fn wait(&mut self) -> Result<(), Ending> {
        self.news.changed().await.map_err(|_| Ending::Shutdown)
    }

    /// Joins the ring if it reaches back to here; the next page of the database otherwise.
    async fn catch_up(&mut self) -> Result<Option<Arc<Page>>, Ending> {
        self.place = self.hub.place_after(self.at)?;
        if self.place.is_some() {
            return Ok(None);
        }
        let Some(reach) = self.hub.reach() else {
            self.wait().await?;
            return Ok(None);
        };
        let everything = ChangeFilter::default();
        let changes = self.store.changes(self.at, &everything, PAGE).await?;
        let is_from_the_beginning = self.at == Position::default();
        if !is_from_the_beginning && self.at < self.store.forgotten_changes().await? {
            return Err(Ending::Gone);
        }
        if (changes.len() as u64) < PAGE {
            // That was all there is; and whatever lies before the beginning of the ring was there
            // when the ring began, which is longer ago than the reading.
            let page = Page::new(changes);
            let end = page.end();
            return match end > self.at {
                true => Ok(Some(Arc::new(page))),
                false => {
                    self.at = self.at.max(reach.start);
                    Ok(None)
                }
            };
        }
        Ok(Some(Arc::new(Page::new(changes))))
    }

    /// The resources of a batch as they are by now.
    pub(super) async fn rows(&self, batch: &Batch) -> Result<Arc<Rows>, StoreError> {
        match batch.number {
            Some(number) => {
                let resources = &self.hub.resources;
                resources.of(number, &batch.page, &self.store).await
            }
            None => resources::read(&batch.page, &self.store).await,
        }
    }
}
