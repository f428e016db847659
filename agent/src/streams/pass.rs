//! What passes between the connection of a stream and the runtime.
//!
//! Writing and reading do not wait for one another: a command that reads nothing until what it writes
//! is taken goes on, and so does the opposite. What was written in small pieces at once leaves in one
//! message. The server gives a sign of life each quarter of a minute; one that is silent for four of
//! these is gone.

use std::time::Duration;

use drover_domain::stream::frame::{self, CONTENT_LIMIT, channel_of};
use drover_domain::stream::{Channel, Control};
use drover_proto::stream::code;
use futures::stream::{BoxStream, SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tracing::debug;

use crate::dial::Socket;
use crate::runtime::RuntimeError;
use crate::runtime::streams::{Exec, ExecHandle, Output, OutputStream};

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// How long the last words may take, and how long they may take to arrive.
const FAREWELL: Duration = Duration::from_secs(2);
/// Pieces of output that are made one message at most.
const PIECES: usize = 256;

type Reading = SplitStream<Socket>;
type Writing = SplitSink<Socket, Message>;

/// The connection does not take anything any more.
struct Gone;

/// Sends what is written, to its end.
pub(super) async fn output(socket: Socket, output: OutputStream) {
    let (mut to, mut from) = socket.split();
    let ended = tokio::select! {
        ended = write(&mut to, output) => ended,
        () = ignore(&mut from) => return,
    };
    if let Ok(ended) = ended {
        part(to, from, ended.err(), None).await;
    }
}

/// Sends messages, to their end.
pub(super) async fn messages(
    socket: Socket,
    mut messages: BoxStream<'static, Result<Vec<u8>, RuntimeError>>,
) {
    let (mut to, mut from) = socket.split();
    let sending = async {
        while let Some(message) = messages.next().await {
            match message {
                Ok(message) => to.send(Message::binary(message)).await.map_err(|_| Gone)?,
                Err(error) => return Ok(Some(error)),
            }
        }
        Ok::<_, Gone>(None)
    };
    let ended = tokio::select! {
        ended = sending => ended,
        () = ignore(&mut from) => return,
    };
    if let Ok(error) = ended {
        part(to, from, error, None).await;
    }
}

/// Attaches the connection to a command, until that has ended.
pub(super) async fn exec(socket: Socket, exec: Exec) {
    let Exec {
        output,
        mut input,
        handle,
    } = exec;
    let (mut to, mut from) = socket.split();
    let ended = {
        let writing = write(&mut to, output);
        let reading = read(&mut from, &mut input, handle.as_ref());
        tokio::select! {
            ended = writing => ended,
            () = reading => return,
        }
    };
    let Ok(ended) = ended else { return };
    let (error, exit) = match ended {
        Err(error) => (Some(error), None),
        Ok(()) => match handle.exit_code().await {
            Ok(code) => (None, Some(Control::Exit { code })),
            Err(error) => (Some(error), None),
        },
    };
    part(to, from, error, exit).await;
}

/// Sends what is written; gives how that ended.
async fn write(to: &mut Writing, output: OutputStream) -> Result<Result<(), RuntimeError>, Gone> {
    let mut pieces = output.ready_chunks(PIECES);
    while let Some(pieces) = pieces.next().await {
        let mut gathered: Vec<u8> = Vec::new();
        let mut channel = Channel::Stdout;
        for piece in pieces {
            let piece: Output = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    send(to, channel, &gathered).await?;
                    return Ok(Err(error));
                }
            };
            let fits = gathered.len() + piece.bytes.len() <= CONTENT_LIMIT;
            if piece.channel != channel || !fits {
                send(to, channel, &gathered).await?;
                gathered.clear();
                channel = piece.channel;
            }
            gathered.extend_from_slice(&piece.bytes);
        }
        send(to, channel, &gathered).await?;
    }
    Ok(Ok(()))
}

async fn send(to: &mut Writing, channel: Channel, bytes: &[u8]) -> Result<(), Gone> {
    for message in frame::messages(channel, bytes) {
        to.send(Message::binary(message)).await.map_err(|_| Gone)?;
    }
    Ok(())
}

/// The next message; none once the server is gone.
async fn next(from: &mut Reading) -> Option<Message> {
    match timeout(SILENCE, from.next()).await {
        Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => None,
        Ok(Some(Ok(message))) => Some(message),
    }
}

/// Reads what is of no use here, until the server is gone.
async fn ignore(from: &mut Reading) {
    while next(from).await.is_some() {}
}

/// Hands what comes in to a command, until the server is gone.
async fn read(
    from: &mut Reading,
    input: &mut Option<std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>>,
    handle: &dyn ExecHandle,
) {
    while let Some(message) = next(from).await {
        let Message::Binary(message) = message else {
            continue;
        };
        let content = || message.slice(1..);
        match channel_of(&message) {
            Some(Channel::Stdin) => {
                let Some(open) = input else { continue };
                let written = async {
                    open.write_all(&content()).await?;
                    open.flush().await
                };
                // It reads no more; what it writes may go on.
                if let Err(error) = written.await {
                    debug!(%error, "a command does not read its stdin any more");
                    *input = None;
                }
            }
            Some(Channel::Control) => match Control::read(&content()) {
                Some(Control::Resize(size)) => {
                    if let Err(error) = handle.resize(size).await {
                        debug!(%error, "a terminal could not be given its size");
                    }
                }
                Some(Control::StdinClosed(true)) => {
                    if let Some(mut open) = input.take()
                        && let Err(error) = open.shutdown().await
                    {
                        debug!(%error, "a command had closed its stdin before");
                    }
                }
                _ => {}
            },
            _ => {}
        }
    }
}

/// Says the last words, and reads until they have arrived: a connection that is closed with something
/// unread is cut, and what was sent last is lost with it.
async fn part(
    mut to: Writing,
    mut from: Reading,
    error: Option<RuntimeError>,
    last: Option<Control>,
) {
    let code = match &error {
        None => CloseCode::Normal,
        Some(_) => CloseCode::Error,
    };
    let error = error.map(|error| Control::error(code::FAILED, &error.to_string()));
    let farewell = async {
        if let Some(last) = error.or(last) {
            to.send(Message::binary(last.to_message())).await?;
        }
        let close = CloseFrame {
            code,
            reason: tungstenite::Utf8Bytes::default(),
        };
        to.send(Message::Close(Some(close))).await?;
        while let Some(Ok(_)) = from.next().await {}
        Ok::<_, tungstenite::Error>(())
    };
    if let Ok(Err(error)) = timeout(FAREWELL, farewell).await {
        debug!(%error, "the server was gone before the end of a stream");
    }
}
