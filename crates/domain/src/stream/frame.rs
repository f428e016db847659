//! The messages of a stream: the first byte is the channel, the rest its content.
//!
//! ```text
//!   0  stdin    client -> agent     bytes
//!   1  stdout   agent -> client     bytes
//!   2  stderr   agent -> client     bytes
//!   3  control  both ways           one JSON object
//! ```
//!
//! A message is bounded, and where one ends means nothing: a line of ten megabytes is some hundred
//! messages, and costs nobody more memory than one of them. A control message that is not known, and
//! a channel that is not known, say something that a later release has; they are passed over.

use serde::{Deserialize, Serialize};

use super::Usage;

/// The most content of a message, in bytes.
pub const CONTENT_LIMIT: usize = 32 * 1024;
/// The longest message, in bytes: its channel, and its content.
pub const MESSAGE_LIMIT: usize = CONTENT_LIMIT + 1;
/// The longest text of an error, in bytes; a longer one is cut.
const WORDS_LIMIT: usize = 4 * 1024;

/// What the content of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Channel {
    /// What a command reads.
    Stdin,
    /// What is written.
    Stdout,
    /// What is written about it; never with a terminal, which has one output.
    Stderr,
    /// A [`Control`].
    Control,
}

impl Channel {
    /// The first byte of its messages.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Stdin => 0,
            Self::Stdout => 1,
            Self::Stderr => 2,
            Self::Control => 3,
        }
    }

    const fn of(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Stdin),
            1 => Some(Self::Stdout),
            2 => Some(Self::Stderr),
            3 => Some(Self::Control),
            _ => None,
        }
    }
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// How many in a line.
    pub width: u16,
    /// How many lines.
    pub height: u16,
}

/// What is said beside the bytes of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Control {
    /// The terminal of the client has this size now.
    Resize(Size),
    /// Whether nothing more will be written to stdin.
    StdinClosed(bool),
    /// The command has ended; nothing follows.
    Exit {
        /// With this code.
        code: i64,
    },
    /// The stream has come to its end before its time; nothing follows.
    Error {
        /// What kind of error, for programs.
        code: String,
        /// What happened, for people.
        message: String,
    },
    /// What the container uses.
    Stats(Usage),
}

impl Control {
    /// An error, with a text of bounded length.
    pub fn error(code: &str, message: &str) -> Self {
        let end = message.floor_char_boundary(WORDS_LIMIT.min(message.len()));
        Self::Error {
            code: code.to_owned(),
            message: message[..end].to_owned(),
        }
    }

    /// The message that says so.
    pub fn to_message(&self) -> Vec<u8> {
        let mut message = vec![Channel::Control.byte()];
        // Numbers and text are always JSON.
        if let Ok(content) = serde_json::to_vec(self) {
            message.extend(content);
        }
        message
    }

    /// What the content of a control message says; none for what is not known.
    pub fn read(content: &[u8]) -> Option<Self> {
        serde_json::from_slice(content).ok()
    }
}

/// Bytes as messages of one channel, none longer than [`MESSAGE_LIMIT`].
pub fn messages(channel: Channel, bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    bytes.chunks(CONTENT_LIMIT).map(move |content| {
        let mut message = Vec::with_capacity(content.len() + 1);
        message.push(channel.byte());
        message.extend_from_slice(content);
        message
    })
}

/// The channel of a message; its content is all but the first byte. None if there is no such channel,
/// or not even a first byte.
pub fn channel_of(message: &[u8]) -> Option<Channel> {
    message.first().copied().and_then(Channel::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ten_megabytes_is_messages_of_bounded_size_that_say_the_same() {
        let line: Vec<u8> = (0..10_000_000_u32)
            .map(|byte| byte.to_le_bytes()[0])
            .collect();
        let mut again = Vec::with_capacity(line.len());
        for message in messages(Channel::Stderr, &line) {
            assert!(message.len() <= MESSAGE_LIMIT);
            assert_eq!(channel_of(&message), Some(Channel::Stderr));
            again.extend_from_slice(&message[1..]);
        }
        assert!(again == line);
        assert_eq!(messages(Channel::Stdout, b"").count(), 0);
    }

    #[test]
    fn control_messages_read_as_the_documentation_says() {
        for (control, text) in [
            (
                Control::Resize(Size {
                    width: 80,
                    height: 24,
                }),
                r#"{"resize":{"width":80,"height":24}}"#,
            ),
            (Control::StdinClosed(true), r#"{"stdinClosed":true}"#),
            (Control::Exit { code: 3 }, r#"{"exit":{"code":3}}"#),
            (
                Control::error("stream.lost", "the host is gone"),
                r#"{"error":{"code":"stream.lost","message":"the host is gone"}}"#,
            ),
        ] {
            let message = control.to_message();
            assert_eq!(channel_of(&message), Some(Channel::Control));
            assert_eq!(std::str::from_utf8(&message[1..]).unwrap(), text);
            assert_eq!(Control::read(&message[1..]), Some(control));
        }
    }

    #[test]
    fn what_is_not_known_is_passed_over_and_words_without_end_are_cut() {
        assert_eq!(channel_of(&[9, 1]), None);
        assert_eq!(channel_of(&[]), None);
        assert_eq!(Control::read(br#"{"later":1}"#), None);
        let long = Control::error("x", &"é".repeat(100_000));
        assert!(long.to_message().len() <= MESSAGE_LIMIT);
    }
}
