//! The language of lists: which items, in which order, how many, and what is shown with them.
//!
//! ```text
//!   ?state=running & name_prefix=web- & labels=team=x,env!=prod & sort=-created & limit=50
//!      condition         condition         two requirements         order          page
//! ```
//!
//! A query is read here, without a database, into a [`Listing`]; the store turns that into SQL. All
//! that there is to ask stands in tables (`field`, `link`), one for each type, so that what is
//! accepted, what is described and what is documented are the same. Conditions are joined by "and";
//! the same field may come as often as it likes. Whatever is malformed or unknown is an error that
//! names the parameter: a filter that is ignored would show what nobody asked for.

mod condition;
mod field;
mod link;
#[cfg(test)]
mod tests;

use std::fmt;

pub use condition::{Condition, Modifier, Operand, Pattern, Test};
pub use field::{Field, Kind, Listed, Subject, Words};
pub use link::{Link, Source, links};

use crate::State;
use crate::selector::{BadSelector, Selector};

/// How many items a page has if the client does not say.
pub const USUAL_LIMIT: u64 = 100;
/// The most items of a page.
pub const HIGHEST_LIMIT: u64 = 1_000;
/// The most conditions and requirements of one list: a database takes a statement only so deep.
const MOST_TESTS: usize = 100;

/// A parameter of a query that is malformed or unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {reason}")]
pub struct BadQuery {
    /// The parameter.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl BadQuery {
    /// Names the parameter and what is wrong with it.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

/// By what the items of a list are ordered; the id decides among equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The field.
    pub field: &'static Field,
    /// Whether the greatest comes first.
    pub descends: bool,
}

impl fmt::Display for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.descends { "-" } else { "" };
        write!(formatter, "{sign}{}", self.field.name)
    }
}

impl Order {
    /// By id, that is by the moment of their making, the oldest first.
    pub fn by_id(listed: Listed) -> Self {
        Self {
            field: listed.id(),
            descends: false,
        }
    }

    /// Reads `name` or `-name`.
    ///
    /// # Errors
    /// When items are not sorted by that.
    pub fn parse(listed: Listed, text: &str) -> Result<Self, BadQuery> {
        let (name, descends) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let field = listed.field(name).filter(|field| field.is_sortable);
        let field = field.ok_or_else(|| {
            let known: Vec<&str> = listed.sorts().map(|field| field.name).collect();
            let known = known.join("`, `");
            BadQuery::new(
                "sort",
                format!("is one of `{known}`, with `-` for the greatest first"),
            )
        })?;
        Ok(Self { field, descends })
    }
}

/// Which items, and in which order.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// What must hold of their fields.
    pub conditions: Vec<Condition>,
    /// What must hold of their labels.
    pub labels: Selector,
    /// Also what was removed.
    pub with_removed: bool,
    /// The order.
    pub order: Order,
}

impl Selection {
    /// All that is not removed, the oldest first.
    pub fn all(listed: Listed) -> Self {
        Self {
            conditions: Vec::new(),
            labels: Selector::default(),
            with_removed: false,
            order: Order::by_id(listed),
        }
    }
}

/// What is shown of each item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// The links whose targets are shown along.
    pub include: Vec<&'static Link>,
    /// Only these fields, if any are named.
    pub fields: Vec<String>,
}

impl Shown {
    /// Whether items are shown as they are, with all of their fields and nothing beside.
    pub fn is_plain(&self) -> bool {
        self.include.is_empty() && self.fields.is_empty()
    }

