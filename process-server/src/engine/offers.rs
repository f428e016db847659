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
/// Offers that can be put off at the same time.
const PUT_OFF: usize = 2_048;
/// An offer is put off by so much at most; the sweep is as good for anything longer.
const LONGEST: Duration = Duration::from_secs(2);

/// Where to make offers.
#[derive(Clone)]
pub(crate) struct Offers {
    queue: mpsc::Sender<Ready>,
    timers: Arc<Semaphore>,
}

/// A queue of offers: where to make them, and where they come out.
pub(crate) fn queue() -> (Offers, mpsc::Receiver<Ready>) {
    let (queue, receiver) = mpsc::channel(QUEUE);
    (
        Offers {
            queue,
            timers: Arc::new(Semaphore::new(PUT_OFF)),
        },
        receiver,
    )
}

impl Offers {
    /// Offers a process now.
    pub(crate) fn now(&self, ready: Ready) {
        if self.queue.try_send(ready).is_err() {
            tracing::debug!(process = %ready.process, "offer dropped, the sweep will repeat it");
        }
    }

    /// Offers a process a little later.
    pub(crate) fn later(&self, ready: Ready, delay: Duration) {
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
            offers.now(ready);
        });
    }
}
