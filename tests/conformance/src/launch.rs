//! Starting and ending the agent that is tried.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context;
use async_trait::async_trait;
use tokio::process::{Child, Command};

/// What an agent is given at its start.
#[derive(Clone, Debug)]
pub struct Given {
    /// Where the agent server is.
    pub server: String,
    /// The registration token.
    pub token: String,
    /// A directory of its own, the same at each start.
    pub data_dir: PathBuf,
}

/// Something that starts an agent.
#[async_trait]
pub trait Launch: Send + Sync {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    async fn launch(&self, given: &Given) -> anyhow::Result<Box<dyn Running>>;
}

/// An agent that runs.
#[async_trait]
pub trait Running: Send {
    /// Ends it without a word, as a loss of power would.
    async fn kill(self: Box<Self>);
}

/// A command and its arguments. It is told by variables of its environment, which are named in
/// `docs/agent-protocol.md`; what it prints goes to the standard error.
#[derive(Clone, Debug)]
pub struct Program(pub Vec<String>);

#[async_trait]
impl Launch for Program {
    async fn launch(&self, given: &Given) -> anyhow::Result<Box<dyn Running>> {
        let (program, arguments) = self.0.split_first().context("there is no command")?;
        let child = Command::new(program)
            .args(arguments)
            .env("DROVER_AGENT_SERVER", &given.server)
            .env("DROVER_REGISTRATION_TOKEN", &given.token)
            .env("DROVER_DATA_DIR", &given.data_dir)
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        Ok(Box::new(RunningProgram(child)))
    }
}

struct RunningProgram(Child);

#[async_trait]
impl Running for RunningProgram {
    async fn kill(mut self: Box<Self>) {
        // It may have ended by itself.
        drop(self.0.kill().await);
    }
}
