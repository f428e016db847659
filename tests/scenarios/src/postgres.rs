//! A PostgreSQL server of a test's own.
//!
//! `initdb` takes seconds, so it runs once for each temporary folder (see
//! [`std::env::temp_dir`]): its result, with the database `drover` in it, is kept there as a
//! template, made under a file lock and put in place by a rename, and each server starts from a
//! copy. The server writes to disk as in production (`fsync` is on). It refuses to run as root,
//! so root's tests run it as the user `postgres`, or `nobody` where that does not exist.

use std::fs::{self, File, Permissions, TryLockError};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, User};
use tempfile::TempDir;

use crate::ports::Port;
use crate::process::{Process, Program, output};
use crate::until::until;

const BINARIES: &str = "/usr/lib/postgresql/15/bin";
const DATABASE: &str = "drover";
const START_WITHIN: Duration = Duration::from_secs(30);
const TEMPLATE_WITHIN: Duration = Duration::from_secs(90);

/// A PostgreSQL server with an empty database `drover`; gone when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    // Before the folder: fields are dropped in order, and a live server would write on.
    process: Process,
    port: Port,
    _folder: TempDir,
}

impl Postgres {
    /// Starts a server on a port and a data folder of its own, and waits until it answers.
    ///
    /// # Errors
    /// When PostgreSQL 15 is not installed or does not come up.
    pub async fn start() -> Result<Self> {
        Self::start_with(&[]).await
    }

    /// The same, with these settings beside or instead of the usual ones, as in `fsync=off`.
    ///
    /// # Errors
    /// When PostgreSQL 15 is not installed, does not know a setting, or does not come up.
    pub async fn start_with(settings: &[&str]) -> Result<Self> {
        let owner = Owner::find()?;
        let template = template(&owner).await?;
        let folder = tempfile::Builder::new()
            .prefix("drover-postgres-")
            .tempdir()?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let data = folder.path().join("data");
        let copy = Program::new("cp", "/bin/cp")
            .arguments(["-a", "--reflink=auto"])
            .arguments([path_text(&template)?, path_text(&data)?]);
        output(copy, TEMPLATE_WITHIN).await?;
        let port = Port::reserve()?;
        let process = owner
            .program("postgres")
            .arguments(["-D", path_text(&data)?, "-p", &port.number().to_string()])
            .arguments([
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "unix_socket_directories=",
            ])
            .arguments(["-c", "max_connections=200", "-c", "shared_buffers=32MB"])
            .arguments(settings.iter().flat_map(|setting| ["-c", setting]))
            .start(folder.path())?;
        let mut server = Self {
            process,
            port,
            _folder: folder,
        };
        server.wait_until_it_answers().await?;
        Ok(server)
    }

