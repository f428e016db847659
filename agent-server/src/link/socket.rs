//! The WebSocket: one message a frame, in protobuf.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use drover_metrics::CounterHandle;
use drover_proto::v1::{AgentFrame, ServerFrame};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use prost::Message as _;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::tungstenite::{self, error::ProtocolError};

use super::{Ended, FAREWELL_TIMEOUT, Farewell, Link, WRITE_TIMEOUT};
use crate::allowance::Allowance;
use crate::meter::Meter;

/// The receiving half.
pub(crate) struct Receiver {
    stream: SplitStream<WebSocket>,
    silence: Duration,
    heard: Instant,
    pub(super) allowance: Allowance,
    frames: CounterHandle,
}

/// The sending half.
pub(crate) struct Sender {
    sink: SplitSink<WebSocket, Message>,
    frames: CounterHandle,
}

/// Both halves of a connection whose other side may be silent for so long.
pub(crate) fn split(socket: WebSocket, silence: Duration, meter: &Meter) -> Link {
    let (sink, stream) = socket.split();
    let now = Instant::now();
    Link {
        sender: super::Sender::Socket(Sender {
            sink,
            frames: meter.frames_out.clone(),
        }),
        receiver: super::Receiver::Socket(Receiver {
            stream,
            silence,
            heard: now,
            allowance: Allowance::of_frames(now),
            frames: meter.frames_in.clone(),
        }),
    }
}

impl Receiver {
    /// See [`Receiver::next`](super::Receiver::next).
    pub(super) async fn next(&mut self) -> Result<AgentFrame, Ended> {
        loop {
            self.allowance.wait().await;
            let until = self.heard + self.silence;
            let message = match timeout_at(until, self.stream.next()).await {
                Err(_) => return Err(Ended::Silent(self.silence)),
                Ok(None) => return Err(Ended::Closed),
                Ok(Some(message)) => message.map_err(failed)?,
            };
            self.heard = Instant::now();
            // Signs of life too: a million pings are read as slowly as a million frames.
            self.allowance.spend(1, length(&message), self.heard);
            match message {
                Message::Binary(bytes) => {
                    self.frames.increment(1);
                    return AgentFrame::decode(bytes).map_err(|_| Ended::Unreadable);
                }
                Message::Text(_) => return Err(Ended::Unreadable),
                Message::Close(_) => return Err(Ended::Closed),
                // Pings are answered by the library.
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
    }
}

fn length(message: &Message) -> usize {
    match message {
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Text(text) => text.len(),
        Message::Close(_) => 0,
    }
}

/// Why the next message could not be had. What is too large is known from its header: nothing of it
/// was read.
fn failed(error: axum::Error) -> Ended {
    let source = std::error::Error::source(&error);
    match source.and_then(|source| source.downcast_ref::<tungstenite::Error>()) {
        Some(tungstenite::Error::Capacity(_)) => Ended::TooLarge,
        // The last is what becomes of an agent that is killed: its connection ends without a word.
        Some(
            tungstenite::Error::ConnectionClosed
            | tungstenite::Error::AlreadyClosed
            | tungstenite::Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
        ) => Ended::Closed,
        Some(tungstenite::Error::Protocol(_) | tungstenite::Error::Utf8(_)) => Ended::Unreadable,
        _ => Ended::Failed(error),
    }
}

impl Sender {
    /// See [`Sender::send`](super::Sender::send).
    pub(super) async fn send(&mut self, frame: &ServerFrame) -> Result<(), Ended> {
        let message = Message::Binary(frame.encode_to_vec().into());
        self.frames.increment(1);
        match timeout(WRITE_TIMEOUT, self.sink.send(message)).await {
            Err(_) => Err(Ended::Stuck),
            Ok(sent) => sent.map_err(Ended::Failed),
        }
    }

    /// See [`Sender::close`](super::Sender::close).
    pub(super) async fn close(&mut self, farewell: Farewell) {
        let frame = CloseFrame {
            code: farewell.code,
            reason: farewell.reason.into(),
        };
        let closing = self.sink.send(Message::Close(Some(frame)));
        if let Ok(Err(error)) = timeout(FAREWELL_TIMEOUT, closing).await {
            tracing::debug!(%error, "the agent was gone before it could be told");
        }
    }
}
