//! Streams of containers that are only pretended. The labels and commands are in the module above.
//!
//! Lines of a log are not kept but made when they are asked for: how many there are follows from how
//! long the container runs.

use std::convert::Infallible;
use std::sync::OnceLock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use drover_domain::stream::{Channel, ExecRequest, LogsRequest, Size, Usage};
use drover_domain::{ResourceId, Timestamp};
use futures::StreamExt;
use futures::stream;
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Bytes;

use super::machine::{Machine, Story};
use crate::runtime::RuntimeError;
use crate::runtime::streams::{Exec, ExecHandle, Output, OutputStream, UsageStream};

/// Pieces of a line, and of what a command writes, in bytes.
const PIECE: usize = 16 * 1024;
/// How often it is looked whether there is more to tell.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often usage is told.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// Every so many lines one goes to stderr.
const STDERR_EVERY: u64 = 5;
/// What ends the input of a terminal.
const END_OF_INPUT: u8 = 4;

type Shared = Arc<Mutex<Machine>>;

/// The present moment, as lines of a log bear it.
#[expect(
    clippy::disallowed_methods,
    reason = "what is pretended to be written bears the moment, as Docker's lines do; nothing depends on it"
)]
pub(super) fn now() -> Timestamp {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(0).after(elapsed)
}

fn story(machine: &Shared, id: ResourceId) -> Option<Story> {
    let machine = machine.lock().unwrap_or_else(PoisonError::into_inner);
    machine.story(id)
}

/// What is known of a container that is there.
fn there(machine: &Shared, id: ResourceId) -> Result<Story, RuntimeError> {
    story(machine, id).ok_or_else(|| RuntimeError::NotFound(format!("there is no container {id}")))
}

/// The same of one that runs.
pub(super) fn running(machine: &Shared, id: ResourceId) -> Result<Story, RuntimeError> {
    let story = there(machine, id)?;
    match story.is_running {
        true => Ok(story),
        false => Err(RuntimeError::Refused("the container does not run".into())),
    }
}

/// Where a reader of a log is.
struct Reader {
    machine: Shared,
    id: ResourceId,
    wanted: LogsRequest,
    /// The line that comes next, from 1 on.
    line: u64,
    /// How much of it was told.
    told: usize,
}

/// What a container writes.
pub(super) fn logs(
    machine: Shared,
    id: ResourceId,
    wanted: &LogsRequest,
) -> Result<OutputStream, RuntimeError> {
    let story = there(&machine, id)?;
    let lines = story.lines();
    let is_recent = |line: &u64| {
        wanted
            .since
            .is_none_or(|since| story.moment(*line) >= since)
    };
    let first = (1..=lines).find(is_recent).unwrap_or(lines + 1);
    let tail = wanted.tail.map_or(u64::MAX, u64::from);
    let reader = Reader {
        line: first.max((lines + 1).saturating_sub(tail)),
        told: 0,
        wanted: wanted.clone(),
        machine,
        id,
    };
    let pieces = stream::unfold(reader, |mut reader| async {
        let piece = reader.next().await?;
        Some((Ok(piece), reader))
    });
    Ok(pieces.boxed())
}

impl Reader {
    async fn next(&mut self) -> Option<Output> {
        loop {
            let story = story(&self.machine, self.id)?;
            if self.line > story.lines() {
                if !self.wanted.follow || !story.is_running {
                    return None;
                }
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            let channel = match self.line.is_multiple_of(STDERR_EVERY) {
                true => Channel::Stderr,
                false => Channel::Stdout,
            };
            let is_wanted = match channel {
                Channel::Stderr => self.wanted.stderr,
                _ => self.wanted.stdout,
            };
            if !is_wanted {
                self.line += 1;
                continue;
            }
            let bytes = self.piece(&story);
            return Some(Output { channel, bytes });
        }
    }

    /// The next piece of the line.
    fn piece(&mut self, story: &Story) -> Bytes {
        let mut text = String::new();
        if self.told == 0 {
            if self.wanted.timestamps {
                text = format!("{} ", story.moment(self.line));
            }
            text.push_str(&format!("line {}", self.line));
            self.told = text.len();
        }
        let missing = story.script.log_bytes.saturating_sub(self.told);
        let filling = missing.min(PIECE - text.len().min(PIECE));
        text.extend(std::iter::repeat_n('.', filling));
        self.told += filling;
        if filling == missing {
            text.push('\n');
            self.line += 1;
            self.told = 0;
        }
        text.into()
    }
}

/// What a container is pretended to use.
pub(super) fn stats(
    machine: Shared,
    id: ResourceId,
    live: bool,
) -> Result<UsageStream, RuntimeError> {
    running(&machine, id)?;
    let first = (machine, true);
    let told = stream::unfold(first, move |(machine, is_first)| async move {
        if !is_first {
            if !live {
                return None;
            }
            tokio::time::sleep(TELL_EVERY).await;
        }
        let story = story(&machine, id).filter(|story| story.is_running)?;
        let seconds = story.ran.as_secs();
        let usage = Usage {
            time: now(),
            cpu_millis: 10,
            memory_bytes: 16 << 20,
            memory_limit_bytes: 64 << 20,
            network_received_bytes: seconds * 1_000,
            network_sent_bytes: seconds * 500,
            disk_read_bytes: 4_096,
            disk_written_bytes: seconds * 100,
            processes: 1,
        };
        Some((Ok(usage), (machine, false)))
    });
    Ok(told.boxed())
}

/// Pretends to run a command.
pub(super) fn exec(wanted: &ExecRequest) -> Exec {
    let (input, stdin) = tokio::io::duplex(PIECE);
    let (sender, receiver) = mpsc::channel(1);
    let size = watch::Sender::new(wanted.terminal());
    let code = Arc::new(OnceLock::new());
    let program = Program {
        wanted: wanted.clone(),
        stdin: wanted.stdin.then_some(stdin),
        sender,
        size: size.subscribe(),
    };
    let ended = Arc::clone(&code);
    tokio::spawn(async move {
        let gone = program.sender.clone();
        let ends = async {
            // Who writes to nobody has ended.
            let exit = program.run().await.unwrap_or(141);
            // It is set once.
            if ended.set(exit).is_err() {
                tracing::debug!("a command has ended twice");
            }
        };
        tokio::select! {
            () = ends => {}
            () = gone.closed() => {}
        }
    });
    let output = stream::unfold(receiver, |mut receiver| async {
        let output: Output = receiver.recv().await?;
        Some((Ok(output), receiver))
    });
    Exec {
        output: output.boxed(),
        input: wanted.stdin.then(|| Box::pin(input) as _),
        handle: Box::new(Handle { size, code }),
    }
}

struct Handle {
    size: watch::Sender<Option<Size>>,
    code: Arc<OnceLock<i64>>,
}

#[async_trait]
impl ExecHandle for Handle {
    async fn resize(&self, size: Size) -> Result<(), RuntimeError> {
        self.size
            .send_if_modified(|known| known.replace(size) != Some(size));
        Ok(())
    }