    /// Takes in one parameter of a query, if it is about what is shown; tells whether it was.
    ///
    /// # Errors
    /// When it is malformed or names what there is not.
    pub fn take(&mut self, listed: Listed, name: &str, value: &str) -> Result<bool, BadQuery> {
        match name {
            "include" => {
                for wanted in words(name, value)? {
                    let link = links(listed).iter().find(|link| link.name == wanted);
                    let link = link.ok_or_else(|| {
                        let known: Vec<&str> = links(listed).iter().map(|link| link.name).collect();
                        let known = match known.is_empty() {
                            true => "has nothing to name here".to_owned(),
                            false => format!("names some of `{}`", known.join("`, `")),
                        };
                        BadQuery::new(name, known)
                    })?;
                    if !self.include.contains(&link) {
                        self.include.push(link);
                    }
                }
            }
            "fields" => {
                for wanted in words(name, value)? {
                    if !self.fields.iter().any(|known| known == wanted) {
                        self.fields.push(wanted.to_owned());
                    }
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// A list as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// Which items.
    pub selection: Selection,
    /// What is shown of each.
    pub shown: Shown,
    /// The most items of the page.
    pub limit: u64,
    /// The end of the page before, as it was given to the client.
    pub marker: Option<String>,
}

impl Listing {
    /// The first page of everything.
    pub fn all(listed: Listed) -> Self {
        Self {
            selection: Selection::all(listed),
            shown: Shown::default(),
            limit: USUAL_LIMIT,
            marker: None,
        }
    }

    /// Reads the parameters of a query.
    ///
    /// # Errors
    /// The first parameter that is malformed or unknown.
    pub fn parse<'a>(
        listed: Listed,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, BadQuery> {
        let mut listing = Self::all(listed);
        let mut once: Vec<&str> = Vec::new();
        let mut removed = None;
        for (name, value) in parameters {
            if matches!(name, "sort" | "limit" | "marker" | "removed") {
                if once.contains(&name) {
                    return Err(BadQuery::new(name, "is given twice"));
                }
                once.push(name);
            }
            if value.contains('\0') {
                return Err(BadQuery::new(name, "has a NUL character"));
            }
            match name {
                "sort" => listing.selection.order = Order::parse(listed, value)?,
                "limit" => listing.limit = limit(value)?,
                "marker" => listing.marker = Some(value.to_owned()),
                "labels" if listed.has_labels() => {
                    let joined = listing.selection.labels.join(value);
                    joined.map_err(|BadSelector(reason)| BadQuery::new("labels", reason))?;
                }
                // Whether what was removed is listed too; its moments have modifiers.
                "removed" if listed.can_be_removed() => {
                    let wanted = value.parse();
                    removed = Some(wanted.map_err(|_| BadQuery::new(name, "is true or false"))?);
                }
                _ if listing.shown.take(listed, name, value)? => {}
                _ => {
                    let condition = Condition::parse(listed, name, value)?;
                    listing.selection.conditions.push(condition);
                }
            }
        }
        let selection = &mut listing.selection;
        let asks_for_removed = || selection.conditions.iter().any(Condition::is_about_removed);
        selection.with_removed = removed.unwrap_or_else(asks_for_removed);
        if selection.conditions.len() + selection.labels.len() > MOST_TESTS {
            let reason = format!("and the filters are more than {MOST_TESTS} together");
            return Err(BadQuery::new("labels", reason));
        }
        Ok(listing)
    }
}

impl Condition {
    /// Whether only what was removed can pass, or what was is asked about.
    fn is_about_removed(&self) -> bool {
        let names = |operand: &Operand| match operand {
            Operand::Text(text) => [State::Removed, State::Purging]
                .iter()
                .any(|state| state.as_str() == text),
            _ => false,
        };
        match (&self.subject, &self.test) {
            (Subject::Removed, test) => *test != Test::IsNull,
            (Subject::State, Test::Equals(operand)) => names(operand),
            (Subject::State, Test::OneOf(operands)) => operands.iter().any(names),
            _ => false,
        }
    }
}

fn limit(text: &str) -> Result<u64, BadQuery> {
    let limit = text.parse().ok();
    let limit = limit.filter(|limit| (1..=HIGHEST_LIMIT).contains(limit));
    limit.ok_or_else(|| BadQuery::new("limit", format!("is a number from 1 to {HIGHEST_LIMIT}")))
}

/// Words with commas between them.
fn words<'a>(
    field: &str,
    text: &'a str,
) -> Result<impl Iterator<Item = &'a str> + use<'a>, BadQuery> {
    if text.split(',').any(|word| word.trim().is_empty()) {
        return Err(BadQuery::new(field, "names nothing between two commas"));
    }
    Ok(text.split(',').map(str::trim))
}
