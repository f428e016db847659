//! The bus over NATS.
//!
//! ```text
//!   publish ----> the client's send queue (bounded) ----> the server
//!   subscribe --> one forwarder each: NATS message -> Envelope -> Subscription
//!   request ----> with an address of the shared inbox; one forwarder takes all answers in
//! ```
//!
//! - *Start.* The connection is made in the background and for ever, so a server starts while NATS
//!   is down. Subscriptions made meanwhile are made good when it comes.
//! - *Outage.* The client would buffer and, when its buffer is full, wait. Neither is wanted of a bus
//!   that carries hints: while the connection is down, publishing fails at once, and requests that
//!   wait for an answer end as [`BusError::Disconnected`], as their answers are lost in all likelihood.
//! - *Return.* The client reconnects with a growing, jittered pause and subscribes again by itself. It
//!   relies on nothing that the NATS server keeps, so a server with an empty disk is as good.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, Event, Message, StatusCode, Subscriber};
use async_trait::async_trait;
use bytes::Bytes;
use drover_proto::v1::Envelope;
use drover_proto::v1::envelope::Kind;
use futures::StreamExt;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::inbox::{Answer, Inbox};
use crate::meter::Meter;
use crate::nats_options::{NatsOptions, addresses, connect_options};
use crate::{BusError, EventBus, Subject, Subscribe, Subscription, check_size};

/// How long a publisher waits for room in the send queue of a connection that is up.
const PATIENCE: Duration = Duration::from_millis(100);

/// How long [`NatsBus::connect`] waits for the first connection before it goes on without.
const FIRST_CONNECTION: Duration = Duration::from_secs(1);

/// How long a new subscription waits for the server to have taken note of it.
const NOTICE: Duration = Duration::from_secs(1);

/// Envelopes between a forwarder and its subscription; the queue that counts is the client's.
const HAND_OVER: usize = 64;

/// A connection to NATS. Dropping it ends its subscriptions and closes it.
pub struct NatsBus {
    client: Client,
    inbox: Arc<Inbox>,
    meter: Meter,
    dropped: Arc<AtomicU64>,
    closing: CancellationToken,
    _close_on_drop: DropGuard,
}

impl NatsBus {
    /// Connects. When no server is within reach within a second, the bus is handed out
    /// nevertheless, and goes on trying in the background for as long as it exists.
    ///
    /// # Errors
    /// [`BusError::Configuration`] when the addresses make no sense.
    pub async fn connect(options: NatsOptions) -> Result<Self, BusError> {
        let addresses = addresses(&options)?;
        let inbox = Arc::new(Inbox::new());
        let dropped = Arc::new(AtomicU64::new(0));
        let meter = Meter::new();
        let (up, mut is_up) = watch::channel(false);
        let watcher = Arc::new(Watcher {
            up,
            inbox: Arc::clone(&inbox),
            meter: meter.clone(),
            dropped: Arc::clone(&dropped),
        });
        let client = connect_options(&options)
            .event_callback(move |event| {
                let watcher = Arc::clone(&watcher);
                async move { watcher.see(&event) }
            })
            .connect(addresses)
            .await
            .map_err(|error| BusError::Configuration(error.kind().to_string()))?;
        let closing = CancellationToken::new();
        let answers = client
            .subscribe(inbox.pattern())
            .await
            .map_err(disconnected)?;
        tokio::spawn(take_answers(answers, Arc::clone(&inbox), closing.clone()));
        let first_connection = is_up.wait_for(|up| *up);
        if tokio::time::timeout(FIRST_CONNECTION, first_connection)
            .await
            .is_err()
        {
            tracing::warn!("NATS is out of reach; the event bus comes up when it does");
        }
        Ok(Self {
            client,
            inbox,
            meter,
            dropped,
            _close_on_drop: closing.clone().drop_guard(),
            closing,
        })
    }

    /// How many envelopes were lost since a subscriber was too slow.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Hands a message to the client, unless the connection is down or stands still.
    async fn send(
        &self,
        subject: String,
        reply_to: Option<String>,
        envelope: &Envelope,
    ) -> Result<(), BusError> {
        check_size(envelope)?;
        if !self.is_connected() {
            return Err(BusError::Disconnected { source: None });
        }
        let payload = Bytes::from(envelope.encode_to_vec());
        let sending = async {
            match reply_to {
                None => self.client.publish(subject, payload).await,
                Some(address) => {
                    self.client
                        .publish_with_reply(subject, address, payload)
                        .await
                }
            }
        };
        match tokio::time::timeout(PATIENCE, sending).await {
            Ok(sent) => sent.map_err(disconnected),
            Err(full) => Err(disconnected(full)),
        }
    }

    /// Returns when the server has dealt with everything that this connection sent before: an
    /// envelope to ourselves has come back.
    async fn come_round(&self) -> Result<(), BusError> {
        let mut awaited = self.inbox.open(None);
        let address = awaited.address().to_owned();
        self.send(address, None, &Envelope::default()).await?;
        match tokio::time::timeout(NOTICE, awaited.answer()).await {
            Ok(Answer::Reply(_)) => Ok(()),
            _ => Err(BusError::Disconnected { source: None }),
        }
    }
}

