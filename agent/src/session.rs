//! One connection, from its welcome to its end.
//!
//! Three parts run side by side and end together, when the first of them ends:
//!
//! - the *reader* takes commands and answers to reports, and hands them on without waiting for
//!   anything to be carried out. It ends when nothing at all was heard for three heartbeats;
//! - the *writer* alone sends: replies, reports, and a ping at each heartbeat, whose pong keeps the
//!   reader of either side from thinking that the other is gone;
//! - the *reporter* takes inventories and sends what the [`Reports`] have due.
//!
//! What is lost when a connection breaks is frames only. Replies stay in the ledger, reports stay
//! due.

use std::sync::Arc;
use std::time::Duration;

use drover_proto::v1::{
    AgentFrame, Report, ServerFrame, Welcome, agent_frame, command, report::What, server_frame,
};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::tungstenite::{self, Bytes, Message};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::dial::{Dial, Socket};
use crate::executor::{Executor, frame};
use crate::reports::Reports;
use crate::runtime::Runtime;
use crate::streams::Streams;

/// A server says welcome within this time.
const WELCOME_WITHIN: Duration = Duration::from_secs(10);
/// Frames that wait to be sent.
const OUTGOING: usize = 256;
/// Frames sent before the next flush.
const BATCH: usize = 64;
/// Farewells take no longer.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// What a server may ask for as heartbeat.
const HEARTBEATS: std::ops::RangeInclusive<u32> = 10..=300_000;
const DEFAULT_HEARTBEAT: u32 = 10_000;

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("the server did not say welcome")]
    NoWelcome,
    #[error("the server has closed the connection")]
    Closed,
    #[error("nothing was heard for {0:?}")]
    Silent(Duration),
    #[error("a frame cannot be read")]
    Malformed(#[from] prost::DecodeError),
    #[error("the connection broke")]
    Broken(#[from] tungstenite::Error),
}

/// The parts of the agent that a connection serves.
pub(crate) struct Session {
    pub(crate) executor: Arc<Executor>,
    pub(crate) reports: Arc<Reports>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) streams: Arc<Streams>,
    /// Who wants to know is told of each connection and of its end.
    pub(crate) connected: watch::Sender<bool>,
}

