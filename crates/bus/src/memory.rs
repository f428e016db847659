//! The bus inside one operating-system process.
//!
//! ```text
//!   publish --> directory: who subscribed? --> deliver --> a bounded queue for each subscription
//!   request --> the same, with an address of the inbox; answers go to the inbox, past the directory
//! ```
//!
//! It behaves as NATS does, also where that hurts: a queue that is full loses what comes next, a
//! queue group gives each envelope to a member by chance, a request that nobody hears fails at
//! once. Publishing never waits for a subscriber. Everything that is delivered goes through
//! `Directory::deliver`, which is the place for a plan of faults (drop, delay, repeat).

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use drover_proto::v1::Envelope;
use drover_proto::v1::envelope::Kind;
use rand::RngExt;
use tokio::sync::mpsc;

use crate::inbox::{Answer, Inbox};
use crate::meter::Meter;
use crate::{BusError, EventBus, Subject, Subscribe, Subscription, check_size};

/// Envelopes that a subscription holds before it loses some.
const QUEUE: usize = 8192;

/// Subscriptions that may come before the first sweep for those that are gone.
const FIRST_SWEEP: usize = 64;

/// A bus for one process. Clones are the same bus.
#[derive(Clone)]
pub struct MemoryBus {
    shared: Arc<Shared>,
}

struct Shared {
    directory: Mutex<Directory>,
    inbox: Inbox,
    meter: Meter,
    dropped: AtomicU64,
    queue: usize,
}

impl MemoryBus {
    /// A bus that nobody uses yet.
    pub fn new() -> Self {
        Self::with_queue(QUEUE)
    }

