//! Streams of containers of Docker.
//!
//! Docker's answer to a request for logs is read only as far as somebody takes it, and Docker itself
//! reads its files only as far as its answer is taken: nothing is gathered here.
//!
//! Docker cuts long lines into pieces of 16 KiB and, where moments are asked for, puts one before each
//! piece. Here only the first one stays, so that a line is a line.

use std::future::ready;
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::{LogsOptionsBuilder, StatsOptionsBuilder};
use drover_domain::stream::{Channel, ExecRequest, LogsRequest, Size, StatsRequest, Usage};
use drover_domain::{ResourceId, Timestamp};
use futures::StreamExt;
use futures::stream::{self, Stream};
use tokio_tungstenite::tungstenite::Bytes;

use super::refusal::{explain, status_of, words_of};
use super::{DockerRuntime, labels};
use crate::runtime::RuntimeError;
use crate::runtime::streams::{Exec, ExecHandle, Output, OutputStream, UsageStream};

/// How long Docker is waited for to say that it has no logs.
const REFUSES_WITHIN: Duration = Duration::from_millis(250);
/// How often, and how many times, Docker is asked how a command has ended that writes no more.
const ENDED_AFTER: Duration = Duration::from_millis(50);
const ENDED_TRIES: u32 = 100;
/// What is read of a command at once, in bytes.
const PIECE: usize = 16 * 1024;

/// What a container writes.
pub(super) async fn logs(
    runtime: &DockerRuntime,
    id: ResourceId,
    wanted: &LogsRequest,
) -> Result<OutputStream, RuntimeError> {
    let docker = runtime.client()?;
    let runtime_id = there(runtime, &docker, id).await?.0;
    if !wanted.stdout && !wanted.stderr {
        return Ok(stream::empty().boxed());
    }
    let since = wanted.since.map_or(0, |since| since.millis() / 1_000);
    let tail = wanted
        .tail
        .map_or_else(|| "all".to_owned(), |tail| tail.to_string());
    let options = LogsOptionsBuilder::new()
        .follow(wanted.follow)
        .stdout(wanted.stdout)
        .stderr(wanted.stderr)
        .timestamps(wanted.timestamps)
        .since(i32::try_from(since.max(0)).unwrap_or(i32::MAX))
        .tail(&tail)
        .build();
    let mut lines = Lines::default();
    let has_moments = wanted.timestamps;
    let pieces = docker
        .logs(&runtime_id, Some(options))
        .map(move |piece| {
            output(piece?, |channel, bytes| {
                lines.next(channel, bytes, has_moments)
            })
        })
        .map(|piece: Result<Output, Error>| piece.map_err(|error| explain(&error)));
    refused_or(pieces).await
}

/// A stream whose first item is looked at if it comes at once: Docker says so that it keeps no logs.
async fn refused_or(
    pieces: impl Stream<Item = Result<Output, RuntimeError>> + Send + 'static,
) -> Result<OutputStream, RuntimeError> {
    let mut pieces = Box::pin(pieces.peekable());
    let first = tokio::time::timeout(REFUSES_WITHIN, pieces.as_mut().peek()).await;
    if let Ok(Some(Err(error))) = first {
        return Err(error.clone());
    }
    Ok(pieces)
}

/// Where each channel stands: whether a new line begins.
#[derive(Default)]
struct Lines {
    is_within: [bool; 2],
}

impl Lines {
    /// A piece without the moment before it, if it goes on with a line.
    fn next(&mut self, channel: Channel, bytes: Bytes, has_moments: bool) -> Bytes {
        let is_within = &mut self.is_within[usize::from(channel == Channel::Stderr)];
        let rest = match bytes.iter().position(|byte| *byte == b' ') {
            Some(end) if has_moments && *is_within => bytes.slice(end + 1..),
            _ => bytes,
        };
        *is_within = !rest.ends_with(b"\n");
        rest
    }
}

fn output(
    piece: LogOutput,
    mut change: impl FnMut(Channel, Bytes) -> Bytes,
) -> Result<Output, Error> {
    let (channel, bytes) = match piece {
        LogOutput::StdErr { message } => (Channel::Stderr, message),
        LogOutput::StdOut { message }
        | LogOutput::StdIn { message }
        | LogOutput::Console { message } => (Channel::Stdout, message),
    };
    Ok(Output {
        channel,
        bytes: change(channel, bytes),
    })
}

