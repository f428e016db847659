//! Two sockets that are one stream: what comes out of either goes into the other, message by message.
//!
//! Nothing is read that has not been handed on, so whoever does not read is not written to, back to the
//! one that writes. The two directions do not wait for one another. Both end when either does; a side
//! that is left is told why, and then has a moment to take what was sent.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use drover_domain::stream::Control;
use drover_proto::stream::code as kind;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// After so long without a message the other side is shown that the stream is alive.
const PING: Duration = Duration::from_secs(15);
/// How long the last words may take, and how long they may take to arrive.
const FAREWELL: Duration = Duration::from_secs(2);

/// What ends a stream from outside.
pub(super) struct Ends {
    /// The agent may not be connected any more.
    pub(super) agent: CancellationToken,
    /// The server stops.
    pub(super) server: CancellationToken,
}

/// Why one direction has come to its end.
enum End {
    /// Whoever writes has said that this was all.
    Finished,
    /// Whoever writes has said what went wrong.
    Failed,
    /// The connection of whoever writes broke, or was closed before the end.
    Broken,
    /// What was written is no message of a stream.
    Unsound,
    /// Whoever reads takes no more.
    NotTaken,
}

type Reading = SplitStream<WebSocket>;
type Writing = SplitSink<WebSocket, Message>;

/// Passes messages on until either side ends, or something else ends both.
pub(super) async fn run(client: WebSocket, agent: WebSocket, ends: Ends) {
    let (mut to_client, mut from_client) = client.split();
    let (mut to_agent, mut from_agent) = agent.split();
    let lost = |reason: &'static str| Some((kind::LOST, reason));
    let mut code = close_code::NORMAL;
    let told = tokio::select! {
        end = pass(&mut from_agent, &mut to_client) => match end {
            End::Finished | End::NotTaken => None,
            End::Failed => {
                code = close_code::ERROR;
                None
            }
            End::Broken => lost("the connection to the agent of the host broke"),
            End::Unsound => Some((kind::FAILED, "the agent sent what is no message of a stream")),
        },
        // Who reads has gone, or says what nobody may: there is nobody to be told.
        _ = pass(&mut from_client, &mut to_agent) => None,
        () = ends.agent.cancelled() => lost("the agent of the host may not be connected any more"),
        () = ends.server.cancelled() => lost("the agent server is stopping"),
    };
    if told.is_some() {
        code = close_code::ERROR;
    }
    tokio::join!(
        part(to_client, from_client, code, told),
        part(to_agent, from_agent, close_code::NORMAL, None),
    );
}

/// Passes messages on in one direction.
async fn pass(from: &mut Reading, to: &mut Writing) -> End {
    loop {
        let message = match timeout(PING, from.next()).await {
            Err(_) => Message::Ping(Bytes::new()),
            Ok(Some(Ok(message @ Message::Binary(_)))) => message,
            // Pings are answered by the library.
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            Ok(Some(Ok(Message::Close(Some(frame))))) if frame.code == close_code::NORMAL => {
                return End::Finished;
            }
            Ok(Some(Ok(Message::Close(Some(frame))))) if frame.code == close_code::ERROR => {
                return End::Failed;
            }
            Ok(Some(Ok(Message::Text(_)))) => return End::Unsound,
            Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) => return End::Broken,
        };
        if to.send(message).await.is_err() {
            return End::NotTaken;
        }
    }
}

/// Says the last words to one side. What it sends meanwhile is read, for a connection that is closed
/// with something unread is cut, and what was sent last is lost with it.
async fn part(mut to: Writing, mut from: Reading, code: u16, told: Option<(&str, &str)>) {
    let farewell = async {
        if let Some((what, reason)) = told {
            let error = Control::error(what, reason).to_message();
            to.send(Message::Binary(error.into())).await?;
        }
        let close = CloseFrame {
            code,
            reason: Utf8Bytes::default(),
        };
        to.send(Message::Close(Some(close))).await?;
        while let Some(Ok(_)) = from.next().await {}
        Ok::<_, axum::Error>(())
    };
    if let Ok(Err(error)) = timeout(FAREWELL, farewell).await {
        tracing::debug!(%error, "one side of a stream was gone before it could be told");
    }
}
