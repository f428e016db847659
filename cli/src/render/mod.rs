//! Answers as text for people. Each function is pure: it is handed the moment and the width, and
//! gives a string; [`crate::terminal`] prints it.

pub mod containers;
pub mod details;
pub mod escape;
pub mod hosts;
pub mod images;
pub mod named;
pub mod processes;
pub mod progress;
pub mod span;
pub mod stats;
pub mod table;
pub mod timeline;

/// How many characters of an id are shown. Ids begin with the time of their making, so that the
/// end is what tells two of them apart.
const SHORT_ID: usize = 12;

/// How much of an id to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdLength {
    /// The last characters.
    Short,
    /// All of it.
    Whole,
}

impl IdLength {
    /// What `--wide` asks for.
    pub fn from_wide(wide: bool) -> Self {
        if wide { Self::Whole } else { Self::Short }
    }

    /// The id, as it is to be shown.
    pub fn of(self, id: &str) -> String {
        let count = id.chars().count();
        match self {
            Self::Short if count > SHORT_ID => id.chars().skip(count - SHORT_ID).collect(),
            _ => id.to_owned(),
        }
    }
}

/// A name, or the short id of what has none.
pub fn name_or_id(name: &str, id: &str) -> String {
    if name.is_empty() {
        IdLength::Short.of(id)
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests;