    async fn exit_code(&self) -> Result<i64, RuntimeError> {
        // The end of the output comes a moment before.
        loop {
            if let Some(code) = self.code.get() {
                return Ok(*code);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// A command that is pretended to run.
struct Program {
    wanted: ExecRequest,
    stdin: Option<DuplexStream>,
    sender: mpsc::Sender<Output>,
    size: watch::Receiver<Option<Size>>,
}

/// Nobody reads what is written.
struct Unread;

impl Program {
    async fn write(&self, channel: Channel, bytes: impl Into<Bytes>) -> Result<(), Unread> {
        let bytes = bytes.into();
        let sent = self.sender.send(Output { channel, bytes }).await;
        sent.map_err(|_| Unread)
    }

    /// Gives the code that it ends with.
    async fn run(mut self) -> Result<i64, Unread> {
        let (name, words) = match self.wanted.command.split_first() {
            Some((name, words)) => (name.clone(), words.join(" ")),
            None => return Ok(127),
        };
        let said = format!("{words}\n");
        match name.as_str() {
            "echo" => self.write(Channel::Stdout, said).await.map(|()| 0),
            "fail" => self.write(Channel::Stderr, said).await.map(|()| 1),
            "exit" => Ok(words.parse().unwrap_or(2)),
            "env" => self.environment().await,
            "yes" => match self.flood().await {
                Err(unread) => Err(unread),
                Ok(never) => match never {},
            },
            "size" => self.sizes().await,
            _ => self.echo().await,
        }
    }

    async fn environment(&self) -> Result<i64, Unread> {
        let mut text = String::new();
        for (name, value) in &self.wanted.environment {
            text.push_str(&format!("{name}={value}\n"));
        }
        let own = [
            ("USER", &self.wanted.user),
            ("PWD", &self.wanted.working_dir),
        ];
        for (name, value) in own {
            if let Some(value) = value {
                text.push_str(&format!("{name}={value}\n"));
            }
        }
        self.write(Channel::Stdout, text).await.map(|()| 0)
    }

    async fn flood(&self) -> Result<Infallible, Unread> {
        let piece = Bytes::from("y\n".repeat(PIECE / 2));
        loop {
            self.write(Channel::Stdout, piece.clone()).await?;
        }
    }

    /// What comes in goes out, until its end.
    async fn echo(&mut self) -> Result<i64, Unread> {
        let Some(mut stdin) = self.stdin.take() else {
            return Ok(0);
        };
        let mut piece = vec![0; PIECE];
        loop {
            let Ok(length @ 1..) = stdin.read(&mut piece).await else {
                return Ok(0);
            };
            let read = &piece[..length];
            let end = read.iter().position(|byte| *byte == END_OF_INPUT);
            let end = end.filter(|_| self.wanted.tty);
            let read = Bytes::copy_from_slice(&read[..end.unwrap_or(length)]);
            self.write(Channel::Stdout, read).await?;
            if end.is_some() {
                return Ok(0);
            }
        }
    }

    /// Tells the size of its terminal, now and each time that it becomes another, until its input has
    /// come to its end.
    async fn sizes(&mut self) -> Result<i64, Unread> {
        let mut stdin = self.stdin.take();
        let mut ignored = [0; 64];
        loop {
            let size = *self.size.borrow_and_update();
            let text = match size {
                Some(Size { width, height }) => format!("{width}x{height}\n"),
                None => "no terminal\n".to_owned(),
            };
            self.write(Channel::Stdout, text).await?;
            let changed = async {
                match &mut stdin {
                    None => false,
                    Some(stdin) => loop {
                        tokio::select! {
                            changed = self.size.changed() => break changed.is_ok(),
                            read = stdin.read(&mut ignored) => {
                                if !matches!(read, Ok(1..)) {
                                    break false;
                                }
                            }
                        }
                    },
                }
            };
            if !changed.await {
                return Ok(0);
            }
        }
    }
}
