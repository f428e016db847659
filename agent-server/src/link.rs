//! The frames of one WebSocket, and whether the other side is alive.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use drover_metrics::CounterHandle;
use drover_proto::v1::{AgentFrame, ServerFrame, server_frame};
use futures::stream::SplitSink;
use futures::{SinkExt, StreamExt};
use prost::Message as _;
use tokio::time::{Instant, timeout};

use crate::meter::Meter;

/// How long a frame may take to be written. An agent that does not read for so long is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the agent closed the connection")]
    Closed,
    #[error("the connection failed")]
    Failed(#[source] axum::Error),
    #[error("the agent sent nothing for {0:?}")]
    Silent(Duration),
    #[error("the agent does not read what it is sent")]
    Stuck,
    #[error("the host was removed")]
    Retired,
    #[error("the agent sent a frame that cannot be read")]
    Unreadable,
}

/// The receiving half.
pub(crate) struct Receiver {
    stream: futures::stream::SplitStream<WebSocket>,
    silence: Duration,
    heard: Instant,
    frames: CounterHandle,
}

/// The sending half.
pub(crate) struct Sender {
    sink: SplitSink<WebSocket, Message>,
    frames: CounterHandle,
}

/// Both halves of a connection whose other side may be silent for so long.
pub(crate) fn split(socket: WebSocket, silence: Duration, meter: &Meter) -> (Sender, Receiver) {
    let (sink, stream) = socket.split();
    (
        Sender {
            sink,
            frames: meter.frames_out.clone(),
        },
        Receiver {
            stream,
            silence,
            heard: Instant::now(),
            frames: meter.frames_in.clone(),
        },
    )
}

impl Receiver {
    /// The next frame. Signs of life are taken in on the way. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Result<AgentFrame, Ended> {
        loop {
            let until = self.heard + self.silence;
            let message = match tokio::time::timeout_at(until, self.stream.next()).await {
                Err(_) => return Err(Ended::Silent(self.silence)),
                Ok(None) => return Err(Ended::Closed),
                Ok(Some(message)) => message.map_err(Ended::Failed)?,
            };
            self.heard = Instant::now();
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

impl Sender {
    /// Sends a frame.
    pub(crate) async fn send(&mut self, content: server_frame::Content) -> Result<(), Ended> {
        let frame = ServerFrame {
            content: Some(content),
        };
        let message = Message::Binary(frame.encode_to_vec().into());
        self.frames.increment(1);
        match timeout(WRITE_TIMEOUT, self.sink.send(message)).await {
            Err(_) => Err(Ended::Stuck),
            Ok(sent) => sent.map_err(Ended::Failed),
        }
    }

    /// Says farewell, with the reason; an agent that is gone does not hear it.
    pub(crate) async fn close(&mut self, reason: &'static str) {
        let frame = CloseFrame {
            code: close_code::AWAY,
            reason: reason.into(),
        };
        let closing = self.sink.send(Message::Close(Some(frame)));
        if let Ok(Err(error)) = timeout(Duration::from_secs(1), closing).await {
            tracing::debug!(%error, "the agent was gone before it could be told");
        }
    }
}
