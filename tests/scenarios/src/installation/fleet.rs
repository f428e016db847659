//! Many simulated hosts in one operating-system process, for an installation of either wiring.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::{Drover, executables};
use crate::process::Process;
use crate::until::until;

/// For each host, on top of [`START_WITHIN`].
const HOST_WITHIN: Duration = Duration::from_millis(50);
const START_WITHIN: Duration = Duration::from_secs(60);

/// `droverd simulate`; gone when this is dropped.
#[derive(Debug)]
pub struct Fleet {
    /// The process that all the hosts are.
    pub process: Process,
    /// How many there are.
    pub hosts: usize,
}

impl Fleet {
    /// Starts hosts that are called `<name>-0001` and so on, with further flags, and waits until all
    /// are connected.
    ///
    /// # Errors
    /// When they do not come up.
    pub async fn start(drover: &Drover, name: &str, hosts: usize, flags: &[&str]) -> Result<Self> {
        let asked = json!({ "name": name, "maximumUses": hosts });
        let reply = drover.api.post("/v1/registrationTokens", &asked).await?;
        let token = reply.expect(201)?["token"].as_str().map(str::to_owned);
        let token = token.context("a new registration token is shown")?;
        let data_dir = drover.folder().join(name).display().to_string();
        let process = executables::program("droverd", name)?
            .arguments(["simulate", "--hosts", &hosts.to_string()])
            .arguments(["--name-prefix", name, "--data-dir", &data_dir])
            .arguments(["--connect", &drover.agent_servers.join(",")])
            .arguments(["--token", &token, "--log", "warn,droverd=info"])
            .arguments(flags.iter().copied())
            .start(drover.folder())?;
        let mut fleet = Self { process, hosts };
        fleet.wait_until_connected().await?;
        Ok(fleet)
    }

    async fn wait_until_connected(&mut self) -> Result<()> {
        let within = START_WITHIN + HOST_WITHIN * u32::try_from(self.hosts)?;
        let process = &mut self.process;
        until("all simulated hosts are connected", within, || {
            let alive = process.ensure_running();
            let log = process.log();
            async move {
                if alive.is_err() {
                    return Ok(alive);
                }
                let all = log.contains("all simulated hosts are connected");
                ensure!(
                    all,
                    "the log ends: {}",
                    log.lines().last().unwrap_or_default()
                );
                Ok(Ok(()))
            }
        })
        .await?
    }
}
