//! A kept-alive HTTP connection that costs next to nothing.
//!
//! Whoever measures shares the processors with what is measured. A general client costs several
//! times what this one does, which knows one kind of request and one kind of answer: JSON there,
//! JSON with a `content-length` back.

use std::fmt;

use anyhow::{Context, Result, anyhow, ensure};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One connection to one API server.
pub(crate) struct Connection {
    stream: TcpStream,
    /// The lines of the head that are the same each time.
    head: String,
    out: Vec<u8>,
    answer: Vec<u8>,
}

/// An answer that accepts nothing.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    text: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.status, self.text)
    }
}

/// What is needed of an accepted resource.
#[derive(Deserialize)]
struct Accepted<'a> {
    id: &'a str,
}

impl Connection {
    /// Connects to `server` (`http://host:port`) and shows `key` with each request.
    pub(crate) async fn open(server: &str, key: &str) -> Result<Self> {
        let address = server.trim_start_matches("http://");
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            head: format!(
                "host: {address}\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
            ),
            out: Vec::new(),
            answer: Vec::new(),
        })
    }

    /// Asks for a container or an action, and gives the id of the resource that was accepted.
    pub(crate) async fn post(&mut self, path: &str, body: &str) -> Result<String> {
        let answer = self.ask("POST", path, "", body).await?;
        answer.map_err(|refusal| anyhow!("POST {path} is answered with {refusal}"))
    }

    /// The same under a key, so that it can be repeated. The outer error is that of the connection, which
    /// is of no use then; the inner one is what the server said.
    pub(crate) async fn post_under(
        &mut self,
        key: &str,
        path: &str,
        body: &str,
    ) -> Result<Result<String, Refusal>> {
        let key = format!("idempotency-key: {key}\r\n");
        self.ask("POST", path, &key, body).await
    }

    /// Asks for the removal of a resource.
    pub(crate) async fn delete(&mut self, path: &str) -> Result<String> {
        let answer = self.ask("DELETE", path, "", "").await?;
        answer.map_err(|refusal| anyhow!("DELETE {path} is answered with {refusal}"))
    }

    async fn ask(
        &mut self,
        method: &str,
        path: &str,
        header: &str,
        body: &str,
    ) -> Result<Result<String, Refusal>> {
        self.out.clear();
        let (head, length) = (&self.head, body.len());
        let text =
            format!("{method} {path} HTTP/1.1\r\n{head}{header}content-length: {length}\r\n\r\n");
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(body.as_bytes());
        self.stream.write_all(&self.out).await?;
        let (status, body) = self.read().await?;
        let text = &self.answer[body..];
        if !(200..300).contains(&status) {
            let text = String::from_utf8_lossy(text).into_owned();
            return Ok(Err(Refusal { status, text }));
        }
        let accepted: Accepted<'_> = serde_json::from_slice(text).context("a resource")?;
        Ok(Ok(accepted.id.to_owned()))
    }

    /// Reads one answer; gives its status and where its body begins.
    async fn read(&mut self) -> Result<(u16, usize)> {
        self.answer.clear();
        let begins = loop {
            self.read_some().await?;
            if let Some(end) = find(&self.answer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = std::str::from_utf8(&self.answer[..begins])?;
        let status = head.get(9..12).context("a status line")?.parse()?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let is_length = name.eq_ignore_ascii_case("content-length");
            is_length.then(|| value.trim().parse::<usize>().ok())?
        });
        let length = length.context("an answer with a content-length")?;
        while self.answer.len() < begins + length {
            self.read_some().await?;
        }
        Ok((status, begins))
    }

    async fn read_some(&mut self) -> Result<()> {
        let count = self.stream.read_buf(&mut self.answer).await?;
        ensure!(count > 0, "the server closed the connection");
        Ok(())
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}
