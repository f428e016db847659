//! Everything in one operating-system process, on SQLite.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::drover::Ground;
use super::{Drover, Runtime, executables};
use crate::engine::OwnEngine;
use crate::ports::Port;
use crate::process::Process;
use crate::until::until;

const START_WITHIN: Duration = Duration::from_secs(30);

/// `droverd standalone`; gone when this is dropped.
#[derive(Debug)]
pub struct Embedded {
    /// The process that all of it is.
    pub droverd: Process,
    /// Its data directory.
    pub data_dir: PathBuf,
    /// What a client sees of it.
    pub drover: Drover,
    _ports: [Port; 3],
}

impl Embedded {
    /// Starts it on ports and a data directory of its own, and waits until its host is active.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(runtime: Runtime) -> Result<Self> {
        Self::start_on(Ground::prepare(runtime).await?, runtime, &[]).await
    }

    /// The same, with containers on an engine of the test's own.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_over(engine: &OwnEngine) -> Result<Self> {
        let ground = Ground::over(engine)?;
        let flags = ["--docker-host", &engine.address()];
        Self::start_on(ground, Runtime::Docker, &flags).await
    }

    async fn start_on(ground: Ground, runtime: Runtime, flags: &[&str]) -> Result<Self> {
        let data_dir = ground.folder.path().join("data");
        let ports = [Port::reserve()?, Port::reserve()?, Port::reserve()?];
        let mut droverd = executables::program("droverd", "droverd")?
            .arguments(["standalone", "--data-dir", &data_dir.display().to_string()])
            .arguments(["--listen", &ports[0].address()])
            .arguments(["--agent-listen", &ports[1].address()])
            .arguments(["--health-listen", &ports[2].address()])
            .arguments(["--runtime", runtime.as_str()])
            .arguments(flags.iter().copied())
            .start(ground.folder.path())?;
        let key_file = data_dir.join("operator.key");
        until("the operator's key", START_WITHIN, || {
            let alive = droverd.ensure_running();
            let key = std::fs::read_to_string(&key_file);
            async move {
                if alive.is_err() {
                    return Ok(alive);
                }
                ensure!(key?.ends_with('\n'), "it is not whole yet");
                Ok(Ok(()))
            }
        })
        .await??;
        let drover = Drover::new(
            ground,
            vec![ports[0].url()],
            vec![ports[1].url()],
            vec![ports[2].url()],
            key_file,
        )?;
        let mut embedded = Self {
            droverd,
            data_dir,
            drover,
            _ports: ports,
        };
        embedded.wait_until_it_works().await?;
        Ok(embedded)
    }

    /// Starts the same once more, after a hard kill if it still runs.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_again(&mut self) -> Result<()> {
        self.droverd.start_again()?;
        self.wait_until_it_works().await
    }

    async fn wait_until_it_works(&mut self) -> Result<()> {
        let (droverd, drover) = (&mut self.droverd, &self.drover);
        until("droverd standalone works", START_WITHIN, || {
            let alive = droverd.ensure_running();
            async move {
                if alive.is_err() {
                    return Ok(alive);
                }
                let hosts = drover.api.list("/v1/hosts").await?;
                let host = hosts.first().context("there is no host yet")?;
                ensure!(host["state"] == "active", "the host is {}", host["state"]);
                Ok(Ok(()))
            }
        })
        .await?
    }
}
