//! The connection of one agent, in either form: frames out, frames in, and whether the other side is
//! alive.
//!
//! ```text
//!   WebSocket   [`socket`]   protobuf both ways on one connection; pings
//!   plain       [`plain`]    lines of JSON out on a GET that never ends; what is posted comes in
//! ```
//!
//! Whatever the form, a session sees the same frames, and the same bounds hold: what an agent sends
//! is read at a rate ([`allowance`](crate::allowance)), what it does not read within
//! [`WRITE_TIMEOUT`] ends its connection.

pub(crate) mod plain;
mod socket;

use std::time::Duration;

use axum::extract::ws::close_code;
use drover_proto::v1::{AgentFrame, ServerFrame, server_frame};

pub(crate) use socket::split;

/// How long a frame may take to be written. An agent that does not read for so long is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a farewell may take.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
/// The largest frame, and the largest POST, in bytes: an inventory of some ten thousand containers.
pub(crate) const FRAME_LIMIT: usize = 4 * 1024 * 1024;

/// Why a connection ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    #[error("the agent closed the connection")]
    Closed,
    #[error("the connection failed")]
    Failed(#[source] axum::Error),
    #[error("the agent sent nothing for {0:?}")]
    Silent(Duration),
    #[error("the agent does not read what it is sent")]
    Stuck,
    #[error("the bus is out of reach")]
    NoCommands,
    #[error("the host was removed")]
    Retired,
    #[error("the credential is not valid any more")]
    Revoked,
    #[error("the agent sent a frame that cannot be read")]
    Unreadable,
    #[error("the agent sent a frame larger than {FRAME_LIMIT} bytes")]
    TooLarge,
}

/// What an agent is told as its connection ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Farewell {
    /// As a WebSocket says it.
    code: u16,
    /// For a person.
    reason: &'static str,
}

impl Farewell {
    /// The server wants the connection no more; the agent comes back.
    pub(crate) const fn away(reason: &'static str) -> Self {
        Self {
            code: close_code::AWAY,
            reason,
        }
    }
}

impl Ended {
    /// What the agent is told, if it may still listen.
    pub(crate) const fn farewell(&self) -> Option<Farewell> {
        let (code, reason) = match self {
            Self::Closed | Self::Failed(_) | Self::Stuck => return None,
            Self::Silent(_) => (close_code::AWAY, "nothing was heard for three heartbeats"),
            Self::NoCommands => (close_code::AGAIN, "the server cannot receive commands now"),
            Self::Revoked => (close_code::POLICY, "the credential is not valid any more"),
            Self::Retired => (close_code::POLICY, "the host was removed"),
            Self::Unreadable => (close_code::UNSUPPORTED, "a frame cannot be read"),
            Self::TooLarge => (close_code::SIZE, "a frame is larger than 4 MiB"),
        };
        Some(Farewell { code, reason })
    }
}

/// Both halves of a connection.
pub(crate) struct Link {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
}

/// The sending half.
pub(crate) enum Sender {
    Socket(socket::Sender),
    Plain(plain::Sender),
}

/// The receiving half.
pub(crate) enum Receiver {
    Socket(socket::Receiver),
    Plain(plain::Receiver),
}

impl Sender {
    /// Sends a frame.
    pub(crate) async fn send(&mut self, content: server_frame::Content) -> Result<(), Ended> {
        let frame = ServerFrame {
            content: Some(content),
        };
        match self {
            Self::Socket(socket) => socket.send(&frame).await,
            Self::Plain(lines) => lines.send(&frame).await,
        }
    }

    /// Gives a sign of life, where the form has none of its own.
    pub(crate) async fn beat(&mut self) -> Result<(), Ended> {
        match self {
            // The agent pings, and the library answers.
            Self::Socket(_) => Ok(()),
            Self::Plain(lines) => lines.beat().await,
        }
    }

    /// Says farewell; an agent that is gone does not hear it.
    pub(crate) async fn close(&mut self, farewell: Farewell) {
        match self {
            Self::Socket(socket) => socket.close(farewell).await,
            Self::Plain(lines) => lines.close(farewell).await,
        }
    }
}

impl Receiver {
    /// The next frame. Signs of life are taken in on the way. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Result<AgentFrame, Ended> {
        match self {
            Self::Socket(socket) => socket.next().await,
            Self::Plain(posts) => posts.next().await,
        }
    }

    /// The agent was asked something: it may say so much more.
    pub(crate) fn earn(&mut self) {
        let allowance = match self {
            Self::Socket(socket) => &mut socket.allowance,
            Self::Plain(posts) => &mut posts.allowance,
        };
        allowance.earn();
    }
}