    /// A bus whose subscriptions hold at most `queue` envelopes that were not read yet.
    pub fn with_queue(queue: usize) -> Self {
        let shared = Shared {
            directory: Mutex::new(Directory::new()),
            inbox: Inbox::new(),
            meter: Meter::new(),
            dropped: AtomicU64::new(0),
            queue: queue.max(1),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// How many envelopes were lost to full queues so far.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
        // Nothing that is done under the lock can leave the directory half changed.
        self.shared
            .directory
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn send(&self, subject: &Subject, envelope: Envelope) -> Reach {
        let reach = self.directory().deliver(subject, envelope);
        self.shared.meter.published(subject);
        if reach.dropped > 0 {
            self.shared.meter.dropped(reach.dropped);
            let total = self
                .shared
                .dropped
                .fetch_add(reach.dropped, Ordering::Relaxed);
            tracing::debug!(
                %subject,
                dropped = reach.dropped,
                total = total + reach.dropped,
                "slow subscribers lost envelopes"
            );
        }
        reach
    }

    async fn ask(
        &self,
        subject: &Subject,
        mut envelope: Envelope,
        timeout: Duration,
        progress: Option<mpsc::Sender<Envelope>>,
    ) -> Result<Envelope, BusError> {
        let mut awaited = self.shared.inbox.open(progress);
        envelope.reply_to = awaited.address().to_owned();
        envelope.set_kind(Kind::Request);
        check_size(&envelope)?;
        if self.send(subject, envelope).listeners == 0 {
            return Err(BusError::NobodyListens(subject.to_string()));
        }
        match tokio::time::timeout(timeout, awaited.answer()).await {
            Ok(Answer::Reply(envelope)) => Ok(*envelope),
            Ok(Answer::NobodyListens) => Err(BusError::NobodyListens(subject.to_string())),
            Ok(Answer::Disconnected) => Err(BusError::Disconnected { source: None }),
            Err(_) => Err(BusError::TimedOut(timeout)),
        }
    }
}

impl Default for MemoryBus {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl EventBus for MemoryBus {
    async fn publish(&self, subject: &Subject, envelope: Envelope) -> Result<(), BusError> {
        check_size(&envelope)?;
        self.send(subject, envelope);
        Ok(())
    }

    async fn subscribe(&self, to: Subscribe) -> Result<Subscription, BusError> {
        let (sender, receiver) = mpsc::channel(self.shared.queue);
        let subscription = Subscription::counted(&to, receiver);
        self.directory().add(to, sender);
        Ok(subscription)
    }

    async fn request(
        &self,
        subject: &Subject,
        envelope: Envelope,
        timeout: Duration,
        progress: Option<mpsc::Sender<Envelope>>,
    ) -> Result<Envelope, BusError> {
        let asking = self.ask(subject, envelope, timeout, progress);
        self.shared.meter.measure(asking).await
    }

    async fn answer(&self, request: &Envelope, answer: Envelope) -> Result<(), BusError> {
        if request.reply_to.is_empty() {
            return Err(BusError::NotARequest);
        }
        check_size(&answer)?;
        self.shared.inbox.arrive(&request.reply_to, answer);
        Ok(())
    }

    fn is_connected(&self) -> bool {
        true
    }
}

/// What became of an envelope.
struct Reach {
    /// Subscriptions, and members of groups, that it was for.
    listeners: usize,
    /// Those of them whose queues were full.
    dropped: u64,
}

/// Who subscribed to what.
struct Directory {
    /// Subscriptions to one subject, by it: there is one for each host.
    exact: HashMap<String, Vec<Subscriber>>,
    /// Subscriptions to patterns: there are few.
    patterns: Vec<Subscriber>,
    /// Subscriptions added since the last sweep, and how many there may be before the next.
    added: usize,
    sweep_after: usize,
}

struct Subscriber {
    to: Subscribe,
    sender: mpsc::Sender<Envelope>,
}

impl Directory {
    fn new() -> Self {
        Self {
            exact: HashMap::new(),
            patterns: Vec::new(),
            added: 0,
            sweep_after: FIRST_SWEEP,
        }
    }

    fn add(&mut self, to: Subscribe, sender: mpsc::Sender<Envelope>) {
        self.added += 1;
        if self.added > self.sweep_after {
            self.sweep();
        }
        if to.pattern().contains('*') {
            self.patterns.push(Subscriber { to, sender });
        } else {
            self.exact
                .entry(to.pattern().to_owned())
                .or_default()
                .push(Subscriber { to, sender });
        }
    }

    /// Forgets subscriptions that were dropped. It runs each time that the directory may have
    /// doubled, so its cost is spread over the subscriptions that came.
    fn sweep(&mut self) {
        let open = |subscriber: &Subscriber| !subscriber.sender.is_closed();
        self.patterns.retain(open);
        self.exact.retain(|_, subscribers| {
            subscribers.retain(open);
            !subscribers.is_empty()
        });
        let left = self.patterns.len() + self.exact.values().map(Vec::len).sum::<usize>();
        self.added = 0;
        self.sweep_after = left.max(FIRST_SWEEP);
    }

    fn deliver(&self, subject: &Subject, envelope: Envelope) -> Reach {
        let exact = self.exact.get(subject.as_str());
        let matching = self
            .patterns
            .iter()
            .filter(|subscriber| subscriber.to.covers(subject))
            .chain(exact.into_iter().flatten())
            .filter(|subscriber| !subscriber.sender.is_closed());
        let mut receivers = Vec::new();
        let mut groups: HashMap<&'static str, Vec<&Subscriber>> = HashMap::new();
        for subscriber in matching {
            match subscriber.to.group() {
                None => receivers.push(subscriber),
                Some(group) => groups.entry(group).or_default().push(subscriber),
            }
        }
        for members in groups.into_values() {
            receivers.push(members[rand::rng().random_range(..members.len())]);
        }
        let mut reach = Reach {
            listeners: receivers.len(),
            dropped: 0,
        };
        for receiver in receivers {
            if receiver.sender.try_send(envelope.clone()).is_err() {
                reach.dropped += 1;
            }
        }
        reach
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use drover_domain::ResourceId;
    use uuid::Uuid;

    #[tokio::test]
    async fn a_slow_subscriber_loses_what_its_queue_cannot_hold_and_slows_nobody() {
        let bus = MemoryBus::with_queue(2);
        let mut slow = bus.subscribe(Subscribe::changed()).await.unwrap();
        for _ in 0..5 {
            bus.publish(&Subject::changed(), Envelope::default())
                .await
                .unwrap();
        }
        assert_eq!(bus.dropped(), 3);
        assert!(slow.next().await.is_some());
        assert!(slow.next().await.is_some());
    }

    #[tokio::test]
    async fn subscriptions_that_came_and_went_leave_nothing_behind() {
        let bus = MemoryBus::new();
        for number in 0..1_000 {
            let host = ResourceId::new(Uuid::from_u128(number));
            let subscription = bus.subscribe(Subscribe::host_commands(host)).await.unwrap();
            drop(subscription);
        }
        assert!(bus.directory().exact.len() <= 2 * FIRST_SWEEP);
    }

    #[tokio::test]
    async fn subscriptions_end_with_the_bus() {
        let bus = MemoryBus::new();
        let mut subscription = bus.subscribe(Subscribe::changed()).await.unwrap();
        drop(bus);
        assert!(subscription.next().await.is_none());
    }
}
