//! The event bus: hints between servers, and the commands and replies of agents.
//!
//! The bus may lose, repeat and reorder whatever it carries, and it may be wiped while the system
//! runs. Nothing depends on it but speed: each fact that a hint tells of stands in the database,
//! where a sweep finds it, and each command that is lost is sent again by the process that waits
//! for its reply.
//!
//! ```text
//!   publish ----> every subscriber of the subject, and one member of each queue group of it
//!   request ----> the same; the answers come back: progress any number of times, then one reply
//! ```
//!
//! Two implementations pass one suite ([`conformance`]): [`NatsBus`] over NATS, and [`MemoryBus`] inside
//! one operating-system process.

mod announce;
pub mod conformance;
mod inbox;
mod memory;
mod meter;
mod nats;
mod nats_options;
mod subject;

use std::time::Duration;

use async_trait::async_trait;
use drover_metrics::CounterHandle;
use drover_proto::v1::Envelope;
use prost::Message;
use tokio::sync::mpsc;

pub use announce::{Announcer, ended_in};
pub use memory::MemoryBus;
pub use nats::NatsBus;
pub use nats_options::NatsOptions;
pub use subject::{Subject, Subscribe};

/// Carries envelopes from those who publish to those who subscribe.
#[async_trait]
pub trait EventBus: Send + Sync + 'static {
    /// Hands an envelope to the bus. Success says that it was taken, not that it arrived; while the
    /// bus is out of reach envelopes are dropped and an error says so.
    ///
    /// # Errors
    /// [`BusError::Disconnected`] when the bus is out of reach, [`BusError::TooLarge`].
    async fn publish(&self, subject: &Subject, envelope: Envelope) -> Result<(), BusError>;

    /// Receives from now on what is published to the subjects. The subscription outlives outages of
    /// the bus: what is published meanwhile is lost, what comes after is received. It may also be
    /// made during an outage.
    ///
    /// # Errors
    /// [`BusError::Disconnected`] when the bus was closed for good.
    async fn subscribe(&self, to: Subscribe) -> Result<Subscription, BusError>;

    /// Publishes an envelope and waits for its reply, at most for `timeout`. Each progress envelope
    /// on the way is handed to `progress`, if there is one, and is dropped where that is full.
    ///
    /// # Errors
    /// [`BusError::NobodyListens`] at once where the subject has no subscriber,
    /// [`BusError::TimedOut`], [`BusError::Disconnected`] (also when the bus went out of reach while
    /// the answer was awaited), [`BusError::TooLarge`].
    async fn request(
        &self,
        subject: &Subject,
        envelope: Envelope,
        timeout: Duration,
        progress: Option<mpsc::Sender<Envelope>>,
    ) -> Result<Envelope, BusError>;

    /// Answers a request that was received. An envelope of kind `KIND_PROGRESS` announces more; any
    /// other is the last answer.
    ///
    /// # Errors
    /// [`BusError::NotARequest`] when nobody asked, [`BusError::Disconnected`],
    /// [`BusError::TooLarge`].
    async fn answer(&self, request: &Envelope, answer: Envelope) -> Result<(), BusError>;

    /// Whether the bus is within reach now.
    fn is_connected(&self) -> bool;
}

/// Envelopes as they arrive. Ends when the bus is closed for good; dropping it unsubscribes.
pub struct Subscription {
    receiver: mpsc::Receiver<Envelope>,
    received: CounterHandle,
}

impl Subscription {
    /// A subscription that yields what is sent to the channel.
    pub fn new(receiver: mpsc::Receiver<Envelope>) -> Self {
        Self {
            receiver,
            received: CounterHandle::noop(),
        }
    }

    /// The same, whose envelopes are counted.
    fn counted(to: &Subscribe, receiver: mpsc::Receiver<Envelope>) -> Self {
        Self {
            receiver,
            received: meter::received(to.topic()),
        }
    }

    /// The next envelope; none once the bus is closed. Safe to cancel.
    pub async fn next(&mut self) -> Option<Envelope> {
        let envelope = self.receiver.recv().await?;
        self.received.increment(1);
        Some(envelope)
    }
}

/// The size in bytes that no encoded envelope may exceed: what NATS takes unless told otherwise.
pub const LARGEST_ENVELOPE: usize = 1024 * 1024;

/// Refuses an envelope that the bus cannot carry.
fn check_size(envelope: &Envelope) -> Result<(), BusError> {
    let bytes = envelope.encoded_len();
    if bytes > LARGEST_ENVELOPE {
        return Err(BusError::TooLarge { bytes });
    }
    Ok(())
}

/// Why the bus did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The bus is out of reach.
    #[error("the event bus is out of reach")]
    Disconnected {
        /// What the client of the bus says, if it says anything.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Nobody is subscribed to the subject of a request.
    #[error("nobody listens to `{0}`")]
    NobodyListens(String),
    /// No reply came in time.
    #[error("no reply within {0:?}")]
    TimedOut(Duration),
    /// The envelope that was to be answered is no request.
    #[error("the envelope expects no answer")]
    NotARequest,
    /// The envelope is larger than [`LARGEST_ENVELOPE`].
    #[error("an envelope of {bytes} bytes is too large for the event bus")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The address of the bus, or its credentials, cannot be used.
    #[error("the event bus cannot be used as configured: {0}")]
    Configuration(String),
}
