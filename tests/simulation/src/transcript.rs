//! What happened, line by line. Ids are replaced by short names in the order of first sight, so that
//! a person can read it and two runs of one seed can be compared to the letter.

use std::collections::HashMap;

use drover_domain::Timestamp;
use uuid::Uuid;

/// Characters of a UUID as text.
const UUID: usize = 36;

/// The lines so far, and the names.
#[derive(Debug, Default)]
pub struct Transcript {
    lines: Vec<String>,
    names: HashMap<Uuid, String>,
    counts: HashMap<char, usize>,
}

impl Transcript {
    /// Gives an id a name of a kind, unless it has one: `c` makes `c1`, `c2` and so on.
    pub fn name(&mut self, kind: char, id: Uuid) -> String {
        if let Some(known) = self.names.get(&id) {
            return known.clone();
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        let name = format!("{kind}{count}");
        self.names.insert(id, name.clone());
        name
    }

    /// Writes a line down: when, who, what.
    pub fn write(&mut self, now: Timestamp, actor: &str, event: &str) {
        let millis = now.millis();
        let event = self.with_names(event);
        let (seconds, rest) = (millis / 1_000, millis % 1_000);
        self.lines
            .push(format!("{seconds:>5}.{rest:03} {actor:<4} {event}"));
    }

    /// The lines.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The last lines, as text.
    pub fn end(&self, lines: usize) -> String {
        let from = self.lines.len().saturating_sub(lines);
        self.lines[from..].join("\n")
    }

    /// The same text with every id replaced by its name; those without a name get one.
    pub fn with_names(&mut self, text: &str) -> String {
        let mut named = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let candidate = rest.get(..UUID).filter(|_| first.is_ascii_hexdigit());
            match candidate.and_then(|text| Uuid::try_parse(text).ok()) {
                Some(id) => {
                    named.push_str(&self.name('x', id));
                    rest = &rest[UUID..];
                }
                None => {
                    named.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_become_names_in_the_order_of_first_sight() {
        let mut transcript = Transcript::default();
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        transcript.name('c', two);
        let line = transcript.with_names(&format!("take {one} after {two}, {one}"));
        assert_eq!(line, "take x1 after c1, x1");
    }
}
