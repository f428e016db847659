//! The forms in which events are told: lines of JSON, and server-sent events. A message of a
//! WebSocket is the text of a line.

use axum::body::Bytes;
use axum::http::{HeaderMap, header};
use drover_store::Position;

use super::event::Event;

/// A form of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON object a line.
    Lines,
    /// Server-sent events.
    Events,
}

/// Events as text, one after the other, and where each ends.
#[derive(Default)]
pub(super) struct Text {
    pub(super) bytes: Bytes,
    pub(super) ends: Vec<usize>,
}

/// An event as JSON, with what a form says of it beside.
pub(super) struct Told {
    /// The value of `event`.
    pub(super) name: &'static str,
    /// The position from which to go on after it, if it has one.
    pub(super) position: Option<Position>,
    pub(super) json: String,
}

impl Told {
    pub(super) fn of(event: &Event<'_>) -> Self {
        let (name, position) = match event {
            Event::Changed { position, .. } => ("changed", Some(*position)),
            Event::Snapshot { .. } => ("snapshot", None),
            Event::Synced { position } => ("synced", Some(*position)),
            Event::Heartbeat { position } => ("heartbeat", Some(*position)),
            Event::Cut { position, .. } => ("cut", *position),
            Event::End { position, .. } => ("end", *position),
        };
        // Nothing in an event can keep it from being JSON.
        let json = serde_json::to_string(event).unwrap_or_default();
        Self {
            name,
            position,
            json,
        }
    }

    /// The same with one more member.
    pub(super) fn with(mut self, member: &str, value: &str) -> Self {
        if self.json.pop().is_some() {
            self.json.push_str(&format!(",\"{member}\":{value}}}"));
        }
        self
    }
}

impl Form {
    /// The form that a client accepts; none if it accepts none of them.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        let mut asks = false;
        for value in headers.get_all(header::ACCEPT) {
            for range in value.to_str().unwrap_or_default().split(',') {
                let mut parts = range.split(';').map(str::trim);
                let form = match parts.next().unwrap_or_default() {
                    "" => continue,
                    "text/event-stream" | "text/*" => Some(Self::Events),
                    "application/x-ndjson" | "application/*" | "*/*" => Some(Self::Lines),
                    _ => None,
                };
                asks = true;
                let weight = parts.find_map(|part| part.strip_prefix("q="));
                let weight = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
                if let Some(form) = form
                    && weight > best.map_or(0.0, |(best, _)| best)
                {
                    best = Some((weight, form));
                }
            }
        }
        match asks {
            true => best.map(|(_, form)| form),
            false => Some(Self::Lines),
        }
    }

    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
        }
    }

    /// Events in this form.
    pub(super) fn text<'a>(self, events: impl Iterator<Item = &'a Told>) -> Text {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for told in events {
            match self {
                Self::Lines => text.push_str(&told.json),
                Self::Events => {
                    if let Some(position) = told.position {
                        text.push_str(&format!("id: {position}\n"));
                    }
                    text.push_str(&format!("event: {}\ndata: {}\n", told.name, told.json));
                }
            }
            text.push('\n');
            ends.push(text.len());
        }
        Text {
            bytes: text.into(),
            ends,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(text: &'static str) -> Option<Form> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, text.parse().unwrap());
        Form::accepted(&headers)
    }

    #[test]
    fn the_form_is_the_one_that_is_liked_best() {
        assert_eq!(Form::accepted(&HeaderMap::new()), Some(Form::Lines));
        assert_eq!(accepted("*/*"), Some(Form::Lines));
        assert_eq!(accepted("text/event-stream"), Some(Form::Events));
        assert_eq!(accepted("text/event-stream, */*;q=0.1"), Some(Form::Events));
        assert_eq!(
            accepted("text/event-stream;q=0.5, application/x-ndjson"),
            Some(Form::Lines)
        );
        assert_eq!(accepted("image/png"), None);
        assert_eq!(accepted("application/x-ndjson;q=0"), None);
    }

    #[test]
    fn an_event_reads_the_same_in_each_form() {
        let position = "3-7".parse().unwrap();
        let told = Told::of(&Event::Heartbeat { position });
        let json = r#"{"event":"heartbeat","position":"3-7"}"#;
        assert_eq!(told.json, json);
        let text = |form: Form| {
            let text = form.text([&told].into_iter());
            String::from_utf8(text.bytes.to_vec()).unwrap()
        };
        assert_eq!(text(Form::Lines), format!("{json}\n"));
        let event = format!("id: 3-7\nevent: heartbeat\ndata: {json}\n\n");
        assert_eq!(text(Form::Events), event);
        let more = told.with("resource", "null");
        assert_eq!(
            more.json,
            r#"{"event":"heartbeat","position":"3-7","resource":null}"#
        );
    }
}
