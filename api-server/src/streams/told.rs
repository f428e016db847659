//! Streams as the body of an answer: text, lines of JSON, events, or one object.
//!
//! A body is made as far as it is taken: each chunk is one message of the stream, made into its form.

use std::io;

use axum::body::{Body, Bytes};
use drover_domain::stream::{Channel, Control, Usage};
use drover_proto::stream::code;
use futures::stream;
use schemars::JsonSchema;
use serde::Serialize;

use super::standing::Standing;
use super::upstream::{Content, Said, Upstream, lost};
use crate::problem::Problem;
use crate::problem::catalogue::{NOT_RUNNING, STREAM_FAILED};

/// The most of a line that is told at once, in bytes.
const LINE_LIMIT: usize = 16 * 1024;

/// A line of a log. Or the last one of all, that something went wrong.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineOfLog<'a> {
    /// `stdout` or `stderr`.
    stream: &'a str,
    /// When it was written, by the clock of the host.
    #[schemars(schema_with = "moment_schema")]
    time: Option<&'a str>,
    /// What was written; what is no text is replaced.
    line: &'a str,
    /// Whether the line goes on with the next one of this stream, for it is too long to be told at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

fn moment_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["string", "null"], "format": "date-time" })
}

/// One way to tell a stream.
trait Teller: Send + 'static {
    /// What is told of a message; nothing yet if it is empty.
    fn tell(&mut self, content: Content) -> Bytes;

    /// What is told while there is nothing to tell.
    fn keep_alive(&self) -> Bytes {
        Bytes::new()
    }

    /// What is told last: that something went wrong, or that there was all. None for an error that can
    /// only be told by breaking off.
    fn end(&mut self, error: Option<&Control>) -> Option<Bytes>;
}

/// A stream that is being told.
struct Telling<T> {
    upstream: Option<Upstream>,
    standing: Standing,
    teller: T,
}

fn body(upstream: Upstream, standing: Standing, teller: impl Teller) -> Body {
    let telling = Telling {
        upstream: Some(upstream),
        standing,
        teller,
    };
    Body::from_stream(stream::unfold(telling, |mut telling| async {
        let told = telling.next().await?;
        Some((told, telling))
    }))
}

impl<T: Teller> Telling<T> {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let upstream = self.upstream.as_mut()?;
            let said = tokio::select! {
                said = upstream.next() => said,
                () = self.standing.lost() => return self.end(Some(revoked())).await,
            };
            let content = match said {
                Said::Alive => {
                    let told = self.teller.keep_alive();
                    if told.is_empty() {
                        continue;
                    }
                    return Some(Ok(told));
                }
                Said::End => return self.end(None).await,
                Said::Lost => return self.end(Some(lost())).await,
                Said::Message(message) => Content::of(&message),
            };
            if let Content::Control(error @ Control::Error { .. }) = content {
                return self.end(Some(error)).await;
            }
            let told = self.teller.tell(content);
            if !told.is_empty() {
                return Some(Ok(told));
            }
        }
    }

    async fn end(&mut self, error: Option<Control>) -> Option<io::Result<Bytes>> {
        if let Some(upstream) = self.upstream.take() {
            upstream.leave().await;
        }
        match self.teller.end(error.as_ref()) {
            Some(last) => (!last.is_empty()).then_some(Ok(last)),
            None => {
                tracing::info!(?error, "a stream breaks off");
                Some(Err(io::ErrorKind::UnexpectedEof.into()))
            }
        }
    }
}

/// Why a stream ends that is not allowed any more, or whose server stops.
pub(super) fn revoked() -> Control {
    let reason = "the server stops, or what was shown does not allow this stream any more";
    Control::error(code::REVOKED, reason)
}

/// A log as it was written.
pub(crate) fn text(upstream: Upstream, standing: Standing) -> Body {
    body(upstream, standing, Text)
}

struct Text;

