//! An etcd server of a test's own: a cluster of one, that elects itself in a tenth of a second
//! and compacts its history by itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::http;
use crate::ports::Port;
use crate::process::{Process, Program};
use crate::until::until;

const WITHIN: Duration = Duration::from_secs(20);

/// An etcd server; gone when this is dropped.
#[derive(Debug)]
pub struct Etcd {
    process: Process,
    client_port: Port,
    _peer_port: Port,
    folder: TempDir,
    http: reqwest::Client,
}

impl Etcd {
    /// Starts a server on ports and a data folder of its own, and waits until it is healthy.
    ///
    /// # Errors
    /// When etcd is not installed or does not come up.
    pub async fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("drover-etcd-").tempdir()?;
        let (client_port, peer_port) = (Port::reserve()?, Port::reserve()?);
        let (client, peer) = (client_port.url(), peer_port.url());
        let data = folder.path().join("data").display().to_string();
        let process = Program::new("etcd", "/usr/bin/etcd")
            .arguments(["--name", "only", "--data-dir", &data])
            .arguments([
                "--listen-client-urls",
                &client,
                "--advertise-client-urls",
                &client,
            ])
            .arguments([
                "--listen-peer-urls",
                &peer,
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .arguments(["--initial-cluster", &format!("only={peer}")])
            .arguments(["--heartbeat-interval", "10", "--election-timeout", "100"])
            .arguments([
                "--auto-compaction-mode",
                "periodic",
                "--auto-compaction-retention",
                "1m",
            ])
            .arguments(["--snapshot-count", "10000"])
            .arguments(["--logger", "zap", "--log-level", "warn"])
            .start(folder.path())?;
        let http = http::client()?;
        let mut server = Self {
            process,
            client_port,
            _peer_port: peer_port,
            folder,
            http,
        };
        server.wait_until_it_is_healthy().await?;
        Ok(server)
    }

    /// The URL that clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        self.client_port.url()
    }

    /// The id of its process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Stops the server.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.stop_gently(WITHIN).await?;
        Ok(())
    }

    /// Starts a stopped or killed server again, with the data that it had.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process.start_again()?;
        self.wait_until_it_is_healthy().await
    }

    /// Starts it as one that was just installed, on the same ports: keys, leases and revisions
    /// are gone.
    ///
    /// # Errors
    /// When the data cannot be removed or the server does not come up.
    pub async fn start_empty(&mut self) -> Result<()> {
        self.process.kill_hard()?;
        std::fs::remove_dir_all(self.folder.path().join("data")).context("wiping the data")?;
        self.start_again().await
    }

    /// The server's process, to be killed or paused.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    async fn wait_until_it_is_healthy(&mut self) -> Result<()> {
        let url = format!("{}/health", self.url());
        let (process, http) = (&mut self.process, &self.http);
        until("etcd is healthy", WITHIN, || {
            let alive = process.ensure_running();
            let asked = http.get(&url).timeout(Duration::from_secs(2)).send();
            async move {
                alive?;
                let health: Value = asked.await?.json().await?;
                ensure!(health["health"] == "true", "it says {health}");
                Ok(())
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // The gateway speaks base64: these are `memo` and `kept`.
    const KEY: &str = "bWVtbw==";
    const VALUE: &str = "a2VwdA==";

    async fn ask(etcd: &Etcd, call: &str, body: &Value) -> Value {
        let url = format!("{}/v3/kv/{call}", etcd.url());
        etcd.http
            .post(url)
            .json(body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn an_etcd_that_is_started_empty_has_forgotten_its_keys() {
        let mut etcd = Etcd::start().await.unwrap();
        ask(&etcd, "put", &json!({"key": KEY, "value": VALUE})).await;
        etcd.stop().await.unwrap();
        etcd.start_again().await.unwrap();
        let kept = ask(&etcd, "range", &json!({"key": KEY})).await;
        assert_eq!(kept["kvs"][0]["value"], VALUE);
        etcd.start_empty().await.unwrap();
        let forgotten = ask(&etcd, "range", &json!({"key": KEY})).await;
        assert_eq!(forgotten["kvs"], Value::Null);
        assert_eq!(forgotten["header"]["revision"], "1");
    }
}