#[async_trait]
impl EventBus for NatsBus {
    async fn publish(&self, subject: &Subject, envelope: Envelope) -> Result<(), BusError> {
        let sent = self.send(subject.to_string(), None, &envelope).await;
        self.meter.sent(subject, &sent);
        sent
    }

    async fn subscribe(&self, to: Subscribe) -> Result<Subscription, BusError> {
        let pattern = to.pattern().to_owned();
        let subscribing = async {
            match to.group() {
                None => self.client.subscribe(pattern).await,
                Some(group) => self.client.queue_subscribe(pattern, group.to_owned()).await,
            }
        };
        let subscriber = tokio::time::timeout(PATIENCE, subscribing)
            .await
            .map_err(disconnected)?
            .map_err(disconnected)?;
        if let Err(error) = self.come_round().await {
            let error: &dyn std::error::Error = &error;
            tracing::debug!(
                error,
                pattern = to.pattern(),
                "subscribed for when NATS is within reach"
            );
        }
        let (sender, receiver) = mpsc::channel(HAND_OVER);
        tokio::spawn(forward(subscriber, sender, self.closing.clone()));
        Ok(Subscription::counted(&to, receiver))
    }

    async fn request(
        &self,
        subject: &Subject,
        mut envelope: Envelope,
        timeout: Duration,
        progress: Option<mpsc::Sender<Envelope>>,
    ) -> Result<Envelope, BusError> {
        let asking = async {
            let mut awaited = self.inbox.open(progress);
            let address = awaited.address().to_owned();
            envelope.reply_to.clone_from(&address);
            envelope.set_kind(Kind::Request);
            let sent = self
                .send(subject.to_string(), Some(address), &envelope)
                .await;
            self.meter.sent(subject, &sent);
            sent?;
            match awaited.answer().await {
                Answer::Reply(envelope) => Ok(*envelope),
                Answer::NobodyListens => Err(BusError::NobodyListens(subject.to_string())),
                Answer::Disconnected => Err(BusError::Disconnected { source: None }),
            }
        };
        let bounded = async {
            tokio::time::timeout(timeout, asking)
                .await
                .unwrap_or(Err(BusError::TimedOut(timeout)))
        };
        self.meter.measure(bounded).await
    }

    async fn answer(&self, request: &Envelope, answer: Envelope) -> Result<(), BusError> {
        if request.reply_to.is_empty() {
            return Err(BusError::NotARequest);
        }
        self.send(request.reply_to.clone(), None, &answer).await
    }

    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }
}

/// Sees what becomes of the connection.
struct Watcher {
    up: watch::Sender<bool>,
    inbox: Arc<Inbox>,
    meter: Meter,
    dropped: Arc<AtomicU64>,
}

impl Watcher {
    fn see(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.up.send_replace(true);
                tracing::info!("connected to NATS");
            }
            Event::Disconnected => {
                self.up.send_replace(false);
                self.inbox.lose_all();
                tracing::warn!(
                    "the connection to NATS is lost; hints are dropped until it is back"
                );
            }
            Event::SlowConsumer(subscription) => {
                self.meter.dropped(1);
                let total = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::debug!(subscription, total, "a slow subscriber lost an envelope");
            }
            Event::ServerError(error) => {
                tracing::warn!(error = %error, "the NATS server complains");
            }
            other => tracing::debug!(event = %other, "event of the NATS client"),
        }
    }
}

/// Carries what arrives for one subscription, until either side of it is gone.
async fn forward(
    mut subscriber: Subscriber,
    sender: mpsc::Sender<Envelope>,
    closing: CancellationToken,
) {
    loop {
        // Waiting for room first leaves the messages in the client's queue, which is the bounded one.
        let room = tokio::select! {
            room = sender.reserve() => room,
            () = closing.cancelled() => return,
        };
        let Ok(room) = room else { return };
        let message = tokio::select! {
            message = subscriber.next() => message,
            () = sender.closed() => return,
            () = closing.cancelled() => return,
        };
        let Some(message) = message else { return };
        if let Some(envelope) = read(message) {
            room.send(envelope);
        }
    }
}

/// Takes in the answers to all requests.
async fn take_answers(mut answers: Subscriber, inbox: Arc<Inbox>, closing: CancellationToken) {
    loop {
        let message = tokio::select! {
            message = answers.next() => message,
            () = closing.cancelled() => return,
        };
        let Some(message) = message else { return };
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            inbox.nobody_listens(message.subject.as_str());
            continue;
        }
        let address = message.subject.to_string();
        if let Some(envelope) = read(message) {
            inbox.arrive(&address, envelope);
        }
    }
}

fn read(message: Message) -> Option<Envelope> {
    match Envelope::decode(message.payload) {
        Ok(envelope) => Some(envelope),
        Err(error) => {
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, subject = %message.subject, "what arrived is no envelope");
            None
        }
    }
}

fn disconnected(source: impl std::error::Error + Send + Sync + 'static) -> BusError {
    BusError::Disconnected {
        source: Some(Box::new(source)),
    }
}
