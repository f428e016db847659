//! A Docker engine of a test's own, to be killed and started again.
//!
//! It has its own folder, socket and containerd, and no network: containers on it join `none`. Its containerd
//! is a service beside it, as Debian and Docker install it, and outlives it. What becomes of the containers of
//! an engine that ends is chosen ([`Orphans`]). Everything that it runs bears a variable
//! ([`OwnEngine::marker`]) by which it is found and killed at the end, for the engine may not be there then to
//! be asked.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use bollard::{API_DEFAULT_VERSION, Docker};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::docker::{Engine, HELLO};
use crate::process::{Process, Program, find, output};
use crate::until::until;

const WITHIN: Duration = Duration::from_secs(60);
/// The variable that marks what runs on an engine.
const MARKER: &str = "DROVER_TEST_ENGINE";
/// The socket of its containerd.
const CONTAINERD: &str = "containerd.sock";

/// What becomes of the containers of an engine that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphans {
    /// They go on (`live-restore`).
    GoOn,
    /// It ends them with itself, if it has the time, or when it is back: Docker's default.
    End,
}

/// A Docker engine; gone with all that it runs when this is dropped.
#[derive(Debug)]
pub struct OwnEngine {
    dockerd: Process,
    _containerd: Process,
    folder: TempDir,
}

impl OwnEngine {
    /// Starts an engine that has the image [`HELLO`], and waits until it answers. It takes root.
    ///
    /// # Errors
    /// When Docker is not installed, or the engine does not come up.
    pub async fn start(orphans: Orphans) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("drover-engine-")
            .tempdir()?;
        let within = |name: &str| folder.path().join(name).display().to_string();
        let containerd = start_containerd(folder.path()).await?;
        // An engine without a bridge takes `docker0` away, which is another engine's: so it has a network
        // namespace of its own to do that in.
        let dockerd = Program::new("dockerd", find("unshare")?)
            .arguments(["--net", &find("dockerd")?.display().to_string()])
            .arguments([
                "--data-root",
                &within("data"),
                "--exec-root",
                &within("run"),
            ])
            .arguments([
                "--pidfile",
                &within("pid"),
                "--host",
                &address(folder.path()),
                "--containerd",
                &within(CONTAINERD),
            ])
            .arguments(["--bridge", "none"])
            .argument(format!("--live-restore={}", orphans == Orphans::GoOn))
            .arguments(["--iptables=false", "--ip-masq=false"])
            .start(folder.path())?;
        let mut engine = Self {
            dockerd,
            _containerd: containerd,
            folder,
        };
        engine.wait_until_it_answers().await?;
        engine.load_hello().await?;
        Ok(engine)
    }

    /// Its address, as `unix:///…`.
    #[must_use]
    pub fn address(&self) -> String {
        address(self.folder.path())
    }

    /// The variable that each container on it is to have, and its value.
    #[must_use]
    pub fn marker(&self) -> (&'static str, String) {
        (MARKER, self.folder.path().display().to_string())
    }

    /// A client of it.
    ///
    /// # Errors
    /// When it is not there.
    pub fn client(&self) -> Result<Engine> {
        client(&self.address())
    }

    /// Tells it to end, as whoever upgrades it does, and starts it again.
    ///
    /// # Errors
    /// When it does not end, or does not come up.
    pub async fn restart(&mut self) -> Result<()> {
        self.dockerd.stop_gently(WITHIN).await?;
        self.start_again().await
    }

    /// Kills it. What it runs goes on. Docker 20.10 never gets hold again of one that it was just starting: its
    /// id stays in use in containerd until somebody ends it there.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.dockerd.kill_hard()
    }

    /// Starts it again, and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_again(&mut self) -> Result<()> {
        self.dockerd.start_again()?;
        self.wait_until_it_answers().await
    }

    async fn wait_until_it_answers(&mut self) -> Result<()> {
        let address = self.address();
        let dockerd = &mut self.dockerd;
        until("the engine answers", WITHIN, || {
            let alive = dockerd.ensure_running();
            let client = client(&address);
            async move {
                if alive.is_err() {
                    return Ok(alive);
                }
                client?.client.ping().await?;
                Ok(Ok(()))
            }
        })
        .await?
    }

    /// Takes the image over from the engine of this machine.
    async fn load_hello(&self) -> Result<()> {
        let docker = find("docker")?;
        let file = self.folder.path().join("hello.tar").display().to_string();
        let save = Program::new("docker save", &docker).arguments(["save", "-o", &file, HELLO]);
        let saved = output(save, WITHIN).await;
        saved.context("there is no image drover/hello; make it with scripts/build-hello-image")?;
        let load = Program::new("docker load", &docker).arguments([
            "--host",
            &self.address(),
            "load",
            "-i",
            &file,
        ]);
        output(load, WITHIN).await.map(drop)
    }

    /// Kills what runs on it and what runs it, and lets go of what is mounted in its folder.
    fn clear(&mut self) -> Result<()> {
        let (name, value) = self.marker();
        let marker = format!("{name}={value}");
        let ended = self.dockerd.kill_hard();
        // Its containerd and what watches over its containers name its folder; containers bear the marker.
        for _ in 0..3 {
            for pid in pids() {
                let has = |file: &str, text: &str| {
                    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
                    let mut parts = bytes.split(|byte| *byte == 0);
                    parts.any(|part| String::from_utf8_lossy(part).contains(text))
                };
                if has("environ", &marker) || (pid != own_pid() && has("cmdline", &value)) {
                    // One that is gone by now is as it should be.
                    kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap_or_default();
                }
            }
        }
        let mounts = fs::read_to_string("/proc/mounts")?;
        let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let mut mounted: Vec<&str> = mounted.filter(|path| path.starts_with(&value)).collect();
        mounted.sort_unstable();
        for path in mounted.into_iter().rev() {
            let lazily = nix::mount::MntFlags::MNT_DETACH;
            nix::mount::umount2(path, lazily).with_context(|| format!("unmounting {path}"))?;
        }
        ended
    }
}

