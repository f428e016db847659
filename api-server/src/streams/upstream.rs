//! The connection to an agent server that is one stream.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use drover_domain::stream::frame::{MESSAGE_LIMIT, channel_of};
use drover_domain::stream::{Channel, Control};
use drover_proto::stream::{STREAMS_PATH, code};
use drover_store::TicketText;
use futures::StreamExt;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

use super::Place;
use super::trust::Trust;

/// How long a server may take to be connected to.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long it may take to answer, beyond what it gives the agent.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// How long it may be silent: it gives a sign of life each quarter of a minute.
const SILENCE: Duration = Duration::from_secs(60);
/// What the socket reads into, in bytes.
const READ_BUFFER: usize = 32 * 1024;

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A stream, with its place among the streams.
pub(crate) struct Upstream {
    pub(super) socket: Socket,
    pub(super) _place: Place,
}

/// Why a server cannot be dialled for a stream.
#[derive(Debug)]
pub(super) enum DialError {
    /// It said so, by a code of [`drover_proto::stream::code`].
    Refused { code: String, detail: String },
    /// It cannot be reached, in words.
    Unreachable(String),
}

/// What comes out of a stream.
pub(super) enum Said {
    /// A message, whatever it says.
    Message(Bytes),
    /// Nothing, but the stream is alive.
    Alive,
    /// That was all.
    End,
    /// The connection broke.
    Lost,
}

/// What a server says that has no stream.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    detail: String,
}

/// Dials a server for the stream of a ticket.
pub(super) async fn dial(
    address: &str,
    ticket: &TicketText,
    trust: &Trust,
) -> Result<Socket, DialError> {
    let unreachable = |reason: String| DialError::Unreachable(reason);
    let malformed = || unreachable(format!("`{address}` is no address of an agent server"));
    let uri: Uri = address.parse().map_err(|_| malformed())?;
    let host = uri.host().ok_or_else(malformed)?;
    let (scheme, usual, connector) = match uri.scheme_str() {
        Some("https") => {
            let config = trust.config().await.map_err(unreachable)?;
            ("wss", 443, Connector::Rustls(config))
        }
        Some("http") if trust.allows_plain(host) => ("ws", 80, Connector::Plain),
        Some("http") => {
            let reason = format!(
                "{address} is not encrypted and not on this machine: give the agent server a \
                 certificate, or allow plain HTTP by name"
            );
            return Err(unreachable(reason));
        }
        _ => return Err(malformed()),
    };
    let port = uri.port_u16().unwrap_or(usual);
    let path = uri.path().trim_end_matches('/');
    let authority = uri.authority().ok_or_else(malformed)?;
    let url = format!("{scheme}://{authority}{path}{STREAMS_PATH}/{}", ticket.id);
    let mut request = url.into_client_request().map_err(|_| malformed())?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", ticket.secret));
    let mut bearer = bearer.map_err(|_| malformed())?;
    bearer.set_sensitive(true);
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_LIMIT))
        .max_frame_size(Some(MESSAGE_LIMIT));
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = timeout(CONNECT_WITHIN, TcpStream::connect((bare, port))).await;
    let stream = match stream {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(unreachable(format!("{address}: {error}"))),
        Err(_) => return Err(unreachable(format!("{address} does not answer"))),
    };
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection could not be prepared");
    }
    let shake = client_async_tls_with_config(request, stream, Some(config), Some(connector));
    // The handshake takes more room than what follows, and only for a moment.
    match timeout(ANSWER_WITHIN, Box::pin(shake)).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(answer))) => {
            let (parts, body) = answer.into_parts();
            Err(refusal(parts.status, body.as_deref().unwrap_or_default()))
        }
        Ok(Err(error)) => Err(unreachable(format!("{address}: {error}"))),
        Err(_) => Err(unreachable(format!("{address} does not answer"))),
    }
}

/// What the answer of a server says. Its body may not have come with its head; the status says enough.
fn refusal(status: StatusCode, body: &[u8]) -> DialError {
    let told: Option<Refusal> = serde_json::from_slice(body).ok();
    let code = match status {
        StatusCode::UNAUTHORIZED => code::TICKET,
        StatusCode::NOT_FOUND => code::NOT_THERE,
        StatusCode::CONFLICT => code::REFUSED,
        StatusCode::MISDIRECTED_REQUEST => code::AWAY,
        StatusCode::TOO_MANY_REQUESTS => code::TOO_MANY,
        StatusCode::NOT_IMPLEMENTED => code::UNSUPPORTED,
        StatusCode::GATEWAY_TIMEOUT => code::TIMED_OUT,
        _ => code::FAILED,
    };
    let told = told.unwrap_or_else(|| Refusal {
        code: code.to_owned(),
        detail: format!("the agent server answered {status}"),
    });
    DialError::Refused {
        code: told.code,
        detail: told.detail,
    }
}

impl Upstream {
    /// What is said next. Safe to cancel.
    pub(super) async fn next(&mut self) -> Said {
        said_by(&mut self.socket).await
    }

    /// Says that nothing more is wanted, so that the agent learns it at once.
    pub(super) async fn leave(mut self) {
        if let Ok(Err(error)) = timeout(Duration::from_secs(1), self.socket.close(None)).await {
            tracing::debug!(%error, "the agent server was gone before the end of a stream");
        }
    }
}

/// What is said next on a socket. Safe to cancel.
pub(super) async fn said_by<S>(socket: &mut S) -> Said
where
    S: futures::Stream<Item = Result<Message, tungstenite::Error>> + Unpin,
{
    match timeout(SILENCE, socket.next()).await {
        Ok(Some(Ok(Message::Binary(message)))) => Said::Message(message),
        Ok(Some(Ok(Message::Close(Some(frame))))) if frame.code == CloseCode::Normal => Said::End,
        Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => Said::Alive,
        _ => Said::Lost,
    }
}

/// What a message says, for whoever looks into it.
pub(super) enum Content {
    Output(Channel, Bytes),
    Control(Control),
    /// Something that a later release says.
    Unknown,
}

impl Content {
    pub(super) fn of(message: &Bytes) -> Self {
        match channel_of(message) {
            Some(channel @ (Channel::Stdout | Channel::Stderr)) => {
                Self::Output(channel, message.slice(1..))
            }
            Some(Channel::Control) => {
                Control::read(&message[1..]).map_or(Self::Unknown, Self::Control)
            }
            _ => Self::Unknown,
        }
    }
}

/// The error that a client is told of when a connection broke.
pub(super) fn lost() -> Control {
    Control::error(code::LOST, "the connection to the agent server broke")
}
