//! A page of the change log, each change encoded once for all who are told of it.

use std::sync::OnceLock;

use axum::body::Bytes;
use drover_domain::ResourceType;
use drover_store::{Change, Position};

use super::choice::Choice;
use super::event::Event;
use super::form::{Form, Text, Told};

/// Changes that were read together.
pub(super) struct Page {
    pub(super) changes: Vec<Change>,
    /// Which of them are of accounts and keys.
    credentials: Vec<usize>,
    lines: OnceLock<Text>,
    events: OnceLock<Text>,
}

impl Page {
    pub(super) fn new(changes: Vec<Change>) -> Self {
        let credentials = changes.iter().enumerate().filter(|(_, change)| {
            let of = change.resource.resource_type;
            matches!(of, ResourceType::Account | ResourceType::ApiKey)
        });
        Self {
            credentials: credentials.map(|(index, _)| index).collect(),
            changes,
            lines: OnceLock::new(),
            events: OnceLock::new(),
        }
    }

    /// The position after it.
    pub(super) fn end(&self) -> Position {
        self.changes
            .last()
            .map_or(Position::default(), |last| last.position)
    }

    /// Its changes of accounts and keys.
    pub(super) fn of_credentials(&self) -> impl Iterator<Item = &Change> {
        let credentials = self.credentials.iter();
        credentials.filter_map(|index| self.changes.get(*index))
    }

    /// Some of its changes in a form. All of them up to its end are not copied.
    pub(super) fn chosen(&self, form: Form, choice: &Choice) -> Bytes {
        let text = self.text(form);
        match choice {
            Choice::From(first) => text.bytes.slice(text.begin(*first)..),
            Choice::Some(chosen) => {
                let mut bytes = Vec::new();
                for index in chosen {
                    bytes.extend_from_slice(&text.one(*index));
                }
                bytes.into()
            }
        }
    }

    /// One of its changes as JSON.
    pub(super) fn json(&self, index: usize) -> Bytes {
        let line = self.text(Form::Lines).one(index);
        // A line ends with a line feed.
        line.slice(..line.len().saturating_sub(1))
    }

    fn text(&self, form: Form) -> &Text {
        let kept = match form {
            Form::Lines => &self.lines,
            Form::Events => &self.events,
        };
        kept.get_or_init(|| {
            let told: Vec<Told> = self
                .changes
                .iter()
                .map(|change| Told::of(&Event::changed(change)))
                .collect();
            form.text(told.iter())
        })
    }
}

impl Text {
    /// Where an event begins.
    fn begin(&self, index: usize) -> usize {
        match index {
            0 => 0,
            _ => self
                .ends
                .get(index - 1)
                .copied()
                .unwrap_or(self.bytes.len()),
        }
    }

    fn one(&self, index: usize) -> Bytes {
        self.bytes.slice(self.begin(index)..self.begin(index + 1))
    }
}
