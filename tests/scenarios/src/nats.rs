//! A NATS server of a test's own, with JetStream, so that wiping it wipes something.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

use crate::ports::Port;
use crate::process::{Process, Program};
use crate::until::until;

const WITHIN: Duration = Duration::from_secs(15);

/// A NATS server; gone when this is dropped.
#[derive(Debug)]
pub struct Nats {
    process: Process,
    port: Port,
    monitor: Port,
    folder: TempDir,
}

impl Nats {
    /// Starts a server on a port and a store of its own, and waits until it answers.
    ///
    /// # Errors
    /// When nats-server is not installed or does not come up.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("drover-nats-").tempdir()?;
        let (port, monitor) = (Port::reserve()?, Port::reserve()?);
        let store = folder.path().join("store").display().to_string();
        let process = Program::new("nats", "/usr/sbin/nats-server")
            .arguments(["-a", "127.0.0.1", "-p", &port.number().to_string()])
            .arguments(["-m", &monitor.number().to_string()])
            .arguments(["--jetstream", "--store_dir", &store])
            .start(folder.path())?;
        let mut server = Self {
            process,
            port,
            monitor,
            folder,
        };
        server.wait_until_it_answers().await?;
        Ok(server)
    }

    /// The URL that clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.port.address())
    }

    /// The address that clients connect to, as `127.0.0.1:20123`.
    #[must_use]
    pub fn address(&self) -> String {
        self.port.address()
    }

    /// Where it tells of itself, as in `/varz`.
    #[must_use]
    pub fn monitor_url(&self) -> String {
        self.monitor.url()
    }

    /// The id of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Stops the server; clients lose their connections.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.stop_gently(WITHIN).await?;
        Ok(())
    }

    /// Starts a stopped server again, with the store that it had.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process.start_again()?;
        self.wait_until_it_answers().await
    }

    /// Starts it as one that was just installed, on the same port: its store is wiped.
    ///
    /// # Errors
    /// When the store cannot be removed or the server does not come up.
    pub async fn start_empty(&mut self) -> Result<()> {
        self.process.kill_hard()?;
        std::fs::remove_dir_all(self.folder.path().join("store")).context("wiping the store")?;
        self.start_again().await
    }

    /// The server's process, to be killed or paused.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    async fn wait_until_it_answers(&mut self) -> Result<()> {
        let address = self.port.address();
        let process = &mut self.process;
        until("NATS answers", WITHIN, || {
            let alive = process.ensure_running();
            let address = address.clone();
            async move {
                alive?;
                greeting(&address).await
            }
        })
        .await?;
        Ok(())
    }
}

/// The line with which a server greets each connection.
async fn greeting(address: &str) -> Result<String> {
    let mut greeting = String::new();
    BufReader::new(TcpStream::connect(address).await?)
        .read_line(&mut greeting)
        .await?;
    ensure!(greeting.starts_with("INFO "), "it says {greeting:?}");
    Ok(greeting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// One request of NATS's own protocol, by hand: this library has no client.
    async fn ask(nats: &Nats, subject: &str, body: &Value) -> Value {
        let mut stream = BufReader::new(TcpStream::connect(nats.port.address()).await.unwrap());
        let body = body.to_string();
        let request = format!(
            "CONNECT {{\"verbose\":false}}\r\nSUB reply 1\r\nPUB {subject} reply {}\r\n{body}\r\n",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        loop {
            let mut line = String::new();
            assert_ne!(
                stream.read_line(&mut line).await.unwrap(),
                0,
                "the server hung up"
            );
            if line.starts_with("MSG ") {
                let size: usize = line.trim().rsplit(' ').next().unwrap().parse().unwrap();
                let mut answer = vec![0; size];
                stream.read_exact(&mut answer).await.unwrap();
                return serde_json::from_slice(&answer).unwrap();
            }
        }
    }

    #[tokio::test]
    async fn a_nats_that_is_started_empty_has_forgotten_its_streams() {
        let mut nats = Nats::start().await.unwrap();
        let stream = json!({"name": "memo", "subjects": ["memo"], "storage": "file"});
        ask(&nats, "$JS.API.STREAM.CREATE.memo", &stream).await;
        nats.stop().await.unwrap();
        assert!(greeting(&nats.port.address()).await.is_err());
        nats.start_again().await.unwrap();
        let kept = ask(&nats, "$JS.API.STREAM.NAMES", &json!({})).await;
        assert_eq!(kept["streams"], json!(["memo"]));
        nats.start_empty().await.unwrap();
        let forgotten = ask(&nats, "$JS.API.STREAM.NAMES", &json!({})).await;
        assert_eq!(forgotten["total"], json!(0));
    }
}