impl Session {
    /// Serves one connection until it ends; `Ok` only when the program is to end.
    pub(crate) async fn serve(
        &self,
        socket: Socket,
        dial: &Dial,
        shutdown: &CancellationToken,
    ) -> Result<(), SessionError> {
        let (sink, mut stream) = socket.split();
        let welcome = tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            welcome = tokio::time::timeout(WELCOME_WITHIN, welcome(&mut stream)) => {
                welcome.map_err(|_| SessionError::NoWelcome)??
            }
        };
        let asked = match welcome.heartbeat_millis {
            0 => DEFAULT_HEARTBEAT,
            asked => asked.clamp(*HEARTBEATS.start(), *HEARTBEATS.end()),
        };
        let heartbeat = Duration::from_millis(u64::from(asked));
        info!(server_id = %welcome.server_id, ?heartbeat, "connected");
        let (outgoing, frames) = mpsc::channel(OUTGOING);
        self.reports.connected(Instant::now());
        self.connected.send_replace(true);
        let ended = tokio::select! {
            ended = self.read(stream, &outgoing, dial, heartbeat * 3) => ended,
            ended = write(sink, frames, heartbeat, shutdown) => ended,
            () = self.report(&outgoing) => Err(SessionError::Closed),
            () = self.runtime.cut() => Err(SessionError::Closed),
        };
        self.connected.send_replace(false);
        ended
    }

    async fn read(
        &self,
        mut stream: SplitStream<Socket>,
        outgoing: &mpsc::Sender<AgentFrame>,
        dial: &Dial,
        silence: Duration,
    ) -> Result<(), SessionError> {
        loop {
            let heard = tokio::time::timeout(silence, stream.next()).await;
            let message = heard
                .map_err(|_| SessionError::Silent(silence))?
                .ok_or(SessionError::Closed)??;
            match message {
                Message::Binary(bytes) => {
                    // A full queue means that the server does not read: that is its silence too.
                    tokio::time::timeout(silence, self.take(&bytes, outgoing, dial))
                        .await
                        .map_err(|_| SessionError::Silent(silence))??;
                }
                Message::Close(_) => return Err(SessionError::Closed),
                _ => {}
            }
        }
    }

    async fn take(
        &self,
        bytes: &Bytes,
        outgoing: &mpsc::Sender<AgentFrame>,
        dial: &Dial,
    ) -> Result<(), SessionError> {
        match ServerFrame::decode(bytes.as_ref())?.content {
            Some(server_frame::Content::Command(command))
                if matches!(command.action, Some(command::Action::OpenStream(_))) =>
            {
                self.streams.open(*command, dial, outgoing);
            }
            Some(server_frame::Content::Command(command)) => {
                if let Some(reply) = self.executor.accept(*command, outgoing) {
                    let sent = outgoing.send(frame(reply)).await;
                    sent.map_err(|_| SessionError::Closed)?;
                }
            }
            Some(server_frame::Content::ReportAnswer(answer)) => {
                let (id, is_settled) = (&answer.report_id, answer.settled);
                self.reports.answered(id, is_settled, Instant::now());
            }
            // A second welcome, what only lines have, or something that a later protocol has.
            Some(
                server_frame::Content::Welcome(_)
                | server_frame::Content::Heartbeat(_)
                | server_frame::Content::Farewell(_),
            )
            | None => {
                debug!("a frame of the server means nothing to this agent");
            }
        }
        Ok(())
    }

    /// Sends what is due, as long as frames are taken.
    async fn report(&self, outgoing: &mpsc::Sender<AgentFrame>) {
        loop {
            let due = self.reports.due(Instant::now());
            let mut reports = due.reports;
            if let Some(id) = due.inventory {
                match self.executor.inventory().await {
                    Ok(inventory) => reports.insert(
                        0,
                        Report {
                            id,
                            what: Some(What::Inventory(inventory)),
                        },
                    ),
                    Err(error) => info!(%error, "cannot take an inventory; trying again"),
                }
            }
            for report in reports {
                let frame = AgentFrame {
                    content: Some(agent_frame::Content::Report(report)),
                };
                if outgoing.send(frame).await.is_err() {
                    return;
                }
            }
            let next = async {
                match due.next {
                    Some(moment) => tokio::time::sleep_until(moment).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.reports.changed() => {}
                () = next => {}
            }
        }
    }
}

async fn welcome(stream: &mut SplitStream<Socket>) -> Result<Welcome, SessionError> {
    loop {
        match stream.next().await.ok_or(SessionError::Closed)?? {
            Message::Binary(bytes) => {
                return match ServerFrame::decode(bytes)?.content {
                    Some(server_frame::Content::Welcome(welcome)) => Ok(welcome),
                    _ => Err(SessionError::NoWelcome),
                };
            }
            Message::Close(_) => return Err(SessionError::Closed),
            _ => {}
        }
    }
}

async fn write(
    mut sink: SplitSink<Socket, Message>,
    mut frames: mpsc::Receiver<AgentFrame>,
    heartbeat: Duration,
    shutdown: &CancellationToken,
) -> Result<(), SessionError> {
    let mut beat = tokio::time::interval(heartbeat);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => {
                // The server learns at once, instead of after three heartbeats.
                let farewell = tokio::time::timeout(CLOSE_WITHIN, sink.send(Message::Close(None)));
                if !matches!(farewell.await, Ok(Ok(()))) {
                    debug!("the server did not take the farewell");
                }
                return Ok(());
            }
            _ = beat.tick() => sink.feed(Message::Ping(Bytes::new())).await?,
            count = frames.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return Err(SessionError::Closed);
                }
                for frame in batch.drain(..) {
                    sink.feed(Message::Binary(frame.encode_to_vec().into())).await?;
                }
            }
        }
        sink.flush().await?;
    }
}