impl Teller for Text {
    fn tell(&mut self, content: Content) -> Bytes {
        match content {
            Content::Output(_, bytes) => bytes,
            _ => Bytes::new(),
        }
    }

    fn end(&mut self, error: Option<&Control>) -> Option<Bytes> {
        // Nothing can be said in text that was not written: the body breaks off.
        error.is_none().then(Bytes::new)
    }
}

/// A log as lines of JSON. It was asked for with the moment of each line.
pub(crate) fn lines(upstream: Upstream, standing: Standing) -> Body {
    body(upstream, standing, Lines::default())
}

#[derive(Default)]
struct Lines {
    stdout: Line,
    stderr: Line,
}

/// What has come of a line so far.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// When it was written, once the line goes on after a part that was told.
    time: Option<String>,
}

impl Line {
    /// Tells the lines that are complete, and what is too long to wait for its end.
    fn add(&mut self, stream: &str, bytes: &[u8], told: &mut Vec<u8>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.bytes.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                self.bytes.pop();
                self.tell(stream, false, told);
                self.time = None;
            } else if self.bytes.len() >= LINE_LIMIT {
                self.tell(stream, true, told);
            }
        }
    }

    fn tell(&mut self, stream: &str, partial: bool, told: &mut Vec<u8>) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut rest = bytes.as_slice();
        if self.time.is_none()
            && let Some(end) = rest.iter().position(|byte| *byte == b' ')
        {
            self.time = std::str::from_utf8(&rest[..end]).ok().map(str::to_owned);
            rest = &rest[end + 1..];
        }
        // A character that is cut in two is told whole, with what follows.
        let cut = match (partial, std::str::from_utf8(rest)) {
            (true, Err(error)) if error.error_len().is_none() => error.valid_up_to(),
            _ => rest.len(),
        };
        let (rest, later) = rest.split_at(cut);
        self.bytes.extend_from_slice(later);
        let line = String::from_utf8_lossy(rest);
        let line = LineOfLog {
            stream,
            time: self.time.as_deref(),
            line: line.strip_suffix('\r').unwrap_or(&line),
            partial,
        };
        write_line(&line, told);
    }

    /// Tells what was never ended.
    fn end(&mut self, stream: &str, told: &mut Vec<u8>) {
        if !self.bytes.is_empty() {
            self.tell(stream, false, told);
        }
    }
}

impl Teller for Lines {
    fn tell(&mut self, content: Content) -> Bytes {
        let mut told = Vec::new();
        match content {
            Content::Output(Channel::Stderr, bytes) => self.stderr.add("stderr", &bytes, &mut told),
            Content::Output(_, bytes) => self.stdout.add("stdout", &bytes, &mut told),
            _ => {}
        }
        told.into()
    }

    fn end(&mut self, error: Option<&Control>) -> Option<Bytes> {
        let mut told = Vec::new();
        self.stdout.end("stdout", &mut told);
        self.stderr.end("stderr", &mut told);
        if let Some(error) = error {
            write_line(error, &mut told);
        }
        Some(told.into())
    }
}

fn write_line(value: &impl Serialize, told: &mut Vec<u8>) {
    // Text and numbers are always JSON.
    told.extend(serde_json::to_vec(value).unwrap_or_default());
    told.push(b'\n');
}

/// What a container uses, again and again: lines of JSON, or events.
pub(crate) fn live(upstream: Upstream, standing: Standing, are_events: bool) -> Body {
    body(upstream, standing, Live { are_events })
}

struct Live {
    are_events: bool,
}

impl Live {
    fn form(&self, name: &str, value: &impl Serialize) -> Bytes {
        let mut told = Vec::new();
        if self.are_events {
            told.extend(format!("event: {name}\ndata: ").into_bytes());
        }
        write_line(value, &mut told);
        if self.are_events {
            told.push(b'\n');
        }
        told.into()
    }
}

impl Teller for Live {
    fn tell(&mut self, content: Content) -> Bytes {
        match content {
            Content::Control(Control::Stats(usage)) => self.form("stats", &usage),
            _ => Bytes::new(),
        }
    }

