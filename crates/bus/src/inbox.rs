//! Requests that wait for their answers.
//!
//! All requests of a bus share one inbox: a subject prefix of the bus's own. Each request is a
//! token below it, so that a bus subscribes once and not once a request.
//!
//! ```text
//!   open ------> Awaited (address `<prefix>.<token>`) ---- answer ----> the requester
//!   arrive ----> progress: to its channel | last: ends the wait | unknown token: dropped
//!   lose all --> ends every wait: what was under way when the bus went is not coming back
//! ```
//!
//! A wait that is dropped is forgotten; an answer that comes later finds nobody.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use drover_proto::v1::Envelope;
use drover_proto::v1::envelope::Kind;
use tokio::sync::{mpsc, oneshot};

/// How a wait ended.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The last answer.
    Reply(Box<Envelope>),
    /// Nobody was there to be asked.
    NobodyListens,
    /// The bus went out of reach meanwhile.
    Disconnected,
}

/// The waits of one bus.
pub(crate) struct Inbox {
    prefix: String,
    next_token: AtomicU64,
    waiting: Arc<Mutex<Waits>>,
}

type Waits = HashMap<String, Waiting>;

struct Waiting {
    last: oneshot::Sender<Answer>,
    progress: Option<mpsc::Sender<Envelope>>,
}

impl Inbox {
    /// An inbox with a prefix that no other has.
    pub(crate) fn new() -> Self {
        Self {
            prefix: format!("_INBOX.{:032x}", rand::random::<u128>()),
            next_token: AtomicU64::new(1),
            waiting: Arc::default(),
        }
    }

    /// The pattern that covers all addresses of the inbox.
    pub(crate) fn pattern(&self) -> String {
        format!("{}.*", self.prefix)
    }

    /// Starts to wait for the answers to a request.
    pub(crate) fn open(&self, progress: Option<mpsc::Sender<Envelope>>) -> Awaited {
        let token = self.next_token.fetch_add(1, Ordering::Relaxed);
        let address = format!("{}.{token:x}", self.prefix);
        let (last, answer) = oneshot::channel();
        lock(&self.waiting).insert(address.clone(), Waiting { last, progress });
        Awaited {
            address,
            answer,
            waiting: Arc::clone(&self.waiting),
        }
    }

    /// Takes in what was sent to an address of the inbox.
    pub(crate) fn arrive(&self, address: &str, envelope: Envelope) {
        if envelope.kind() == Kind::Progress {
            let progress = lock(&self.waiting)
                .get(address)
                .and_then(|waiting| waiting.progress.clone());
            if let Some(progress) = progress
                && progress.try_send(envelope).is_err()
            {
                tracing::debug!(address, "progress was dropped: nobody reads it fast enough");
            }
            return;
        }
        self.end(address, Answer::Reply(Box::new(envelope)));
    }

    /// Ends a wait since nobody was there to be asked.
    pub(crate) fn nobody_listens(&self, address: &str) {
        self.end(address, Answer::NobodyListens);
    }

    /// Ends every wait since the bus is out of reach.
    pub(crate) fn lose_all(&self) {
        let lost = std::mem::take(&mut *lock(&self.waiting));
        for waiting in lost.into_values() {
            // A requester that has given up meanwhile needs no answer.
            drop(waiting.last.send(Answer::Disconnected));
        }
    }

    fn end(&self, address: &str, answer: Answer) {
        let found = lock(&self.waiting).remove(address);
        if let Some(waiting) = found {
            // A requester that has given up meanwhile needs no answer.
            drop(waiting.last.send(answer));
        }
    }
}

/// One wait. Dropping it ends it.
pub(crate) struct Awaited {
    address: String,
    answer: oneshot::Receiver<Answer>,
    waiting: Arc<Mutex<Waits>>,
}

impl Awaited {
    /// Where answers are to be sent.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The end of the wait.
    pub(crate) async fn answer(&mut self) -> Answer {
        // The sender goes without a word only when the whole inbox goes.
        (&mut self.answer).await.unwrap_or(Answer::Disconnected)
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        lock(&self.waiting).remove(&self.address);
    }
}

fn lock(waits: &Mutex<Waits>) -> MutexGuard<'_, Waits> {
    // Nothing that is done under the lock can leave the map half changed.
    waits.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_that_is_dropped_is_forgotten() {
        let inbox = Inbox::new();
        let awaited = inbox.open(None);
        let address = awaited.address().to_owned();
        drop(awaited);
        assert!(lock(&inbox.waiting).is_empty());
        inbox.arrive(&address, Envelope::default());
    }

    #[tokio::test]
    async fn an_outage_ends_every_wait() {
        let inbox = Inbox::new();
        let (mut first, mut second) = (inbox.open(None), inbox.open(None));
        inbox.lose_all();
        assert!(matches!(first.answer().await, Answer::Disconnected));
        assert!(matches!(second.answer().await, Answer::Disconnected));
    }

    #[tokio::test]
    async fn progress_that_nobody_reads_holds_up_nothing() {
        let inbox = Inbox::new();
        let (sender, _unread) = mpsc::channel(1);
        let mut awaited = inbox.open(Some(sender));
        let address = awaited.address().to_owned();
        for _ in 0..3 {
            let progress = Envelope {
                kind: Kind::Progress.into(),
                ..Envelope::default()
            };
            inbox.arrive(&address, progress);
        }
        inbox.arrive(&address, Envelope::default());
        assert!(matches!(awaited.answer().await, Answer::Reply(_)));
    }
}
