//! One condition: a field, how it is tested, and with what.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::BadQuery;
use super::field::{Field, Kind, Listed, Subject};
use crate::Timestamp;

/// The most wildcards of a pattern: a database tries ever more ways to match with each of them.
const MOST_WILDCARDS: usize = 8;

macro_rules! modifiers {
    ($($(#[$doc:meta])* $variant:ident = $suffix:literal, $says:literal;)*) => {
        /// How a field is tested: what follows its name in a parameter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Modifier {
            $($(#[$doc])* $variant,)*
        }

        impl Modifier {
            /// Every modifier.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What follows the name of the field, and `_` unless it is empty.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $suffix,)* }
            }

            /// What it asks of the field, for the documentation.
            pub const fn says(self) -> &'static str {
                match self { $(Self::$variant => $says,)* }
            }
        }
    };
}

modifiers! {
    /// It is the value.
    Equals = "", "is the value";
    /// It is not the value, or there is none.
    Differs = "ne", "is another than the value, or none";
    /// It matches a pattern.
    Like = "like", "matches the pattern, in which `*` stands for any text";
    /// It begins with a text.
    Prefix = "prefix", "begins with the text";
    /// It is one of some values, with commas between them.
    OneOf = "in", "is one of the values, with commas between them";
    /// It is greater.
    Greater = "gt", "is greater or later";
    /// It is greater or the same.
    AtLeast = "gte", "is at least that or no earlier";
    /// It is less.
    Less = "lt", "is less or earlier";
    /// It is less or the same.
    AtMost = "lte", "is at most that or no later";
    /// There is no value, or there is one.
    Null = "null", "has no value (`true`) or has one (`false`)";
}

impl Modifier {
    /// The name of the parameter that tests a field so.
    pub fn parameter(self, field: &Field) -> String {
        match self.as_str() {
            "" => field.name.to_owned(),
            suffix => format!("{}_{suffix}", field.name),
        }
    }
}

/// A value that a field is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// An id.
    Id(Uuid),
    /// A text or a word.
    Text(String),
    /// A moment.
    Moment(Timestamp),
    /// A number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
}

/// A text with wildcards: the texts between them, in order. One text has no wildcard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub Vec<String>);

impl Pattern {
    /// Reads a pattern: `*` stands for any text, `\*` for a star, `\\` for a backslash.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut parts = vec![String::new()];
        let mut rest = text.chars();
        while let Some(character) = rest.next() {
            let literal = match character {
                '*' => {
                    // Two in a row say no more than one.
                    if parts.len() == 1 || parts.last().is_some_and(|last| !last.is_empty()) {
                        parts.push(String::new());
                    }
                    continue;
                }
                '\\' => match rest.next() {
                    Some(escaped @ ('*' | '\\')) => escaped,
                    _ => return Err("has a `\\` that is followed by neither `*` nor `\\`"),
                },
                other => other,
            };
            if let Some(last) = parts.last_mut() {
                last.push(literal);
            }
        }
        if parts.len() > MOST_WILDCARDS + 1 {
            return Err("has more than 8 wildcards");
        }
        Ok(Self(parts))
    }
}

/// What a condition asks.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// It is the value.
    Equals(Operand),
    /// It is not the value, or there is none.
    Differs(Operand),
    /// It is one of the values; none of them is allowed, and then nothing passes.
    OneOf(Vec<Operand>),
    /// It is one of the values, or there is none. Nobody asks for that; it is how far a caller sees.
    OneOfOrNull(Vec<Operand>),
    /// It matches the pattern.
    Like(Pattern),
    /// It begins with the text.
    Prefix(String),
    /// It is greater.
    Greater(Operand),
    /// It is greater or the same.
    AtLeast(Operand),
    /// It is less.
    Less(Operand),
    /// It is less or the same.
    AtMost(Operand),
    /// There is no value.
    IsNull,
    /// There is a value.
    IsNotNull,
}

/// A condition that items must meet.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What it is about.
    pub subject: Subject,
    /// What it asks.
    pub test: Test,
}

impl Condition {
    /// A condition.
    pub fn new(subject: Subject, test: Test) -> Self {
        Self { subject, test }
    }

    /// Reads one parameter of a query.
    ///
    /// # Errors
    /// When there is no such field, it is not tested so, or the value is not of its kind.
    pub fn parse(listed: Listed, parameter: &str, value: &str) -> Result<Self, BadQuery> {
        let (name, suffix) = parameter.split_once('_').unwrap_or((parameter, ""));
        let shown: String = parameter.chars().take(64).collect();
        let bad = |reason: String| BadQuery::new(shown.clone(), reason);
        let field = listed.field(name);
        let field = field.ok_or_else(|| bad("is no parameter of this list".to_owned()))?;
        let is_bare = suffix.is_empty() && parameter.len() > name.len();
        let modifier = field
            .modifiers()
            .find(|modifier| !is_bare && modifier.as_str() == suffix);
        let modifier = modifier.ok_or_else(|| {
            let known: Vec<String> = field
                .modifiers()
                .map(|known| known.parameter(field))
                .collect();
            bad(format!("is not among `{}`", known.join("`, `")))
        })?;
        let test = test(field, modifier, value).map_err(bad)?;
        Ok(Self::new(field.subject, test))
    }
}

fn test(field: &Field, modifier: Modifier, value: &str) -> Result<Test, String> {
    let one = || operand(field.kind, value);
    let several = || -> Result<Vec<Operand>, String> {
        let values = value.split(',').map(str::trim);
        values.map(|value| operand(field.kind, value)).collect()
    };
    Ok(match modifier {
        // Words have no commas, so several can be asked for at once.
        Modifier::Equals if matches!(field.kind, Kind::Word(_)) && value.contains(',') => {
            Test::OneOf(several()?)
        }
        Modifier::Equals => Test::Equals(one()?),
        Modifier::Differs => Test::Differs(one()?),
        Modifier::OneOf => Test::OneOf(several()?),
        Modifier::Like => Test::Like(Pattern::parse(value)?),
        Modifier::Prefix => Test::Prefix(value.to_owned()),
        Modifier::Greater => Test::Greater(one()?),
        Modifier::AtLeast => Test::AtLeast(one()?),
        Modifier::Less => Test::Less(one()?),
        Modifier::AtMost => Test::AtMost(one()?),
        Modifier::Null => match value {
            "true" => Test::IsNull,
            "false" => Test::IsNotNull,
            _ => return Err("is true or false".to_owned()),
        },
    })
}

fn operand(kind: Kind, text: &str) -> Result<Operand, String> {
    Ok(match kind {
        Kind::Id => Operand::Id(text.parse().map_err(|_| "is an id (a UUID)")?),
        Kind::Text | Kind::Several => Operand::Text(text.to_owned()),
        Kind::Word(words) => {
            let known = words.all();
            if !known.contains(&text) {
                return Err(format!("is one of `{}`", known.join("`, `")));
            }
            Operand::Text(text.to_owned())
        }
        Kind::Moment => {
            let unclear = "is a moment as RFC 3339, for example 2026-01-31T12:00:00Z";
            let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| unclear)?;
            let millis = moment.unix_timestamp_nanos().div_euclid(1_000_000);
            let millis = i64::try_from(millis).map_err(|_| unclear)?;
            Operand::Moment(Timestamp::from_millis(millis))
        }
        Kind::Number => Operand::Number(text.parse().map_err(|_| "is a whole number")?),
        Kind::Flag => Operand::Flag(text.parse().map_err(|_| "is true or false")?),
    })
}
