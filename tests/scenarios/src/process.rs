//! Child processes that never outlive their test.
//!
//! Dropping the guard kills the process group and reaps the child; for a test runner that is
//! itself killed, and drops nothing, see the head of `program.rs`.
//!
//! Output goes to `<name>.log` in the folder that the caller gives, and its end is printed when
//! a guard is dropped in a panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

pub use crate::program::{Program, find, output};
use crate::until::until;

const TAIL_LINES: usize = 60;

/// A child process, which is killed and reaped when this is dropped.
#[derive(Debug)]
pub struct Process {
    program: Program,
    child: Child,
    log: PathBuf,
    status: Option<ExitStatus>,
}

impl Process {
    pub(crate) fn spawn(program: Program, log: PathBuf) -> Result<Self> {
        let child = program.spawn(&log)?;
        Ok(Self {
            program,
            child,
            log,
            status: None,
        })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The log file of its output.
    #[must_use]
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// All that it wrote so far, over all its starts; empty when that cannot be read.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn exit_status(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            self.status = self
                .child
                .try_wait()
                .context("asking for the state of a child")?;
        }
        Ok(self.status)
    }

    /// Whether it runs; a paused process does.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.exit_status()?.is_none())
    }

    /// An error with the end of the log if the process is not running: for conditions that wait
    /// for a server to answer, which are vain when it has ended.
    ///
    /// # Errors
    /// When it is not running.
    pub fn ensure_running(&mut self) -> Result<()> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => {
                bail!(
                    "{} ended ({status}); its log ends:\n{}",
                    self.program.name(),
                    self.log_tail()
                )
            }
        }
    }

    /// Waits until it has ended by itself.
    ///
    /// # Errors
    /// When it still runs after `within`.
    pub async fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.program.name());
        until(&what, within, || {
            let status = self.exit_status();
            async move { status?.ok_or_else(|| anyhow!("it still runs")) }
        })
        .await
    }

    /// Sends a signal to the process and its group; nothing happens when it has ended.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.exit_status()?.is_some() {
            return Ok(());
        }
        let group = Pid::from_raw(i32::try_from(self.child.id())?);
        killpg(group, signal)
            .with_context(|| format!("sending {signal} to {}", self.program.name()))
    }

    /// Kills it with no chance to clean up, and returns when it is gone.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill_hard(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        if self.status.is_none() {
            self.status = Some(self.child.wait().context("reaping a killed child")?);
        }
        Ok(())
    }

    /// Freezes it: it holds its connections and answers nothing.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Thaws it.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    ///
    /// # Errors
    /// When it still runs after `within`; it is left running then.
    pub async fn stop_gently(&mut self, within: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait(within).await
    }

    /// Starts the same program once more, after a hard kill if it still runs. The log goes on.
    ///
    /// # Errors
    /// When it cannot be killed or started.
    pub fn start_again(&mut self) -> Result<()> {
        self.kill_hard()?;
        self.child = self.program.spawn(&self.log)?;
        self.status = None;
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    #[expect(
        clippy::print_stderr,
        reason = "the log of a server is part of a failed test's output"
    )]
    fn drop(&mut self) {
        let ended = self
            .status
            .map(|status| format!(" (ended: {status})"))
            .unwrap_or_default();
        if let Err(error) = self.kill_hard() {
            eprintln!("{} could not be killed: {error:#}", self.program.name());
        }
        if thread::panicking() {
            eprintln!(
                "--- end of the log of {}{ended}\n{}",
                self.program.name(),
                self.log_tail()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    const SOON: Duration = Duration::from_secs(10);

    fn shell(script: &str) -> Program {
        Program::new("shell", "/bin/sh").arguments(["-c", script])
    }

    /// Waits until the program has written `text`.
    async fn says(process: &mut Process, text: &str) {
        until(text, SOON, || {
            let (alive, log) = (process.ensure_running(), process.log());
            async move {
                alive?;
                log.contains(text)
                    .then_some(())
                    .ok_or_else(|| anyhow!("it says {log:?}"))
            }
        })
        .await
        .unwrap();
    }

    fn kernel_state(process: u32) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        stat.rsplit(") ").next()?.chars().next()
    }

    #[tokio::test]
    async fn a_gentle_stop_lets_the_program_finish_and_tells_its_status() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
        let mut process = shell(script).start(folder.path()).unwrap();
        says(&mut process, "ready").await;
        let status = process.stop_gently(SOON).await.unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(process.log().ends_with("bye\n"));
    }

    #[tokio::test]
    async fn a_dropped_guard_ends_the_process_and_its_children() {
        let folder = tempfile::tempdir().unwrap();
        let process = shell("sleep 300 & echo $!; wait")
            .start(folder.path())
            .unwrap();
        let child: u32 = until("the id of the grandchild", SOON, || {
            let log = process.log();
            async move { log.trim().parse().with_context(|| format!("{log:?}")) }
        })
        .await
        .unwrap();
        let parent = process.id();
        drop(process);
        assert_eq!(kernel_state(parent), None);
        until("the end of the grandchild", SOON, || async move {
            match kernel_state(child) {
                None | Some('Z') => Ok(()),
                Some(state) => Err(anyhow!("it is in state {state}")),
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_paused_process_stands_still_and_can_still_be_killed() {
        let folder = tempfile::tempdir().unwrap();
        let mut process = shell("exec sleep 300").start(folder.path()).unwrap();
        process.pause().unwrap();
        let id = process.id();
        until("the pause", SOON, || async move {
            let state = kernel_state(id);
            (state == Some('T'))
                .then_some(())
                .ok_or_else(|| anyhow!("state {state:?}"))
        })
        .await
        .unwrap();
        assert!(process.is_running().unwrap());
        process.kill_hard().unwrap();
        assert_eq!(process.exit_status().unwrap().unwrap().signal(), Some(9));
    }

    #[tokio::test]
    async fn a_child_is_to_die_with_its_parent_whatever_user_it_runs_as() {
        let folder = tempfile::tempdir().unwrap();
        let mut dump = Program::new("dump", "/usr/bin/setpriv").argument("--dump");
        if nix::unistd::Uid::effective().is_root() {
            let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
            dump = dump.as_user(nobody);
        }
        let mut process = dump.start(folder.path()).unwrap();
        assert!(process.wait(SOON).await.unwrap().success());
        let log = process.log();
        assert!(
            log.to_lowercase().contains("parent death signal: kill"),
            "{log}"
        );
    }

    #[tokio::test]
    async fn a_child_outlives_the_thread_that_asked_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let asking = thread::spawn(move || {
            let script = "trap 'echo alive' USR1; echo ready; while :; do sleep 0.01; done";
            let mut process = shell(script).start(&path).unwrap();
            // Until the kernel knows whose end is the child's, the thread must not end.
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            runtime.unwrap().block_on(says(&mut process, "ready"));
            (process, nix::unistd::gettid())
        });
        let (mut process, thread) = asking.join().unwrap();
        until("the end of the thread", SOON, || async move {
            let gone = !Path::new(&format!("/proc/self/task/{thread}")).exists();
            gone.then_some(())
                .ok_or_else(|| anyhow!("it is still there"))
        })
        .await
        .unwrap();
        // A child that was sent its death has no time left to answer.
        process.signal(Signal::SIGUSR1).unwrap();
        says(&mut process, "alive").await;
    }

    #[test]
    fn a_program_that_is_not_installed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = Program::new("ghost", "/usr/sbin/ghost-server").start(folder.path());
        assert_eq!(
            missing.unwrap_err().to_string(),
            "there is no /usr/sbin/ghost-server for ghost"
        );
    }
}
