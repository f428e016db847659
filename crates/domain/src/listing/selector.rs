//! Selecting by labels.
//!
//! ```text
//!   team=x , env!=prod , tier in (a,b) , zone notin (c) , canary , !legacy
//! ```
//!
//! As in Kubernetes: `!=` and `notin` also select what has no such label at all. A key or a value in
//! double quotes may hold anything; `\` stands before a quote or a backslash there.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

use super::BadQuery;

/// What must hold of one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The label has the value.
    Equals(String, String),
    /// The label has another value, or there is no such label.
    Differs(String, String),
    /// The label has one of the values.
    OneOf(String, Vec<String>),
    /// The label has none of the values, or there is no such label.
    NoneOf(String, Vec<String>),
    /// There is such a label.
    Exists(String),
    /// There is no such label.
    Absent(String),
}

impl Requirement {
    /// Whether it holds of some labels.
    pub fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Equals(key, value) => labels.get(key) == Some(value),
            Self::Differs(key, value) => labels.get(key) != Some(value),
            Self::OneOf(key, values) => labels.get(key).is_some_and(|own| values.contains(own)),
            Self::NoneOf(key, values) => labels.get(key).is_none_or(|own| !values.contains(own)),
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
        }
    }
}

/// Requirements of labels, all of which must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn parse(text: &str) -> Result<Self, BadQuery> {
        let mut selector = Self::default();
        selector.join(text)?;
        Ok(selector)
    }

    /// Takes in the requirements of a further selector.
    ///
    /// # Errors
    /// When it is malformed.
    pub fn join(&mut self, text: &str) -> Result<(), BadQuery> {
        let mut reader = Reader {
            rest: text.chars().peekable(),
        };
        let read = reader.requirements();
        self.requirements
            .extend(read.map_err(|reason| BadQuery::new("labels", reason))?);
        Ok(())
    }

    /// Whether some labels are selected.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.requirements.iter().all(|one| one.holds(labels))
    }

    /// The requirements.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// How many requirements it has.
    pub fn len(&self) -> usize {
        self.requirements.len()
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }
}

/// Reads a selector from its beginning to its end.
struct Reader<'a> {
    rest: Peekable<Chars<'a>>,
}

impl Reader<'_> {
    fn requirements(&mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = vec![self.requirement()?];
        while self.takes(',') {
            requirements.push(self.requirement()?);
        }
        match self.rest.next() {
            None => Ok(requirements),
            Some(other) => Err(format!("has a `{other}` where a comma is expected")),
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        if self.takes('!') {
            return Ok(Requirement::Absent(self.key()?));
        }
        let key = self.key()?;
        if self.takes('!') {
            self.expect('=')?;
            return Ok(Requirement::Differs(key, self.value()?));
        }
        if self.takes('=') {
            // As in many a programming language, two say the same as one.
            if self.rest.peek() == Some(&'=') {
                self.rest.next();
            }
            return Ok(Requirement::Equals(key, self.value()?));
        }
        match self.bare(|character| character.is_alphabetic()).as_str() {
            "" => Ok(Requirement::Exists(key)),
            "in" => Ok(Requirement::OneOf(key, self.values()?)),
            "notin" => Ok(Requirement::NoneOf(key, self.values()?)),
            other => Err(format!("has `{other}` where `in` or `notin` is expected")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        self.expect('(')?;
        let mut values = vec![self.value()?];
        while self.takes(',') {
            values.push(self.value()?);
        }
        self.expect(')')?;
        Ok(values)
    }

    /// A key ends where an operator may begin, so one with such characters is quoted.
    fn key(&mut self) -> Result<String, String> {
        let key = self.text(|character| {
            !character.is_whitespace() && !matches!(character, '=' | '!' | ',' | '(' | ')')
        })?;
        if key.is_empty() {
            return Err("has no key where one is expected".to_owned());
        }
        Ok(key)
    }

    fn value(&mut self) -> Result<String, String> {
        self.text(|character| !matches!(character, ',' | '(' | ')'))
    }

    fn text(&mut self, is_part: fn(char) -> bool) -> Result<String, String> {
        if !self.takes('"') {
            return Ok(self.bare(is_part));
        }
        let mut text = String::new();
        loop {
            match self.rest.next() {
                Some('"') => return Ok(text),
                Some('\\') => text.extend(self.rest.next()),
                Some(other) => text.push(other),
                None => return Err("has a quote that is not closed".to_owned()),
            }
        }
    }

    fn bare(&mut self, is_part: impl Fn(char) -> bool) -> String {
        self.skip_space();
        let mut text = String::new();
        while let Some(character) = self.rest.next_if(|next| is_part(*next)) {
            text.push(character);
        }
        text.truncate(text.trim_end().len());
        text
    }

    fn takes(&mut self, wanted: char) -> bool {
        self.skip_space();
        self.rest.next_if_eq(&wanted).is_some()
    }

    fn expect(&mut self, wanted: char) -> Result<(), String> {
        match self.takes(wanted) {
            true => Ok(()),
            false => Err(format!("lacks a `{wanted}`")),
        }
    }

    fn skip_space(&mut self) {
        while self.rest.next_if(|next| next.is_whitespace()).is_some() {}
    }
}
