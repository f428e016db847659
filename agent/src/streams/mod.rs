//! Streams: each on a connection of its own, so that no slow reader holds up anything else.
//!
//! ```text
//!   openStream --> [open]    the runtime is asked; reply: opened, or why not
//!                    |
//!                  [dial]    a WebSocket to the server that the command came from
//!                    |
//!                  [pass]    what is written goes out, what comes in is stdin, a size, an end
//! ```
//!
//! A stream has no fence and no turn, for it changes nothing: logs are had while a container is being
//! stopped. It is not tied to the connection on which it was asked for, either. What is taken from the
//! runtime is what the connection has taken, so that a reader who stops stops the one who writes; when
//! the connection ends, in whatever way, what the runtime gave is dropped, and with it goes all that
//! the agent holds of the stream.

mod pass;

use std::sync::Arc;
use std::time::Duration;

use drover_domain::stream::frame::MESSAGE_LIMIT;
use drover_domain::stream::{Control, StreamRequest};
use drover_domain::{ResourceId, ResourceType};
use drover_proto::v1::{
    AgentFrame, Command, OpenStream, Reply, StreamOpened, command::Action, failure::Code, reply,
};
use futures::StreamExt;
use tokio::sync::{Semaphore, mpsc};
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use crate::backoff::Backoff;
use crate::dial::{Dial, Socket};
use crate::executor::{failed, frame};
use crate::registrar::Chain;
use crate::runtime::streams::{Exec, OutputStream, UsageStream};
use crate::runtime::{Runtime, RuntimeError};

/// The most streams at the same time.
const MOST: usize = 64;
/// How long the dial for a stream may take, with all its tries.
const DIAL_WITHIN: Duration = Duration::from_secs(10);
/// What a socket reads into, in bytes.
const READ_BUFFER: usize = 8 * 1024;

/// The streams of an agent.
pub(crate) struct Streams {
    runtime: Arc<dyn Runtime>,
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
    shutdown: CancellationToken,
}

/// A stream that the runtime has given.
enum Opened {
    Logs(OutputStream),
    Exec(Exec),
    Stats(UsageStream),
}

impl Streams {
    pub(crate) fn new(runtime: Arc<dyn Runtime>, shutdown: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            runtime,
            permits: Arc::new(Semaphore::new(MOST)),
            tasks: TaskTracker::new(),
            shutdown,
        })
    }

    /// Opens a stream as a command says, in the background; the reply goes out on the connection.
    pub(crate) fn open(
        self: &Arc<Self>,
        command: Command,
        dial: &Dial,
        outgoing: &mpsc::Sender<AgentFrame>,
    ) {
        let streams = Arc::clone(self);
        let (dial, outgoing) = (dial.clone(), outgoing.clone());
        let permit = Arc::clone(&self.permits).try_acquire_owned().ok();
        self.tasks.spawn(async move {
            let running = streams.run(command, &dial, &outgoing, permit.is_some());
            streams.shutdown.run_until_cancelled(running).await;
            drop(permit);
        });
    }

    /// Waits until all are over, which they are soon once the program is to end.
    pub(crate) async fn finish_within(&self, limit: Duration) {
        self.tasks.close();
        if tokio::time::timeout(limit, self.tasks.wait())
            .await
            .is_err()
        {
            info!(streams = self.tasks.len(), "ending while streams are open");
        }
    }

    async fn run(
        &self,
        command: Command,
        dial: &Dial,
        outgoing: &mpsc::Sender<AgentFrame>,
        has_place: bool,
    ) {
        let id = command.id.clone();
        let opened = match has_place {
            true => self.ask(&command).await,
            false => Err((
                Code::Unavailable,
                format!("the agent has {MOST} streams open, which is all that it takes"),
            )),
        };
        let (opened, reply) = match opened {
            Ok((stream, opened)) => {
                let reply = Reply {
                    command_id: id,
                    result: Some(reply::Result::StreamOpened(StreamOpened {})),
                };
                (Some((stream, opened)), reply)
            }
            Err((code, message)) => {
                debug!(%message, "a stream cannot be had");
                (None, failed(id, code, message))
            }
        };
        if outgoing.send(frame(reply)).await.is_err() {
            // Nobody waits for a dial any more.
            return;
        }
        let Some((stream, opened)) = opened else {
            return;
        };
        // The handshake takes more room than what follows, and only for a moment.
        match Box::pin(connect(dial, &stream)).await {
            Ok(socket) => Box::pin(pass(socket, opened)).await,
            Err(error) => info!(error = %Chain(&error), "a stream has no connection"),
        }
    }

    /// What the runtime gives, with the id of the stream.
    async fn ask(&self, command: &Command) -> Result<(String, Opened), (Code, String)> {
        let (open, container, request) = understand(command)?;
        let runtime = &self.runtime;
        let opened = match &request {
            StreamRequest::Logs(logs) => runtime.logs(container, logs).await.map(Opened::Logs),
            StreamRequest::Exec(exec) => runtime.exec(container, exec).await.map(Opened::Exec),
            StreamRequest::Stats(stats) => runtime.stats(container, stats).await.map(Opened::Stats),
        };
        let opened = opened.map_err(|error: RuntimeError| {
            let failure = drover_proto::v1::Failure::from(&error);
            (failure.code(), failure.message)
        })?;
        Ok((open.stream_id.clone(), opened))
    }
}