    fn keep_alive(&self) -> Bytes {
        match self.are_events {
            true => Bytes::from_static(b": still here\n\n"),
            false => Bytes::new(),
        }
    }

    fn end(&mut self, error: Option<&Control>) -> Option<Bytes> {
        Some(error.map_or_else(Bytes::new, |error| self.form("error", error)))
    }
}

/// What a container uses, once.
///
/// # Errors
/// That it does not run, or that its host could not say.
pub(crate) async fn once(mut upstream: Upstream) -> Result<Usage, Problem> {
    let told = loop {
        match upstream.next().await {
            Said::End => {
                let detail = "the container has ended";
                break Err(Problem::new(&NOT_RUNNING, detail));
            }
            Said::Lost => {
                let detail = "the connection to the host broke";
                break Err(Problem::new(&STREAM_FAILED, detail));
            }
            Said::Alive => {}
            Said::Message(message) => match Content::of(&message) {
                Content::Control(Control::Stats(usage)) => break Ok(usage),
                Content::Control(Control::Error { message, .. }) => {
                    break Err(Problem::new(&STREAM_FAILED, message));
                }
                _ => {}
            },
        }
    };
    upstream.leave().await;
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lines: &mut Lines, channel: Channel, text: &str) -> Vec<serde_json::Value> {
        let bytes = lines.tell(Content::Output(channel, Bytes::from(text.to_owned())));
        read(&bytes)
    }

    fn read(bytes: &[u8]) -> Vec<serde_json::Value> {
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    #[test]
    fn lines_are_told_when_they_are_complete_each_with_its_moment_and_stream() {
        let mut lines = Lines::default();
        assert!(told(&mut lines, Channel::Stdout, "2026-01-01T00:00:00Z on").is_empty());
        let stderr = told(&mut lines, Channel::Stderr, "2026-01-01T00:00:01Z oh\r\n");
        assert_eq!(
            stderr,
            [serde_json::json!({
                "stream": "stderr", "time": "2026-01-01T00:00:01Z", "line": "oh"
            })]
        );
        let stdout = told(
            &mut lines,
            Channel::Stdout,
            "e\n2026-01-01T00:00:02Z \n2026-01-01T00:",
        );
        let lines_of: Vec<_> = stdout
            .iter()
            .map(|line| line["line"].as_str().unwrap())
            .collect();
        assert_eq!(lines_of, ["one", ""]);
        let error = Control::error("stream.lost", "gone");
        let last = read(&lines.end(Some(&error)).unwrap());
        assert_eq!(last[0]["line"], "2026-01-01T00:");
        assert_eq!(last[1]["error"]["code"], "stream.lost");
    }

    #[test]
    fn a_line_of_ten_megabytes_is_told_in_parts_and_none_of_it_is_kept() {
        let mut lines = Lines::default();
        let mut length = 0;
        let mut parts = told(&mut lines, Channel::Stdout, "2026-01-01T00:00:00Z ");
        // Two bytes a character, so that a message may end within one.
        let text = "é".repeat(5_000_000);
        for piece in text.as_bytes().chunks(32 * 1024 - 1) {
            let bytes = Bytes::copy_from_slice(piece);
            let told = lines.tell(Content::Output(Channel::Stdout, bytes));
            assert!(told.len() < 100 * 1024 && lines.stdout.bytes.len() <= LINE_LIMIT);
            parts.extend(read(&told));
        }
        parts.extend(told(&mut lines, Channel::Stdout, "\n"));
        for part in &parts {
            let line = part["line"].as_str().unwrap();
            assert!(line.chars().all(|character| character == 'é'));
            assert_eq!(part["time"], "2026-01-01T00:00:00Z");
            length += line.len();
        }
        assert_eq!(length, text.len());
        let (last, rest) = parts.split_last().unwrap();
        assert!(rest.iter().all(|part| part["partial"] == true) && last.get("partial").is_none());
    }
}