/// Docker's id of a container that is there, and whether it runs.
async fn there(
    runtime: &DockerRuntime,
    docker: &Docker,
    id: ResourceId,
) -> Result<(String, bool), RuntimeError> {
    let found = runtime.find(docker, id).await?;
    let running = |state: &bollard::models::ContainerState| state.running;
    let is_running = found.as_ref().and_then(|found| found.state.as_ref());
    let is_running = is_running.and_then(running).unwrap_or_default();
    match found.and_then(|found| found.id) {
        Some(runtime_id) => Ok((runtime_id, is_running)),
        None => {
            let name = labels::name(id);
            Err(RuntimeError::NotFound(format!(
                "there is no container {name}"
            )))
        }
    }
}

/// The same of one that runs.
async fn running(
    runtime: &DockerRuntime,
    docker: &Docker,
    id: ResourceId,
) -> Result<String, RuntimeError> {
    match there(runtime, docker, id).await? {
        (runtime_id, true) => Ok(runtime_id),
        _ => Err(RuntimeError::Refused("the container does not run".into())),
    }
}

/// Starts a command inside a container.
pub(super) async fn exec(
    runtime: &DockerRuntime,
    id: ResourceId,
    wanted: &ExecRequest,
) -> Result<Exec, RuntimeError> {
    let docker = runtime.client()?;
    let runtime_id = running(runtime, &docker, id).await?;
    let terminal = wanted.terminal();
    let environment = wanted.environment.iter();
    let options = CreateExecOptions {
        attach_stdin: Some(wanted.stdin),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(wanted.tty),
        env: Some(
            environment
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        cmd: Some(wanted.command.clone()),
        user: wanted.user.clone(),
        working_dir: wanted.working_dir.clone(),
        ..CreateExecOptions::default()
    };
    let created = docker.create_exec(&runtime_id, options).await;
    let exec = created.map_err(|error| explain(&error))?.id;
    let options = StartExecOptions {
        detach: false,
        tty: wanted.tty,
        output_capacity: Some(PIECE),
    };
    let started = docker.start_exec(&exec, Some(options)).await;
    let StartExecResults::Attached {
        output: pieces,
        input,
    } = started.map_err(|error| explain(&error))?
    else {
        let reason = "the Docker engine did not attach the command";
        return Err(RuntimeError::Runtime(reason.to_owned()));
    };
    let handle = Handle { docker, exec };
    if let Some(size) = terminal
        && let Err(error) = handle.resize(size).await
    {
        tracing::debug!(%error, "a terminal could not be given its size");
    }
    let pieces = pieces.map(|piece| {
        let piece = piece.and_then(|piece| output(piece, |_, bytes| bytes));
        piece.map_err(|error| explain(&error))
    });
    Ok(Exec {
        output: pieces.boxed(),
        input: wanted.stdin.then_some(input),
        handle: Box::new(handle),
    })
}

/// A command by Docker's name for it.
struct Handle {
    docker: Docker,
    exec: String,
}

#[async_trait]
impl ExecHandle for Handle {
    async fn resize(&self, size: Size) -> Result<(), RuntimeError> {
        let options = ResizeExecOptions {
            height: size.height,
            width: size.width,
        };
        let resized = self.docker.resize_exec(&self.exec, options).await;
        resized.map_err(|error| explain(&error))
    }

    async fn exit_code(&self) -> Result<i64, RuntimeError> {
        for _ in 0..ENDED_TRIES {
            let found = self.docker.inspect_exec(&self.exec).await;
            let found = found.map_err(|error| match status_of(&error) {
                // The container was taken away, and the command with it.
                Some(404) => RuntimeError::Runtime(words_of(&error)),
                _ => explain(&error),
            })?;
            if let (Some(code), Some(false)) = (found.exit_code, found.running) {
                return Ok(code);
            }
            tokio::time::sleep(ENDED_AFTER).await;
        }
        let reason = "the command writes no more and has not ended";
        Err(RuntimeError::Runtime(reason.to_owned()))
    }
}

/// What a container uses.
pub(super) async fn stats(
    runtime: &DockerRuntime,
    id: ResourceId,
    wanted: &StatsRequest,
) -> Result<UsageStream, RuntimeError> {
    let docker = runtime.client()?;
    let runtime_id = running(runtime, &docker, id).await?;
    // Once, Docker waits for the second of two looks by itself.
    let options = StatsOptionsBuilder::new()
        .stream(wanted.live)
        .one_shot(false);
    let stats = docker.stats(&runtime_id, Some(options.build()));
    let told = stats
        // Of a container that has ended Docker goes on to tell, that it uses nothing.
        .take_while(|stats| ready(!stats.as_ref().is_ok_and(is_of_the_dead)))
        .filter_map(|stats| {
            ready(match stats {
                Ok(stats) => usage(&stats).map(Ok),
                Err(error) => Some(Err(explain(&error))),
            })
        });
    Ok(told.boxed())
}

fn is_of_the_dead(stats: &ContainerStatsResponse) -> bool {
    let pids = stats.pids_stats.as_ref().and_then(|pids| pids.current);
    let memory = stats.memory_stats.as_ref().and_then(|memory| memory.usage);
    pids.is_none_or(|count| count == 0) && memory.is_none_or(|usage| usage == 0)
}

/// What Docker tells, in our terms. None of what has nothing before it to compare with: the first look
/// says how much was computed in all, and not in the last second.
fn usage(stats: &ContainerStatsResponse) -> Option<Usage> {
    let computed =
        |stats: Option<&bollard::models::ContainerCpuStats>| stats?.cpu_usage.as_ref()?.total_usage;
    let moment = |text: Option<&String>| text?.parse::<Timestamp>().ok();
    let time = moment(stats.read.as_ref())?;
    // Without one before it, Docker names the year one.
    let before = moment(stats.preread.as_ref()).filter(|before| before.millis() > 0)?;
    let elapsed = before.until(time).as_nanos();
    let now = computed(stats.cpu_stats.as_ref()).unwrap_or_default();
    let then = computed(stats.precpu_stats.as_ref()).unwrap_or_default();
    let computed = u128::from(now.saturating_sub(then)) * 1_000;
    let cpu = computed.checked_div(elapsed)?;
    let memory = stats.memory_stats.as_ref();
    // What is cached in files that nobody uses would be given back (cgroup 2, and 1).
    let cached = memory.and_then(|memory| {
        let stats = memory.stats.as_ref()?;
        let cached = stats.get("inactive_file");
        cached.or_else(|| stats.get("total_inactive_file")).copied()
    });
    let used = memory.and_then(|memory| memory.usage).unwrap_or_default();
    let networks = || stats.networks.iter().flat_map(|networks| networks.values());
    let disk = |wanted: &str| {
        let blkio = stats.blkio_stats.as_ref();
        let entries = blkio.and_then(|blkio| blkio.io_service_bytes_recursive.as_ref());
        let entries = entries.into_iter().flatten();
        let of_kind = entries.filter(|entry| {
            let kind = entry.op.as_deref().unwrap_or_default();
            kind.eq_ignore_ascii_case(wanted)
        });
        of_kind.filter_map(|entry| entry.value).sum()
    };
    Some(Usage {
        time,
        cpu_millis: u64::try_from(cpu).unwrap_or(u64::MAX),
        memory_bytes: used.saturating_sub(cached.unwrap_or_default()),
        memory_limit_bytes: memory.and_then(|memory| memory.limit).unwrap_or_default(),
        network_received_bytes: networks().filter_map(|network| network.rx_bytes).sum(),
        network_sent_bytes: networks().filter_map(|network| network.tx_bytes).sum(),
        disk_read_bytes: disk("read"),
        disk_written_bytes: disk("write"),
        processes: stats
            .pids_stats
            .as_ref()
            .and_then(|pids| pids.current)
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_has_one_moment() {
        let mut lines = Lines::default();
        let mut next = |channel, text: &'static str| {
            let bytes = lines.next(channel, Bytes::from_static(text.as_bytes()), true);
            String::from_utf8(bytes.to_vec()).unwrap()
        };
        assert_eq!(next(Channel::Stdout, "2026Z aa"), "2026Z aa");
        assert_eq!(next(Channel::Stderr, "2026Z x\n"), "2026Z x\n");
        assert_eq!(next(Channel::Stdout, "2026Z b b\n"), "b b\n");
        assert_eq!(next(Channel::Stdout, "2026Z c\n"), "2026Z c\n");
    }
}
