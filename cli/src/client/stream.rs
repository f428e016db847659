//! A stream of the API: a WebSocket whose messages are those of [`drover_domain::stream::frame`].
//!
//! It is opened by the same client as every other call, so that certificates, proxies and the key are
//! those of all calls, and what is refused is a problem as always.

use drover_domain::stream::frame::{MESSAGE_LIMIT, channel_of};
use drover_domain::stream::{Channel, Control};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use reqwest::header::{CONNECTION, HeaderName, HeaderValue, UPGRADE};
use reqwest::{StatusCode, Upgraded};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::Client;
use crate::failure::Failure;

/// How the client shows which version of the protocol it speaks, and that it means this request.
const VERSION: HeaderName = HeaderName::from_static("sec-websocket-version");
const KEY: HeaderName = HeaderName::from_static("sec-websocket-key");

/// The half that is read.
pub struct Reading(SplitStream<WebSocketStream<Upgraded>>);

/// The half that is written.
pub struct Writing(SplitSink<WebSocketStream<Upgraded>, Message>);

/// What comes out of a stream.
#[derive(Debug)]
pub enum Told {
    /// Something that was written, to stdout or stderr.
    Output(Channel, Bytes),
    /// Something else.
    Control(Control),
    /// That was all.
    End,
}

impl Client {
    /// Opens a stream.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn stream(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<(Writing, Reading), Failure> {
        let key = HeaderValue::from_str(&generate_key());
        let key = key.map_err(|_| self.not_the_api("no key for a WebSocket"))?;
        let request = self
            .http
            .get(self.address(path))
            .query(query)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(VERSION, "13")
            .header(KEY, key);
        let answer = request.send().await;
        let answer = answer.map_err(|error| self.unreachable(error))?;
        match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS => {}
            status if status.is_success() => {
                return Err(self.not_the_api("it does not open a stream"));
            }
            _ => return Err(self.refusal(answer).await),
        }
        let upgraded = answer.upgrade().await;
        let upgraded = upgraded.map_err(|error| self.unreachable(error))?;
        let config = WebSocketConfig::default()
            .max_message_size(Some(MESSAGE_LIMIT))
            .max_frame_size(Some(MESSAGE_LIMIT));
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await;
        let (writing, reading) = socket.split();
        Ok((Writing(writing), Reading(reading)))
    }
}

impl Reading {
    /// What is told next; what is not known is passed over.
    ///
    /// # Errors
    /// [`Failure::StreamBroken`] when the stream has not come to its end, but its connection has.
    pub async fn next(&mut self) -> Result<Told, Failure> {
        loop {
            let message = match self.0.next().await {
                Some(Ok(Message::Binary(message))) => message,
                Some(Ok(Message::Close(Some(frame)))) if frame.code == CloseCode::Normal => {
                    return Ok(Told::End);
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => {
                    return Err(Failure::StreamBroken {
                        code: None,
                        message: "the connection broke before the end".to_owned(),
                    });
                }
                Some(Ok(_)) => continue,
            };
            match channel_of(&message) {
                Some(channel @ (Channel::Stdout | Channel::Stderr)) => {
                    return Ok(Told::Output(channel, message.slice(1..)));
                }
                Some(Channel::Control) => match Control::read(&message[1..]) {
                    Some(Control::Error { code, message }) => {
                        return Err(Failure::StreamBroken {
                            code: Some(code),
                            message,
                        });
                    }
                    Some(control) => return Ok(Told::Control(control)),
                    None => {}
                },
                _ => {}
            }
        }
    }
}

impl Writing {
    /// Sends a message. False if nobody takes it any more; the other half then learns why.
    pub async fn send(&mut self, message: Vec<u8>) -> bool {
        self.0.send(Message::binary(message)).await.is_ok()
    }
}
