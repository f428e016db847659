//! What is under way in the lanes of a group, and for how much company few items wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// The items for which a transaction is begun beside one that is under way. A transaction costs as much
/// as some tens of rows in one: beneath that, another would only take the processors from the first.
pub(super) const WORTH_ANOTHER: usize = 24;
/// How long fewer wait, since the transaction that is under way may itself wait for a lock.
pub(super) const PATIENCE: Duration = Duration::from_millis(20);

/// Whether few items wait after a batch of several has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// They are taken at once.
    AtOnce,
    /// They wait for company as long as the last batch took, and no longer than [`PATIENCE`].
    Rests,
}

/// What is under way in the lanes of a group.
#[derive(Clone)]
pub(super) struct Traffic {
    pace: Pace,
    road: Arc<watch::Sender<Road>>,
}

/// The state of the traffic.
struct Road {
    /// How many batches are under way.
    batches: usize,
    /// How many items the last had that ended.
    last: usize,
    /// Until when few wait although none is under way.
    rests_until: Instant,
}

impl Traffic {
    pub(super) fn at(pace: Pace) -> Self {
        let road = Road {
            batches: 0,
            last: 0,
            rests_until: Instant::now(),
        };
        Self {
            pace,
            road: Arc::new(watch::Sender::new(road)),
        }
    }

    /// A batch of so many items is under way until what is given is dropped.
    pub(super) fn begin(&self, items: usize) -> UnderWay {
        self.road.send_modify(|road| road.batches += 1);
        UnderWay {
            traffic: self.clone(),
            items,
            began: Instant::now(),
        }
    }

    /// Waits until no batch is under way.
    pub(super) async fn rests(&self) {
        let mut road = self.road.subscribe();
        // The sender is there as long as we are, so this ends with that only.
        drop(road.wait_for(|road| road.batches == 0).await);
    }

    /// How many items would be company enough for those that are there now that a batch has ended, and until
    /// when they wait for them.
    ///
    /// Whoever was in that batch may come again at once: then there are soon as many as it had. Else as many
    /// come as came before: twice as many as are there.
    pub(super) fn company(&self, there: usize) -> Option<(usize, Instant)> {
        let road = self.road.borrow();
        let waits = self.pace == Pace::Rests && road.batches == 0 && road.last > 1;
        let wanted = road.last.max(2 * there).min(WORTH_ANOTHER);
        waits.then_some((wanted, road.rests_until))
    }
}

/// A batch that is under way.
pub(super) struct UnderWay {
    traffic: Traffic,
    items: usize,
    began: Instant,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let took = self.began.elapsed().min(PATIENCE);
        self.traffic.road.send_modify(|road| {
            road.batches -= 1;
            road.last = self.items;
            road.rests_until = Instant::now() + took;
        });
    }
}