fn understand(
    command: &Command,
) -> Result<(&OpenStream, ResourceId, StreamRequest), (Code, String)> {
    let refused = |reason: String| (Code::Refused, reason);
    let Some(Action::OpenStream(open)) = &command.action else {
        return Err(refused("this is no stream".to_owned()));
    };
    let resource = drover_proto::resource(command.resource.as_ref());
    let resource = resource.map_err(|error| refused(error.to_string()))?;
    if resource.resource_type != ResourceType::Container {
        return Err(refused(format!("{resource} has no streams")));
    }
    let is_name = !open.stream_id.is_empty()
        && open
            .stream_id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_name {
        return Err(refused("the stream has no id".to_owned()));
    }
    if open.what.is_none() {
        let reason = "this agent does not know what the stream is of";
        return Err((Code::Unsupported, reason.to_owned()));
    }
    let request = StreamRequest::try_from(open.as_ref());
    let request = request.map_err(|error| refused(error.to_string()))?;
    Ok((open, resource.id, request))
}

/// Why there is no connection for a stream.
#[derive(Debug, thiserror::Error)]
enum DialError {
    #[error("no server answered within {DIAL_WITHIN:?}")]
    TimedOut,
    #[error("the handshake failed")]
    Broken(#[from] tungstenite::Error),
}

/// Dials for a stream. Behind one address there may be several servers, of which one waits: one that
/// does not know the stream is no reason to give up.
async fn connect(dial: &Dial, stream: &str) -> Result<Socket, DialError> {
    let url = dial.stream_url(stream);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(MESSAGE_LIMIT))
        .max_frame_size(Some(MESSAGE_LIMIT));
    let dialling = async {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
        loop {
            match dial.connect(&url, config).await {
                Err(tungstenite::Error::Http(answer))
                    if answer.status() == StatusCode::NOT_FOUND =>
                {
                    tokio::time::sleep(backoff.next()).await;
                }
                connected => return Ok(connected?),
            }
        }
    };
    let dialled = tokio::time::timeout(DIAL_WITHIN, dialling).await;
    dialled.unwrap_or(Err(DialError::TimedOut))
}

async fn pass(socket: Socket, opened: Opened) {
    match opened {
        Opened::Logs(output) => pass::output(socket, output).await,
        Opened::Exec(exec) => pass::exec(socket, exec).await,
        Opened::Stats(usage) => {
            let told = usage.map(|usage| usage.map(|usage| Control::Stats(usage).to_message()));
            pass::messages(socket, told.boxed()).await;
        }
    }
}
