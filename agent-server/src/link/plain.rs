//! The plain form: lines of JSON on an answer that never ends, and what the agent posts.
//!
//! ```text
//!   session --[ lines ]--> body of GET /agent/v1/events            a bounded queue
//!   session <-[ posts ]--- POST /agent/v1/replies, one at a time   a bounded queue
//! ```
//!
//! What is posted waits until the session has taken it, so an agent that posts faster than it is
//! read is held back by its own POST. Its signs of life are its POSTs, also empty ones; that it does
//! not read shows in the lines that are not taken, and that it is gone in the body that is dropped.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use drover_metrics::CounterHandle;
use drover_proto::plain;
use drover_proto::v1::{self, AgentFrame, Heartbeat, ServerFrame, server_frame};
use futures::stream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{Ended, FAREWELL_TIMEOUT, Farewell, Link, WRITE_TIMEOUT};
use crate::allowance::Allowance;
use crate::meter::Meter;

/// Lines that wait to be read, and POSTs that wait to be taken.
const LINES: usize = 32;
const POSTS: usize = 1;

/// What was posted at once.
pub(crate) struct Post {
    /// The frames; none for a mere sign of life.
    pub(crate) frames: Vec<AgentFrame>,
    /// How large it was, in bytes.
    pub(crate) length: usize,
}

/// The receiving half.
pub(crate) struct Receiver {
    posts: mpsc::Receiver<Post>,
    /// What is left of the last one.
    frames: std::vec::IntoIter<AgentFrame>,
    silence: Duration,
    heard: Instant,
    pub(super) allowance: Allowance,
    /// Ends when the agent's GET does.
    gone: CancellationToken,
    counter: CounterHandle,
}

/// The sending half.
pub(crate) struct Sender {
    lines: mpsc::Sender<Bytes>,
    counter: CounterHandle,
}

/// A connection in the plain form, as its session, its GET and its POSTs hold it.
pub(crate) struct Opened {
    /// For the session.
    pub(crate) link: Link,
    /// The body of the answer to the GET.
    pub(crate) body: Body,
    /// Where POSTs go.
    pub(crate) posts: mpsc::Sender<Post>,
}

/// A new connection, whose agent may be silent for so long.
pub(crate) fn open(silence: Duration, meter: &Meter) -> Opened {
    let (lines, written) = mpsc::channel(LINES);
    let (posts, posted) = mpsc::channel(POSTS);
    let gone = CancellationToken::new();
    let body = (written, gone.clone().drop_guard());
    let body = stream::unfold(body, |(mut written, gone)| async {
        let line: Bytes = written.recv().await?;
        Some((Ok::<_, Infallible>(line), (written, gone)))
    });
    let now = Instant::now();
    Opened {
        link: Link {
            sender: super::Sender::Plain(Sender {
                lines,
                counter: meter.frames_out.clone(),
            }),
            receiver: super::Receiver::Plain(Receiver {
                posts: posted,
                frames: Vec::new().into_iter(),
                silence,
                heard: now,
                allowance: Allowance::of_frames(now),
                gone,
                counter: meter.frames_in.clone(),
            }),
        },
        body: Body::from_stream(body),
        posts,
    }
}

impl Receiver {
    /// See [`Receiver::next`](super::Receiver::next).
    pub(super) async fn next(&mut self) -> Result<AgentFrame, Ended> {
        loop {
            self.allowance.wait().await;
            if let Some(frame) = self.frames.next() {
                self.counter.increment(1);
                self.allowance.spend(1, 0, Instant::now());
                return Ok(frame);
            }
            let until = self.heard + self.silence;
            let post = tokio::select! {
                post = timeout_at(until, self.posts.recv()) => post,
                () = self.gone.cancelled() => return Err(Ended::Closed),
            };
            let post = match post {
                Err(_) => return Err(Ended::Silent(self.silence)),
                Ok(None) => return Err(Ended::Closed),
                Ok(Some(post)) => post,
            };
            self.heard = Instant::now();
            self.allowance.spend(1, post.length, self.heard);
            self.frames = post.frames.into_iter();
        }
    }
}

impl Sender {
    /// See [`Sender::send`](super::Sender::send).
    pub(super) async fn send(&mut self, frame: &ServerFrame) -> Result<(), Ended> {
        let line = match plain::line(frame) {
            Ok(line) => line,
            Err(error) => {
                tracing::error!(%error, "a frame has no JSON");
                return Ok(());
            }
        };
        self.counter.increment(1);
        match timeout(WRITE_TIMEOUT, self.lines.send(line.into())).await {
            Err(_) => Err(Ended::Stuck),
            Ok(sent) => sent.map_err(|_| Ended::Closed),
        }
    }

    /// See [`Sender::beat`](super::Sender::beat).
    pub(super) async fn beat(&mut self) -> Result<(), Ended> {
        self.send(&frame(server_frame::Content::Heartbeat(Heartbeat {})))
            .await
    }

    /// See [`Sender::close`](super::Sender::close).
    pub(super) async fn close(&mut self, farewell: Farewell) {
        let farewell = frame(server_frame::Content::Farewell(v1::Farewell {
            reason: farewell.reason.to_owned(),
        }));
        if !matches!(
            timeout(FAREWELL_TIMEOUT, self.send(&farewell)).await,
            Ok(Ok(()))
        ) {
            tracing::debug!("the agent was gone before it could be told");
        }
    }
}

fn frame(content: server_frame::Content) -> ServerFrame {
    ServerFrame {
        content: Some(content),
    }
}
