//! Programs, and how they are spawned.
//!
//! A child must not outlive its test, even when the test runner is killed and no guard is
//! dropped. So each is started through `setpriv --pdeathsig KILL`, which asks the kernel to
//! kill it when the thread that spawned it ends. Since it is the *thread* that counts, all
//! children are spawned by one thread that lives as long as the test process: a worker of an
//! async runtime that retires would take its children with it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use nix::unistd::User;

use crate::network::Network;
use crate::process::Process;

/// What to run: a program, its arguments and environment, and the user it runs as.
#[derive(Clone, Debug)]
pub struct Program {
    name: String,
    path: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    removed_environment: Vec<String>,
    user: Option<User>,
    network: Option<String>,
}

impl Program {
    /// A program by its path; `name` is used in messages and for the log file.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            path: path.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            removed_environment: Vec::new(),
            user: None,
            network: None,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn arguments<Argument: Into<String>>(
        mut self,
        arguments: impl IntoIterator<Item = Argument>,
    ) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable, on top of those of the test itself.
    #[must_use]
    pub fn environment(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Keeps a variable of the test's own environment from the program.
    #[must_use]
    pub fn without_environment(mut self, name: impl Into<String>) -> Self {
        self.removed_environment.push(name.into());
        self
    }

    /// Runs the program as another user, which only root may ask for.
    #[must_use]
    pub fn as_user(mut self, user: User) -> Self {
        self.user = Some(user);
        self
    }

    /// Runs the program in a network of its own.
    #[must_use]
    pub fn within(mut self, network: &Network) -> Self {
        self.network = Some(network.name());
        self
    }

    /// What leads to the program: the way into its network, if it has one.
    fn way(&self) -> Result<Vec<String>> {
        let Some(network) = &self.network else {
            return Ok(Vec::new());
        };
        let ip = find("ip")?.display().to_string();
        let way = [ip.as_str(), "netns", "exec", network.as_str()];
        Ok(way.map(str::to_owned).to_vec())
    }

    /// The arguments of `setpriv` that make it the program's user.
    fn identity(&self) -> Vec<String> {
        // By number: a user's group need not have the user's name (`nobody` is in `nogroup`).
        self.user.as_ref().map_or_else(Vec::new, |user| {
            let (user, group) = (user.uid.to_string(), user.gid.to_string());
            ["--reuid", &user, "--regid", &group, "--clear-groups"]
                .map(str::to_owned)
                .to_vec()
        })
    }

    /// Starts the program, with its output appended to `<name>.log` in `log_folder`.
    ///
    /// # Errors
    /// When the log cannot be written or the program cannot be started.
    pub fn start(self, log_folder: &Path) -> Result<Process> {
        let log = log_folder.join(format!("{}.log", self.name));
        Process::spawn(self, log)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn spawn(&self, log: &Path) -> Result<Child> {
        // setpriv would report a missing program in the log only, where nobody looks first.
        if !self.path.is_file() {
            bail!("there is no {} for {}", self.path.display(), self.name);
        }
        let output = open_log(log)?;
        let errors = output
            .try_clone()
            .context("sharing the log between stdout and stderr")?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).args(self.identity());
        command.arg("--").args(self.way()?);
        command.arg(&self.path).args(&self.arguments);
        for name in &self.removed_environment {
            command.env_remove(name);
        }
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0);
        spawn_for_the_life_of_this_process(command)
            .with_context(|| format!("starting {} ({})", self.name, self.path.display()))
    }
}

fn open_log(log: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("opening the log {}", log.display()))
}

/// Runs a short program to its end and answers with what it printed.
///
/// # Errors
/// When it cannot be run, fails, or takes longer than `within` (it is killed then).
pub async fn output(program: Program, within: Duration) -> Result<String> {
    let mut command = tokio::process::Command::new("setpriv");
    command
        .args(program.identity())
        .arg("--")
        .arg(&program.path);
    command
        .args(&program.arguments)
        .current_dir("/")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for name in &program.removed_environment {
        command.env_remove(name);
    }
    command.envs(program.environment);
    let name = program.name;
    let ended = tokio::time::timeout(within, command.output())
        .await
        .map_err(|_| anyhow!("{name} did not end within {within:?}"))?
        .with_context(|| format!("running {name}"))?;
    if !ended.status.success() {
        bail!(
            "{name} failed ({}): {}",
            ended.status,
            String::from_utf8_lossy(&ended.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&ended.stdout).trim_end().to_owned())
}

/// A program of Debian's, which may stand where an ordinary user does not look.
///
/// # Errors
/// When it is not installed.
pub fn find(name: &str) -> Result<PathBuf> {
    let folders = ["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];
    let mut found = folders.iter().map(|folder| Path::new(folder).join(name));
    let found = found.find(|path| path.is_file());
    ensure!(found.is_some(), "there is no {name} on this machine");
    found.context("it was there a moment ago")
}

type Order = (Command, mpsc::Sender<io::Result<Child>>);

/// The one thread that all children have as their parent; see the head of this module.
static SPAWNER: LazyLock<mpsc::Sender<Order>> = LazyLock::new(|| {
    let (orders, inbox) = mpsc::channel::<Order>();
    thread::spawn(move || {
        for (mut command, reply) in inbox {
            if let Err(mpsc::SendError(Ok(mut orphan))) = reply.send(command.spawn()) {
                // Whoever asked is gone, and nobody else would ever reap this child.
                drop(orphan.kill());
                drop(orphan.wait());
            }
        }
    });
    orders
});

fn spawn_for_the_life_of_this_process(command: Command) -> Result<Child> {
    let (reply, answer) = mpsc::channel();
    SPAWNER
        .send((command, reply))
        .map_err(|_| anyhow!("the spawning thread is gone"))?;
    Ok(answer
        .recv()
        .context("the spawning thread gave no answer")??)
}
