//! A WebSocket of the API that is a stream: logs, a command, stats. Its messages are taken apart by hand,
//! as a stranger does who has read `docs/streams.md`.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::{SinkExt, StreamExt};
use reqwest::Method;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::installation::Api;

/// How long something that is to be told may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A WebSocket with the messages of a stream.
#[derive(Debug)]
pub struct Stream(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What a stream told until its end.
#[derive(Debug, Default)]
pub struct Told {
    /// What was written to stdout.
    pub stdout: String,
    /// What was written to stderr.
    pub stderr: String,
    /// The control messages.
    pub control: Vec<Value>,
    /// The code that it was closed with, if it was.
    pub closed: Option<u16>,
}

impl Stream {
    /// Opens a stream at one of the servers.
    ///
    /// # Errors
    /// When it is refused, with the status and the problem.
    pub async fn open(api: &Api, path: &str) -> Result<Self> {
        let request = api.request(Method::GET, path).build()?;
        let url = request.url().as_str().replacen("http", "ws", 1);
        let mut handshake = url.into_client_request()?;
        let key = request.headers()["authorization"].clone();
        handshake.headers_mut().insert("authorization", key);
        match Box::pin(tokio_tungstenite::connect_async(handshake)).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(answer)) => {
                let body = answer.body().clone().unwrap_or_default();
                let body = String::from_utf8_lossy(&body).into_owned();
                bail!("{}: {body}", answer.status())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Says something on a channel.
    ///
    /// # Errors
    /// When nobody takes it.
    pub async fn say(&mut self, channel: u8, content: &[u8]) -> Result<()> {
        let mut message = vec![channel];
        message.extend_from_slice(content);
        self.0.send(Message::binary(message)).await?;
        Ok(())
    }

    /// Says something in a control message.
    ///
    /// # Errors
    /// When nobody takes it.
    pub async fn control(&mut self, control: &Value) -> Result<()> {
        self.say(3, control.to_string().as_bytes()).await
    }

    /// The channel and the content of the next message.
    ///
    /// # Errors
    /// When none comes within this time, or it is not sound.
    pub async fn next_within(&mut self, within: Duration) -> Result<(u8, Vec<u8>)> {
        loop {
            let next = timeout(within, self.0.next()).await;
            match next
                .context("nothing is told")?
                .context("the stream ended")??
            {
                Message::Binary(message) => {
                    let (channel, content) = message.split_first().context("an empty message")?;
                    ensure!(content.len() <= 32 * 1024, "a message of {}", content.len());
                    return Ok((*channel, content.to_vec()));
                }
                Message::Close(close) => bail!("closed: {close:?}"),
                _ => {}
            }
        }
    }

    /// The channel and the content of the next message.
    ///
    /// # Errors
    /// When none comes, or it is not sound.
    pub async fn next(&mut self) -> Result<(u8, Vec<u8>)> {
        self.next_within(PATIENCE).await
    }

    /// All that is told until the end.
    ///
    /// # Errors
    /// When there is none.
    pub async fn rest(mut self) -> Result<Told> {
        let mut told = Told::default();
        loop {
            let next = timeout(PATIENCE, self.0.next())
                .await
                .context("there is no end")?;
            let message = match next {
                Some(Ok(Message::Binary(message))) => message,
                Some(Ok(Message::Close(close))) => {
                    told.closed = close.map(|close| close.code.into());
                    return Ok(told);
                }
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Ok(told),
            };
            match message.split_first().context("an empty message")? {
                (1, content) => told.stdout.push_str(std::str::from_utf8(content)?),
                (2, content) => told.stderr.push_str(std::str::from_utf8(content)?),
                (3, content) => told.control.push(serde_json::from_slice(content)?),
                (channel, _) => bail!("a message of channel {channel}"),
            }
        }
    }
}