    /// The URL of the database, with no password: whoever is on this machine is trusted.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/{DATABASE}", self.port.address())
    }

    /// Stops the server: connections are cut, what was committed is safe.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.signal(Signal::SIGINT)?;
        self.process.wait(START_WITHIN).await?;
        Ok(())
    }

    /// Starts a stopped or killed server again, with the data that it had.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_again(&mut self) -> Result<()> {
        self.process.start_again()?;
        self.wait_until_it_answers().await
    }

    /// Stops the server and starts it again.
    ///
    /// # Errors
    /// When it does not end or does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.start_again().await
    }

    /// Freezes the server and all its sessions: connections stay open and nothing answers.
    ///
    /// # Errors
    /// When a process of it cannot be signalled.
    pub fn freeze(&mut self) -> Result<()> {
        // Each session is a process group of its own. The parent goes first, and starts no more.
        self.process.pause()?;
        self.signal_sessions(Signal::SIGSTOP)
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// When a process of it cannot be signalled.
    pub fn thaw(&mut self) -> Result<()> {
        self.signal_sessions(Signal::SIGCONT)?;
        self.process.resume()
    }

    fn signal_sessions(&self, signal: Signal) -> Result<()> {
        for session in self.sessions()? {
            match kill(Pid::from_raw(i32::try_from(session)?), signal) {
                // One that has ended meanwhile needs no signal.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error).context("signalling a session"),
            }
        }
        Ok(())
    }

    /// The ids of all its operating-system processes: the first, its helpers, the sessions.
    ///
    /// # Errors
    /// When the server is down.
    pub fn ids(&self) -> Result<Vec<u32>> {
        let mut ids = vec![self.process.id()];
        ids.extend(self.sessions()?);
        Ok(ids)
    }

    /// The ids of its helpers and of the processes that serve sessions.
    fn sessions(&self) -> Result<Vec<u32>> {
        let id = self.process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        let ids = children.split_whitespace().map(str::parse);
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// The server's process, to be killed.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Runs SQL with `psql`; the answer has a row a line and `|` between columns.
    ///
    /// # Errors
    /// When the server is down or refuses the statement.
    pub async fn query(&self, sql: &str) -> Result<String> {
        let psql = Program::new("psql", format!("{BINARIES}/psql"))
            .arguments(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
            .argument(self.url());
        output(psql, Duration::from_secs(30)).await
    }

    async fn wait_until_it_answers(&mut self) -> Result<()> {
        let port = self.port.number().to_string();
        let process = &mut self.process;
        until("PostgreSQL answers", START_WITHIN, || {
            // After a hard kill the old server's children hold its memory for a moment, and a
            // new one that meets them gives up: it is started until they are gone.
            let alive = match process.is_running() {
                Ok(false) => process.start_again(),
                Ok(true) => Ok(()),
                Err(error) => Err(error),
            };
            let log = process.log();
            let ready = Program::new("pg_isready", format!("{BINARIES}/pg_isready")).arguments([
                "-q",
                "-t",
                "2",
                "-h",
                "127.0.0.1",
                "-p",
                &port,
            ]);
            async move {
                alive?;
                let asked = output(ready, Duration::from_secs(5)).await;
                asked.with_context(|| format!("its log:\n{log}"))
            }
        })
        .await?;
        Ok(())
    }
}

/// The user whom PostgreSQL runs as, and whom its files belong to.
#[derive(Debug)]
struct Owner {
    /// `None` when the tests do not run as root: then it is whoever runs them.
    user: Option<User>,
}

impl Owner {
    fn find() -> Result<Self> {
        if !Uid::effective().is_root() {
            return Ok(Self { user: None });
        }
        for name in ["postgres", "nobody"] {
            if let Some(user) = User::from_name(name)? {
                return Ok(Self { user: Some(user) });
            }
        }
        Err(anyhow!(
            "PostgreSQL must not run as root, and there is no user postgres or nobody"
        ))
    }

    fn id(&self) -> u32 {
        self.user
            .as_ref()
            .map_or(Uid::effective(), |user| user.uid)
            .as_raw()
    }

    fn program(&self, name: &str) -> Program {
        let program = Program::new(name, format!("{BINARIES}/{name}"));
        match &self.user {
            Some(user) => program.as_user(user.clone()),
            None => program,
        }
    }

    fn create_folder(&self, folder: &Path) -> Result<()> {
        fs::create_dir(folder).with_context(|| format!("creating {}", folder.display()))?;
        if let Some(user) = &self.user {
            chown(folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        Ok(())
    }
}

/// The folder from which servers are copied; made by the first test that needs one.
async fn template(owner: &Owner) -> Result<PathBuf> {
    let base = std::env::temp_dir().join(format!("drover-postgres-15-template-{}", owner.id()));
    let finished = base.with_extension("data");
    let lock = File::create(base.with_extension("lock")).context("opening the template's lock")?;
    until(
        "the lock of the PostgreSQL template",
        TEMPLATE_WITHIN,
        || {
            let tried = lock.try_lock();
            async move {
                tried.map_err(|refusal| match refusal {
                    TryLockError::WouldBlock => anyhow!("another test is making it"),
                    TryLockError::Error(error) => error.into(),
                })
            }
        },
    )
    .await?;
    if !finished.exists() {
        make_template(owner, &base.with_extension("making"), &finished).await?;
    }
    Ok(finished)
}

async fn make_template(owner: &Owner, making: &Path, finished: &Path) -> Result<()> {
    if making.exists() {
        fs::remove_dir_all(making).context("removing a half-made template")?;
    }
    owner.create_folder(making)?;
    let folder = path_text(making)?;
    let initdb = owner
        .program("initdb")
        .arguments([
            "-D",
            folder,
            "--username=postgres",
            "--auth=trust",
            "--no-sync",
        ])
        .arguments(["--encoding=UTF8", "--locale=C.UTF-8"]);
    output(initdb, TEMPLATE_WITHIN).await?;
    // Single-user mode reads statements from its standard input.
    let statement = format!("CREATE DATABASE {DATABASE}");
    let mut create = Program::new("postgres --single", "/bin/sh").arguments([
        "-c",
        "printf '%s\\n' \"$1\" | exec \"$2\" --single -D \"$0\" postgres",
        folder,
        &statement,
        &format!("{BINARIES}/postgres"),
    ]);
    if let Some(user) = &owner.user {
        create = create.as_user(user.clone());
    }
    output(create, TEMPLATE_WITHIN).await?;
    fs::rename(making, finished).context("putting the template in place")?;
    Ok(())
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str()
        .with_context(|| format!("{} is not UTF-8", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_committed_row_survives_a_killed_server() {
        let mut postgres = Postgres::start().await.unwrap();
        postgres
            .query("CREATE TABLE memo AS SELECT 42 AS answer")
            .await
            .unwrap();
        postgres.process().kill_hard().unwrap();
        assert!(postgres.query("SELECT 1").await.is_err());
        postgres.start_again().await.unwrap();
        assert_eq!(
            postgres.query("SELECT answer FROM memo").await.unwrap(),
            "42"
        );
    }

    #[tokio::test]
    async fn two_servers_share_nothing_and_leave_nothing() {
        let (first, second) = tokio::join!(Postgres::start(), Postgres::start());
        let (first, mut second) = (first.unwrap(), second.unwrap());
        first.query("CREATE TABLE memo ()").await.unwrap();
        second.restart().await.unwrap();
        assert!(second.query("SELECT FROM memo").await.is_err());
        assert_eq!(second.query("SHOW fsync").await.unwrap(), "on");
        let folder = first._folder.path().to_owned();
        drop(first);
        assert!(!folder.exists());
    }
}
