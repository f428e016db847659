//! The hub: reads the change log on, for all who watch.
//!
//! It holds nobody up and waits for nobody: what it reads goes into the ring, and whoever watches
//! takes it from there. It ends when nobody does any more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use drover_bus::{EventBus, Subscribe, Subscription};
use drover_store::{ChangeFilter, Position, Store, StoreError};
use futures::FutureExt;
use tokio::sync::watch;
use tokio::time::Instant;

use super::page::Page;
use super::resources::Resources;
use super::ring::{Found, Reach, Ring};

/// Changes that are read at a time.
pub(super) const PAGE: u64 = 500;
/// How often the log is looked at without being told.
pub(super) const LOOK: Duration = Duration::from_millis(500);
/// The shortest time between two looks, however often it is told, for one who watches.
const GAP: Duration = Duration::from_millis(2);
/// What each further watcher adds to it: about what it costs to tell one of a page.
const GAP_FOR_EACH: Duration = Duration::from_micros(40);
/// The longest such time.
const LONGEST_GAP: Duration = Duration::from_millis(50);

/// What watchers share.
pub(super) struct Hub {
    ring: Mutex<Shelf>,
    /// Changes whenever there is something new in the ring.
    news: watch::Sender<u64>,
    /// Resources as they were read for pages of the ring.
    pub(super) resources: Resources,
}

/// The ring, until the log has been lost.
struct Shelf {
    ring: Ring,
    has_lost: bool,
}

/// The log has forgotten what comes next.
#[derive(Debug)]
pub(super) struct Lost;

impl Hub {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            ring: Mutex::new(Shelf {
                ring: Ring::new(capacity),
                has_lost: false,
            }),
            news: watch::Sender::new(0),
            resources: Resources::default(),
        }
    }

    /// Tells of what is new from now on.
    pub(super) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    pub(super) fn has_lost(&self) -> bool {
        self.shelf().has_lost
    }

    /// See [`Ring::page`].
    pub(super) fn page(&self, number: u64) -> Result<Found, Lost> {
        let shelf = self.shelf();
        match shelf.has_lost {
            true => Err(Lost),
            false => Ok(shelf.ring.page(number)),
        }
    }

    /// See [`Ring::place_after`].
    pub(super) fn place_after(&self, position: Position) -> Result<Option<u64>, Lost> {
        let shelf = self.shelf();
        match shelf.has_lost {
            true => Err(Lost),
            false => Ok(shelf.ring.place_after(position)),
        }
    }

    pub(super) fn reach(&self) -> Option<Reach> {
        self.shelf().ring.reach()
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        let next = self.shelf().ring.next();
        self.news.send_replace(next);
    }

    /// Reads on, once; tells whether there may be more to read at once.
    async fn look(&self, store: &Store) -> Result<bool, StoreError> {
        let Some(reach) = self.reach() else {
            let start = store.end_of_changes().await?;
            self.shelf().ring.begin(start);
            self.tell();
            return Ok(true);
        };
        let changes = store
            .changes(reach.end, &ChangeFilter::default(), PAGE)
            .await?;
        if changes.is_empty() {
            return Ok(false);
        }
        let is_full = changes.len() as u64 == PAGE;
        self.shelf().ring.push(Page::new(changes));
        self.tell();
        Ok(is_full)
    }

    /// Whether something was forgotten before it was read, which takes an outage as long as changes
    /// are kept.
    async fn check(&self, store: &Store) -> Result<(), StoreError> {
        let forgotten = store.forgotten_changes().await?;
        if self.reach().is_some_and(|reach| reach.end < forgotten) {
            self.shelf().has_lost = true;
            self.tell();
        }
        Ok(())
    }
}

/// Reads the log on for as long as somebody watches.
pub(super) async fn run(hub: Weak<Hub>, store: Store, bus: Arc<dyn EventBus>) {
    let mut told = None;
    let mut has_failed = false;
    loop {
        let looked = Instant::now();
        if told.is_none() {
            // Without the bus the timer serves alone.
            told = bus.subscribe(Subscribe::changed()).await.ok();
        }
        let Some(hub) = hub.upgrade() else { return };
        if has_failed && hub.check(&store).await.is_ok() {
            has_failed = false;
        }
        if hub.has_lost() {
            return;
        }
        match hub.look(&store).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => {
                tracing::info!(%error, "the change log could not be read");
                has_failed = true;
            }
        }
        let gap = gap(Arc::strong_count(&hub));
        drop(hub);
        wait(&mut told, looked + gap).await;
    }
}

fn gap(watchers: usize) -> Duration {
    let watchers = u32::try_from(watchers).unwrap_or(u32::MAX);
    let gap = GAP.saturating_add(GAP_FOR_EACH.saturating_mul(watchers));
    gap.min(LONGEST_GAP)
}

/// Waits until it is worth to look again, and no shorter than to a moment.
async fn wait(told: &mut Option<Subscription>, earliest: Instant) {
    let pause = LOOK.mul_f64(0.75 + rand::random::<f64>() / 2.0);
    let listening = async {
        match told {
            Some(told) => told.next().await.is_some(),
            None => std::future::pending().await,
        }
    };
    let is_open = tokio::time::timeout(pause, listening).await.unwrap_or(true);
    if !is_open {
        *told = None;
    }
    tokio::time::sleep_until(earliest).await;
    // What was told until now is seen by the look that comes next.
    if let Some(told) = told {
        while let Some(Some(_)) = told.next().now_or_never() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_the_farther_apart_the_more_are_told_of_them() {
        assert!(gap(1) < Duration::from_millis(3));
        assert!(gap(100) < Duration::from_millis(10));
        assert!(gap(1_000) > Duration::from_millis(40));
        assert_eq!(gap(1_000_000), LONGEST_GAP);
    }
}
