//! Streams: where they are dialled, why one cannot be had, and what is asked for on the wire.
//!
//! ```text
//!   API server  -- GET /streams/v1/{ticket} -->  agent server  <-- GET /agent/v1/streams/{id} --  agent
//! ```
//!
//! Both are WebSockets, whose messages are those of [`drover_domain::stream::frame`]. A stream that has
//! come to its end is closed with 1000; whatever else ends a connection has broken it.

use drover_domain::Timestamp;
use drover_domain::stream::{ExecRequest, LogsRequest, Size, StatsRequest, StreamRequest};

use crate::envelope::shorten;
use crate::{Malformed, v1};

/// Where an agent dials for a stream; its id follows.
pub const AGENT_STREAMS_PATH: &str = "/agent/v1/streams";
/// Where an API server dials for a stream; the id of its ticket follows.
pub const STREAMS_PATH: &str = "/streams/v1";

/// The codes of the problems by which an agent server says that a stream cannot be had, and of the
/// errors that end one.
pub mod code {
    /// The ticket is not known, was taken before, or its time is over.
    pub const TICKET: &str = "stream.ticket";
    /// The agent is not connected to this agent server.
    pub const AWAY: &str = "stream.away";
    /// The agent or the server has as many streams as it takes.
    pub const TOO_MANY: &str = "stream.tooMany";
    /// The container is not on the host.
    pub const NOT_THERE: &str = "stream.notThere";
    /// The runtime will not do it.
    pub const REFUSED: &str = "stream.refused";
    /// The agent, or its runtime, does not know such streams.
    pub const UNSUPPORTED: &str = "stream.unsupported";
    /// The agent has not dialled in time.
    pub const TIMED_OUT: &str = "stream.timedOut";
    /// It should have worked, and did not.
    pub const FAILED: &str = "stream.failed";
    /// A connection broke while the stream was under way.
    pub const LOST: &str = "stream.lost";
    /// Who reads it may not any more.
    pub const REVOKED: &str = "stream.revoked";
}

/// The command that asks an agent for a stream.
pub fn open_stream(stream_id: String, request: &StreamRequest) -> v1::OpenStream {
    use v1::open_stream::What;
    let what = match request {
        StreamRequest::Logs(logs) => What::Logs(v1::StreamLogs {
            follow: logs.follow,
            tail: logs.tail,
            since_millis: logs.since.map_or(0, Timestamp::millis),
            timestamps: logs.timestamps,
            stdout: logs.stdout,
            stderr: logs.stderr,
        }),
        StreamRequest::Exec(exec) => {
            let size = exec.terminal();
            What::Exec(v1::StreamExec {
                command: exec.command.clone(),
                tty: exec.tty,
                width: size.map_or(0, |size| size.width.into()),
                height: size.map_or(0, |size| size.height.into()),
                stdin: exec.stdin,
                user: exec.user.clone().unwrap_or_default(),
                working_dir: exec.working_dir.clone().unwrap_or_default(),
                environment: exec.environment.clone().into_iter().collect(),
            })
        }
        StreamRequest::Stats(stats) => What::Stats(v1::StreamStats { live: stats.live }),
    };
    v1::OpenStream {
        stream_id,
        what: Some(what),
    }
}

/// What an agent is asked for.
impl TryFrom<&v1::OpenStream> for StreamRequest {
    type Error = Malformed;

    fn try_from(open: &v1::OpenStream) -> Result<Self, Malformed> {
        use v1::open_stream::What;
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Ok(
            match open.what.as_ref().ok_or(Malformed::Missing("what"))? {
                What::Logs(logs) => Self::Logs(LogsRequest {
                    follow: logs.follow,
                    tail: logs.tail,
                    since: match logs.since_millis {
                        0 => None,
                        millis => Some(Timestamp::from_millis(millis)),
                    },
                    timestamps: logs.timestamps,
                    stdout: logs.stdout,
                    stderr: logs.stderr,
                }),
                What::Exec(exec) => {
                    let cells = |field, count: u32| {
                        u16::try_from(count).map_err(|_| Malformed::Field {
                            field,
                            value: shorten(&count.to_string()),
                        })
                    };
                    let size = Size {
                        width: cells("width", exec.width)?,
                        height: cells("height", exec.height)?,
                    };
                    let request = ExecRequest {
                        command: exec.command.clone(),
                        tty: exec.tty,
                        stdin: exec.stdin,
                        size: Some(size).filter(|size| size.width > 0 && size.height > 0),
                        user: text(&exec.user),
                        working_dir: text(&exec.working_dir),
                        environment: exec.environment.clone().into_iter().collect(),
                    };
                    request.validate().map_err(|unsound| Malformed::Field {
                        field: unsound.field,
                        value: "…".to_owned(),
                    })?;
                    Self::Exec(request)
                }
                What::Stats(stats) => Self::Stats(StatsRequest { live: stats.live }),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_arrives_as_it_was_asked() {
        let logs = LogsRequest {
            follow: true,
            tail: Some(0),
            since: Some(Timestamp::from_millis(5)),
            timestamps: true,
            stdout: true,
            stderr: false,
        };
        let exec = ExecRequest {
            command: vec!["sh".into(), "-c".into(), String::new()],
            tty: true,
            stdin: true,
            size: Some(Size {
                width: 100,
                height: 30,
            }),
            user: Some("1000".into()),
            working_dir: None,
            environment: [("A".to_owned(), "b".to_owned())].into(),
        };
        for request in [
            StreamRequest::Logs(logs),
            StreamRequest::Exec(exec),
            StreamRequest::Stats(StatsRequest { live: true }),
        ] {
            let open = open_stream("1".into(), &request);
            assert_eq!(StreamRequest::try_from(&open).unwrap(), request);
        }
        let later = v1::OpenStream::default();
        assert!(StreamRequest::try_from(&later).is_err());
    }
}
