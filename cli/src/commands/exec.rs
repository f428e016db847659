//! `drover exec`: runs a command inside a container, attached to this terminal.
//!
//! ```text
//!   a thread reads standard input --> [input] --> messages of the channel 0, sizes, the end
//!   messages of the channels 1 and 2 --> standard output and standard error; the exit code ends it
//! ```
//!
//! With a terminal on both sides, this one hands on every key as it is pressed, Ctrl-C too, and is put
//! back as it was whatever happens. Standard input is read by a thread of its own, which the end of the
//! program does not wait for: a read that nobody answers cannot be called off.

use std::io::{IsTerminal, Read};

use drover_domain::stream::frame::{self, CONTENT_LIMIT};
use drover_domain::stream::{Channel, Control, Size};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{Session, id_of, title};
use crate::arguments::ExecArguments;
use crate::client::{Kind, Told, Writing};
use crate::failure::Failure;
use crate::terminal::Raw;

/// Carries out the command.
///
/// # Errors
/// When it cannot be run, the stream breaks off, or it ends with another code than 0.
pub async fn exec(session: &Session<'_>, arguments: &ExecArguments) -> Result<(), Failure> {
    let client = &session.client;
    let container = client.find(Kind::Container, &arguments.container).await?;
    let path = format!("/v1/containers/{}/exec", id_of(client, &container)?);
    let (writing, mut reading) = client.stream(&path, &query(arguments)).await?;
    let is_terminal = arguments.tty && std::io::stdin().is_terminal();
    let raw = match is_terminal && arguments.interactive {
        true => Some(Raw::enter()?),
        false => None,
    };
    let input = Input {
        reads: arguments.interactive,
        is_terminal: arguments.tty,
    };
    let _input = AbortOnDropHandle::new(tokio::spawn(input.run(writing)));
    let reading = async {
        loop {
            match reading.next().await? {
                Told::Output(Channel::Stderr, bytes) => session.terminal.pass_error(&bytes)?,
                Told::Output(_, bytes) => session.terminal.pass(&bytes)?,
                Told::Control(Control::Exit { code }) => return Ok(code),
                Told::Control(_) => {}
                Told::End => {
                    return Err(Failure::StreamBroken {
                        code: None,
                        message: "the command's end was not told".to_owned(),
                    });
                }
            }
        }
    };
    let ended = tokio::select! {
        ended = reading => ended,
        () = told_to_end() => Err(Failure::Interrupted { subject: title(&container) }),
    };
    // Before anything is said about it.
    drop(raw);
    match ended? {
        0 => Ok(()),
        code => Err(Failure::CommandEnded { code }),
    }
}

fn query(arguments: &ExecArguments) -> Vec<(&'static str, String)> {
    let mut query: Vec<(&str, String)> = Vec::new();
    let command = arguments.command.iter();
    query.extend(command.map(|word| ("command", word.clone())));
    query.push(("stdin", arguments.interactive.to_string()));
    query.push(("tty", arguments.tty.to_string()));
    if let Some(size) = size().filter(|_| arguments.tty) {
        query.push(("width", size.width.to_string()));
        query.push(("height", size.height.to_string()));
    }
    let variables = arguments.env.iter();
    query.extend(variables.map(|pair| ("environment", format!("{}={}", pair.key, pair.value))));
    query.extend(arguments.user.clone().map(|user| ("user", user)));
    let directory = arguments.workdir.clone();
    query.extend(directory.map(|directory| ("workingDir", directory)));
    query
}

/// The size of this terminal, if there is one.
fn size() -> Option<Size> {
    let (width, height) = crossterm::terminal::size().ok()?;
    (width > 0 && height > 0).then_some(Size { width, height })
}

/// Ends when the program is told to. That the terminal is put back is worth the wait.
async fn told_to_end() {
    let ends = [SignalKind::terminate(), SignalKind::hangup()].map(signal);
    let [Ok(mut terminate), Ok(mut hangup)] = ends else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

/// What goes to the command.
struct Input {
    /// Whether standard input is handed on.
    reads: bool,
    /// Whether the command has a terminal, whose size is to be that of this one.
    is_terminal: bool,
}

impl Input {
    async fn run(self, mut to: Writing) {
        let mut pieces = self.reads.then(standard_input);
        let Ok(mut changed) = signal(SignalKind::window_change()) else {
            return;
        };
        loop {
            let piece = async {
                match &mut pieces {
                    Some(pieces) => pieces.recv().await,
                    None => std::future::pending().await,
                }
            };
            let messages: Vec<Vec<u8>> = tokio::select! {
                piece = piece => match piece {
                    Some(piece) => frame::messages(Channel::Stdin, &piece).collect(),
                    None => {
                        pieces = None;
                        vec![Control::StdinClosed(true).to_message()]
                    }
                },
                _ = changed.recv(), if self.is_terminal => {
                    size().map(|size| Control::Resize(size).to_message()).into_iter().collect()
                }
            };
            for message in messages {
                if !to.send(message).await {
                    return;
                }
            }
        }
    }
}

/// Standard input in pieces, to its end. It is read as fast as it is taken.
fn standard_input() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut piece = vec![0; CONTENT_LIMIT];
        while let Ok(length @ 1..) = stdin.read(&mut piece) {
            if sender.blocking_send(piece[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}
