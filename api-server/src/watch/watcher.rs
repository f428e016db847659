//! One who watches: a task that takes what comes next and tells it, until it is over.

use std::time::Duration;

use drover_metrics::table::API_WATCHES_ENDED;
use drover_store::{Position, Store};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Place;
use super::event::{Ending, Event};
use super::feed::{Batch, Feed};
use super::form::Told;
use super::outlet::{Outlet, Telling};
use super::snapshot::Snapshot;

/// How much is told at a time where resources are shown, in bytes; one event is in any case. One who
/// reads slowly has no more than that waiting for it, and is told after which event to go on.
const PIECE: usize = 32 * 1024;

/// Events that are told together.
#[derive(Default)]
struct Piece {
    events: Vec<Told>,
    bytes: usize,
}

/// One who watches.
pub(super) struct Watcher {
    pub(super) feed: Feed,
    pub(super) store: Store,
    /// Whether it is told what there is before it is told of changes.
    pub(super) takes_snapshot: bool,
    /// Whether it is shown resources beside their changes.
    pub(super) shows_resources: bool,
    /// How often it wants to be told that nothing has happened.
    pub(super) heartbeat: Option<Duration>,
    /// Everything up to here was told; none before a snapshot is whole.
    pub(super) told: Option<Position>,
    /// When it is to come back.
    pub(super) until: Instant,
    pub(super) shutdown: CancellationToken,
    /// Its place among the watches, which is free once it is over.
    pub(super) _place: Place,
}

impl Watcher {
    /// Watches to the end.
    pub(super) async fn run(mut self, mut outlet: impl Outlet) {
        let shutdown = self.shutdown.clone();
        let until = self.until;
        let ending = tokio::select! {
            () = shutdown.cancelled() => Ending::Shutdown,
            () = sleep_until(until) => Ending::Again,
            told = self.tell_all(&mut outlet) => told.err().unwrap_or(Ending::Left),
        };
        let position = self.told;
        // The place is free although the last word may take its time.
        drop(self);
        outlet.end(ending, position).await;
        API_WATCHES_ENDED.add([ending.name()], 1);
        tracing::debug!(?ending, ?position, "a watch is over");
    }

    async fn tell_all(&mut self, outlet: &mut impl Outlet) -> Result<(), Ending> {
        if self.takes_snapshot {
            self.tell_snapshot(outlet).await?;
        }
        let beat = self.heartbeat.or_else(|| outlet.beat());
        loop {
            let silent_until = beat.map(|beat| Instant::now() + beat);
            let silence = async {
                match silent_until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            let next = tokio::select! {
                next = self.feed.next() => Some(next?),
                () = outlet.left() => return Err(Ending::Left),
                () = silence => None,
            };
            match next {
                Some(batch) => self.tell(outlet, &batch).await?,
                None if self.heartbeat.is_some() => {
                    let position = self.feed.at();
                    let told = [Told::of(&Event::Heartbeat { position })];
                    outlet.tell(Telling::Events(&told), Some(position)).await?;
                }
                None => outlet.keep_alive(self.told).await?,
            }
            self.told = Some(self.feed.at());
        }
    }

    async fn tell_snapshot(&mut self, outlet: &mut impl Outlet) -> Result<(), Ending> {
        let position = self.feed.at();
        let mut snapshot = Snapshot::of(self.feed.filter());
        while let Some(found) = snapshot.next(&self.store).await? {
            let mut piece = Piece::default();
            for event in found {
                self.tell_before(event, &mut piece, outlet).await?;
            }
            if !piece.events.is_empty() {
                outlet.tell(Telling::Events(&piece.events), None).await?;
            }
        }
        let told = [Told::of(&Event::Synced { position })];
        outlet.tell(Telling::Events(&told), Some(position)).await?;
        self.told = Some(position);
        Ok(())
    }

    async fn tell(&mut self, outlet: &mut impl Outlet, batch: &Batch) -> Result<(), Ending> {
        let position = Some(self.feed.at());
        if !self.shows_resources {
            let telling = Telling::Page(&batch.page, &batch.choice);
            return outlet.tell(telling, position).await;
        }
        let rows = self.feed.rows(batch).await?;
        let filter = self.feed.filter();
        let changes = &batch.page.changes;
        let mut piece = Piece::default();
        for index in batch.choice.indexes(changes.len()) {
            let Some(change) = changes.get(index) else {
                continue;
            };
            let shown = rows.json(change.resource.id, &filter.caller);
            let event = Told::of(&Event::changed(change)).with("resource", &shown);
            self.tell_before(event, &mut piece, outlet).await?;
        }
        outlet.tell(Telling::Events(&piece.events), position).await
    }

    /// Adds an event to a piece, once what is in it has been told if it does not fit beside that.
    async fn tell_before(
        &mut self,
        event: Told,
        piece: &mut Piece,
        outlet: &mut impl Outlet,
    ) -> Result<(), Ending> {
        if let Some(last) = piece.events.last()
            && piece.bytes + event.json.len() > PIECE
        {
            let reached = last.position;
            outlet.tell(Telling::Events(&piece.events), reached).await?;
            self.told = reached;
            *piece = Piece::default();
        }
        piece.bytes += event.json.len();
        piece.events.push(event);
        Ok(())
    }
}
