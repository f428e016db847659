//! Offers: processes that the dispatcher should try to claim, now or a little later.
//!
//! An offer costs nothing to lose: the sweep makes it again. So the queue is bounded and what does
//! not fit is dropped, and only so many offers are put off by a timer at a time.

use std::sync::Arc;
use std::time::Duration;

use drover_store::Ready;
use tokio::sync::{Semaphore, mpsc};

/// Offers that can wait for the dispatcher.
const QUEUE: usize = 8_192;
/// Offers that can wait for a timer at the same time.
const TIMERS: usize = 2_048;
/// An offer is repeated so often while its lock is held; then the sweep makes a new one.
const PUT_OFF_AT_MOST: u32 = 8;
/// An offer is put off by so much at most; the sweep is as good for anything longer.
const LONGEST: Duration = Duration::from_secs(2);

/// A process that could be claimed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) ready: Ready,
    /// How often it was put off because the lock was held.
    pub(crate) put_off: u32,
    /// Whether it was told to wait for a turn that has come: it need not wait for the moment in its row.
    pub(crate) is_called: bool,
}

impl Offer {
    pub(crate) fn of(ready: Ready) -> Self {
        Self {
            ready,
            put_off: 0,
            is_called: false,
        }
    }

    /// Makes one offer of this and another of the same process: it is called if either calls it.
    pub(crate) fn take_in(&mut self, other: Offer) {
        self.is_called |= other.is_called;
    }
}

/// Where to make offers.
#[derive(Clone)]
pub(crate) struct Offers {
    queue: mpsc::Sender<Offer>,
    timers: Arc<Semaphore>,
}

/// A queue of offers: where to make them, and where they come out.
pub(crate) fn queue() -> (Offers, mpsc::Receiver<Offer>) {
    let (queue, receiver) = mpsc::channel(QUEUE);
    (
        Offers {
            queue,
            timers: Arc::new(Semaphore::new(TIMERS)),
        },
        receiver,
    )
}

impl Offers {
    /// Offers a process now.
    pub(crate) fn now(&self, ready: Ready) {
        self.send(Offer::of(ready));
    }

    /// Offers a process now that waits for a turn which has come.
    pub(crate) fn call(&self, ready: Ready) {
        self.send(Offer {
            is_called: true,
            ..Offer::of(ready)
        });
    }

    /// Makes an offer again.
    pub(crate) fn repeat(&self, offer: Offer) {
        self.send(offer);
    }

    /// Offers a process a little later.
    pub(crate) fn later(&self, ready: Ready, delay: Duration) {
        self.send_later(Offer::of(ready), delay);
    }

    /// Repeats an offer a little later, a bounded number of times.
    pub(crate) fn put_off(&self, offer: Offer, delay: Duration) {
        if offer.put_off < PUT_OFF_AT_MOST {
            let put_off = offer.put_off + 1;
            self.send_later(Offer { put_off, ..offer }, delay);
        }
    }

    fn send(&self, offer: Offer) {
        if self.queue.try_send(offer).is_err() {
            tracing::debug!(
                process = %offer.ready.process,
                "offer dropped, the sweep will repeat it"
            );
        }
    }

    fn send_later(&self, offer: Offer, delay: Duration) {
        if delay > LONGEST {
            return;
        }
        let Ok(timer) = self.timers.clone().try_acquire_owned() else {
            return;
        };
        let offers = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            drop(timer);
            offers.send(offer);
        });
    }
}