impl Drop for OwnEngine {
    #[expect(clippy::print_stderr, reason = "a drop has nobody else to tell")]
    fn drop(&mut self) {
        if let Err(error) = self.clear() {
            let folder = self.folder.path().display();
            eprintln!("an engine may be left in {folder}: {error:#}");
        }
    }
}

/// Starts a containerd, and waits until it can be spoken to.
async fn start_containerd(folder: &Path) -> Result<Process> {
    let socket = folder.join(CONTAINERD);
    let settings = folder.join("containerd.toml");
    let within = |name: &str| folder.join(name).display().to_string();
    // What Kubernetes needs of it would take a port.
    fs::write(
        &settings,
        format!(
            "version = 2\nroot = {:?}\nstate = {:?}\n\
             disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = {:?}\n",
            within("containerd-data"),
            within("containerd-run"),
            socket.display().to_string(),
        ),
    )?;
    let mut containerd = Program::new("containerd", find("containerd")?)
        .arguments(["--config", &settings.display().to_string()])
        .start(folder)?;
    until("containerd listens", WITHIN, || {
        let alive = containerd.ensure_running();
        let listens = std::os::unix::net::UnixStream::connect(&socket);
        async move {
            if alive.is_err() {
                return Ok(alive);
            }
            listens?;
            Ok(Ok(()))
        }
    })
    .await??;
    Ok(containerd)
}

fn client(address: &str) -> Result<Engine> {
    let client = Docker::connect_with_unix(address, 20, API_DEFAULT_VERSION)?;
    Ok(Engine { client })
}

fn address(folder: &Path) -> String {
    format!("unix://{}", folder.join("docker.sock").display())
}

fn own_pid() -> i32 {
    Pid::this().as_raw()
}

fn pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}
