//! The plain form of the agent protocol: the frames of the WebSocket as JSON, for whoever has no
//! WebSocket and no protobuf.
//!
//! A frame is written by the canonical JSON mapping of protobuf, so there is one protocol and not
//! two: names in camelCase, numbers of 64 bits as text, enums by name, and what has its default
//! value (empty, zero, false) left out. Reading takes whatever order, also numbers that are no text,
//! and passes over fields that it does not know.
//!
//! - From the server comes one frame a line.
//! - The agent posts any number of frames: objects or lists of them, one after the other. So a single
//!   object, a list, and lines of JSON are all the same grammar. Nothing at all is a sign of life.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;

use crate::v1::agent_frame::Content;
use crate::v1::{AgentFrame, ServerFrame};

/// The content type of lines.
pub const LINES: &str = "application/x-ndjson";
/// The header in which a POST names its connection, as the welcome told it.
pub const SESSION_HEADER: &str = "drover-session";

/// What was posted cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It is no JSON, or none of a frame.
    #[error("no frame of an agent: {0}")]
    Json(#[from] serde_json::Error),
    /// A frame that says nothing, most likely because of a mistake in a name.
    #[error("a frame has neither `reply` nor `report`, or one without what it is to tell")]
    Empty,
    /// More than fits into one POST.
    #[error("more than {0} frames at once")]
    TooMany(usize),
}

/// A frame as a line, with its end.
///
/// # Errors
/// Never, as far as is known: a frame holds nothing that JSON cannot.
pub fn line(frame: &ServerFrame) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(frame)?;
    line.push(b'\n');
    Ok(line)
}

/// The frames of a POST, at most so many.
///
/// # Errors
/// When the text is anything else.
pub fn frames(body: &[u8], most: usize) -> Result<Vec<AgentFrame>, Unreadable> {
    let mut frames = Vec::new();
    let mut text = Deserializer::from_slice(body);
    // Until only white space is left.
    while text.end().is_err() {
        text.deserialize_any(OneOrList {
            frames: &mut frames,
            most,
        })?;
        if frames.len() > most {
            return Err(Unreadable::TooMany(most));
        }
    }
    match frames.iter().all(says_something) {
        true => Ok(frames),
        false => Err(Unreadable::Empty),
    }
}

fn says_something(frame: &AgentFrame) -> bool {
    match &frame.content {
        Some(Content::Reply(reply)) => reply.result.is_some(),
        Some(Content::Report(report)) => report.what.is_some(),
        None => false,
    }
}

/// Takes in a frame, or a list of them.
struct OneOrList<'a> {
    frames: &'a mut Vec<AgentFrame>,
    most: usize,
}

impl<'de> Visitor<'de> for OneOrList<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a frame or a list of frames")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<(), M::Error> {
        let frame = AgentFrame::deserialize(MapAccessDeserializer::new(map))?;
        self.frames.push(frame);
        Ok(())
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        // One more than fits is enough to know that it does not fit.
        while self.frames.len() <= self.most {
            match list.next_element()? {
                Some(frame) => self.frames.push(frame),
                None => return Ok(()),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v1::{self, command, failure, reply, server_frame};

    fn read(text: &str) -> Result<Vec<AgentFrame>, Unreadable> {
        frames(text.as_bytes(), 3)
    }

    #[test]
    fn one_a_list_and_lines_are_the_same() {
        let pong = r#"{"reply": {"commandId": "c", "pong": {}}}"#;
        let expected = Content::Reply(v1::Reply {
            command_id: "c".into(),
            result: Some(reply::Result::Pong(v1::Pong {})),
        });
        for (text, count) in [
            (pong.to_owned(), 1),
            (format!("[{pong}, {pong}]"), 2),
            (format!("{pong}\n{pong}\n[{pong}]\n"), 3),
            (" \n[]\n".to_owned(), 0),
            (String::new(), 0),
        ] {
            let frames = read(&text).unwrap();
            assert_eq!(frames.len(), count, "{text}");
            for frame in frames {
                assert_eq!(frame.content.as_ref(), Some(&expected));
            }
        }
    }

    #[test]
    fn what_says_nothing_or_too_much_is_refused() {
        let pong = r#"{"reply": {"commandId": "c", "pong": {}}}"#;
        assert!(matches!(read("{}"), Err(Unreadable::Empty)));
        let mistaken = r#"{"reply": {"commandId": "c", "pongs": {}}}"#;
        assert!(matches!(read(mistaken), Err(Unreadable::Empty)));
        for text in ["7", "{", r#"{"reply": 7}"#, "[[]]", "hello"] {
            assert!(matches!(read(text), Err(Unreadable::Json(_))), "{text}");
        }
        let four = format!("[{pong},{pong},{pong},{pong}]");
        assert!(matches!(read(&four), Err(Unreadable::TooMany(3))));
        assert!(matches!(
            read(&[pong; 4].join("\n")),
            Err(Unreadable::TooMany(3))
        ));
    }

    #[test]
    fn the_json_of_a_command_is_the_canonical_one() {
        let command = v1::Command {
            id: "c".into(),
            fence: 1 << 60,
            timeout_millis: 15_000,
            action: Some(command::Action::StopContainer(v1::StopContainer {
                grace_millis: 0,
            })),
            ..v1::Command::default()
        };
        let frame = ServerFrame {
            content: Some(server_frame::Content::Command(Box::new(command))),
        };
        let line = String::from_utf8(line(&frame).unwrap()).unwrap();
        assert_eq!(
            line,
            "{\"command\":{\"id\":\"c\",\"fence\":\"1152921504606846976\",\
             \"timeoutMillis\":\"15000\",\"stopContainer\":{}}}\n"
        );
    }

    #[test]
    fn a_failure_and_what_was_seen_are_read_as_the_page_shows_them() {
        let text = r#"[
            {"reply": {"commandId": "a", "failure": {"code": "CODE_NOT_FOUND", "message": "x"}}},
            {"report": {"id": "r", "container": {"containerId": "1", "state": "STATE_EXITED",
                "exitCode": 0, "later": [1]}}}
        ]"#;
        let frames = read(text).unwrap();
        let Some(Content::Reply(reply)) = &frames[0].content else {
            panic!("no reply: {frames:?}");
        };
        assert!(
            matches!(&reply.result, Some(reply::Result::Failure(failure))
            if failure.code() == failure::Code::NotFound)
        );
        let Some(Content::Report(report)) = &frames[1].content else {
            panic!("no report: {frames:?}");
        };
        assert!(
            matches!(&report.what, Some(v1::report::What::Container(seen))
            if seen.exit_code == Some(0))
        );
    }
}
