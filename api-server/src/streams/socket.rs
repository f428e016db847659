//! A stream as a WebSocket: the client is given the very messages of the agent, and the agent those of
//! the client.
//!
//! As everywhere on its way, a message is handed on before the next one is read, and the two directions
//! do not wait for one another.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::response::Response;
use drover_domain::stream::Control;
use drover_domain::stream::frame::MESSAGE_LIMIT;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;

use super::standing::{FAREWELL, Standing};
use super::told::revoked;
use super::upstream::{Said, Socket, Upstream, lost, said_by};

/// After so long without a message the other side is shown that the stream is alive.
const PING: Duration = Duration::from_secs(15);
/// What the socket of a client reads into, in bytes.
const READ_BUFFER: usize = 16 * 1024;

/// Attaches a client to a stream.
pub(crate) fn attach(
    upgrade: WebSocketUpgrade,
    upstream: Upstream,
    standing: Standing,
) -> Response {
    upgrade
        .max_frame_size(MESSAGE_LIMIT)
        .max_message_size(MESSAGE_LIMIT)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .on_upgrade(async move |client| run(client, upstream, standing).await)
}

/// Why what a client is told has come to its end.
enum End {
    /// That was all.
    Finished,
    /// With an error that it has not been told of.
    Broken(Control),
    /// It takes no more.
    Gone,
}

async fn run(client: WebSocket, upstream: Upstream, standing: Standing) {
    let Upstream { socket, _place } = upstream;
    let (mut to_client, mut from_client) = client.split();
    let (mut to_host, mut from_host) = socket.split();
    let end = tokio::select! {
        end = tell(&mut from_host, &mut to_client) => end,
        () = hear(&mut from_client, &mut to_host) => End::Gone,
        () = standing.lost() => End::Broken(revoked()),
    };
    let leave = async {
        let closed = timeout(FAREWELL, to_host.close()).await;
        if let Ok(Err(error)) = closed {
            tracing::debug!(%error, "the agent server was gone before the end of a stream");
        }
    };
    tokio::join!(part(to_client, from_client, end), leave);
}

/// What the agent says, to the client.
async fn tell(from: &mut SplitStream<Socket>, to: &mut SplitSink<WebSocket, Message>) -> End {
    loop {
        let message = match said_by(from).await {
            Said::End => return End::Finished,
            Said::Lost => return End::Broken(lost()),
            Said::Alive => Message::Ping(Bytes::new()),
            Said::Message(message) => Message::Binary(message),
        };
        if to.send(message).await.is_err() {
            return End::Gone;
        }
    }
}

/// What the client says, to the agent, until it is gone.
async fn hear(from: &mut SplitStream<WebSocket>, to: &mut SplitSink<Socket, tungstenite::Message>) {
    loop {
        let message = match timeout(PING, from.next()).await {
            Err(_) => tungstenite::Message::Ping(Bytes::new()),
            Ok(Some(Ok(Message::Binary(message)))) => tungstenite::Message::Binary(message),
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            // There is no text in a stream.
            Ok(Some(Ok(Message::Text(_) | Message::Close(_)) | Err(_)) | None) => return,
        };
        if to.send(message).await.is_err() {
            return;
        }
    }
}

/// Says the last words, and reads until they have arrived: a connection that is closed with something
/// unread is cut, and what was sent last is lost with it.
async fn part(mut to: SplitSink<WebSocket, Message>, mut from: SplitStream<WebSocket>, end: End) {
    let (code, error) = match end {
        End::Gone | End::Finished => (close_code::NORMAL, None),
        End::Broken(error) => (close_code::ERROR, Some(error)),
    };
    let farewell = async {
        if let Some(error) = error {
            to.send(Message::Binary(error.to_message().into())).await?;
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
        tracing::debug!(%error, "a client was gone before the end of its stream");
    }
}
