//! A WebSocket that is told of changes, an event a message.
//!
//! What is sent goes out as far as the socket takes it; one that takes nothing for too long is cut,
//! and cannot be told so. What the client sends is read only for the answers to pings.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use drover_store::Position;
use futures::{SinkExt, StreamExt};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::event::Ending;
use super::form::Told;
use super::outlet::{Outlet, Telling};

/// How often the client is asked whether it is there.
const PING: Duration = Duration::from_secs(15);
/// How long it may say nothing.
const SILENCE: Duration = Duration::from_secs(50);
/// How long the last message may take.
const FAREWELL: Duration = Duration::from_secs(1);
/// "Going away", for a server that ends, and "try again later", for a watch that is cut.
const GOING_AWAY: u16 = 1001;
const TRY_AGAIN: u16 = 1013;

/// A WebSocket of one who watches.
pub(super) struct Socket {
    socket: WebSocket,
    patience: Duration,
    heard: Instant,
    pings: tokio::time::Interval,
}

impl Socket {
    pub(super) fn new(socket: WebSocket, patience: Duration) -> Self {
        let mut pings = interval(PING);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            socket,
            patience,
            heard: Instant::now(),
            pings,
        }
    }

    /// Messages one after the other; they leave together.
    async fn send(&mut self, messages: impl Iterator<Item = Bytes>) -> Result<(), Ending> {
        let sending = async {
            for text in messages {
                // Events are written as text.
                let text = Utf8Bytes::try_from(text).unwrap_or_default();
                self.socket.feed(Message::Text(text)).await?;
            }
            self.socket.flush().await
        };
        match timeout(self.patience, sending).await {
            Ok(sent) => sent.map_err(|_: axum::Error| Ending::Left),
            Err(_) => Err(Ending::Slow),
        }
    }
}

impl Outlet for Socket {
    /// Pings show that it is alive.
    fn beat(&self) -> Option<Duration> {
        None
    }

    async fn tell(&mut self, telling: Telling<'_>, _: Option<Position>) -> Result<(), Ending> {
        match telling {
            Telling::Page(page, choice) => {
                let indexes = choice.indexes(page.changes.len());
                self.send(indexes.into_iter().map(|index| page.json(index)))
                    .await
            }
            Telling::Events(told) => {
                let messages: Vec<Bytes> = told
                    .iter()
                    .map(|told| Bytes::copy_from_slice(told.json.as_bytes()))
                    .collect();
                self.send(messages.into_iter()).await
            }
        }
    }

    async fn keep_alive(&mut self, _: Option<Position>) -> Result<(), Ending> {
        Ok(())
    }

    async fn left(&mut self) {
        loop {
            tokio::select! {
                // What was heard comes first: one who was told much had no time to listen.
                biased;
                message = self.socket.next() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                    Some(Ok(_)) => self.heard = Instant::now(),
                },
                _ = self.pings.tick() => {
                    let is_silent = self.heard.elapsed() > SILENCE;
                    let ping = self.socket.send(Message::Ping(Bytes::new()));
                    let pinged = timeout(self.patience, ping).await;
                    if is_silent || !matches!(pinged, Ok(Ok(()))) {
                        return;
                    }
                }
            }
        }
    }

    async fn end(mut self, ending: Ending, position: Option<Position>) {
        if matches!(ending, Ending::Left | Ending::Slow) {
            return;
        }
        let last = Told::of(&ending.event(position));
        let close = CloseFrame {
            code: match ending {
                Ending::Shutdown => GOING_AWAY,
                _ => TRY_AGAIN,
            },
            reason: Utf8Bytes::default(),
        };
        let ending = async {
            self.socket.feed(Message::text(last.json)).await?;
            self.socket.send(Message::Close(Some(close))).await
        };
        if let Ok(Err(error)) = timeout(FAREWELL, ending).await {
            tracing::debug!(%error, "a watch could not be told that it is over");
        }
    }
}
