//! An item as it was asked for: whole, or with some of its fields only, or with the targets of its links.

use std::borrow::Cow;

use drover_domain::listing::Shown;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::problem::Problem;

/// The targets of links by the names of the links; null for a link that leads nowhere, or nowhere that
/// the caller sees.
pub(crate) type Included = Map<String, Value>;

/// An item of a type as it was asked for.
pub(crate) enum Item<T> {
    /// As it is.
    Whole(T),
    /// Otherwise.
    Tailored(Map<String, Value>),
}

impl<T: Serialize> Item<T> {
    /// An item with what is included, and with the fields that were asked for.
    pub(crate) fn tailored(item: &T, shown: &Shown, included: Included) -> Result<Self, Problem> {
        let written = serde_json::to_value(item).map_err(|error| {
            tracing::error!(%error, "an item cannot be shown");
            Problem::internal()
        })?;
        let Value::Object(mut fields) = written else {
            return Err(Problem::internal());
        };
        if !shown.fields.is_empty() {
            fields.retain(|name, _| {
                matches!(name.as_str(), "id" | "type") || shown.fields.contains(name)
            });
        }
        if !shown.include.is_empty() {
            fields.insert("included".to_owned(), Value::Object(included));
        }
        Ok(Self::Tailored(fields))
    }
}

impl<T: Serialize> Serialize for Item<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(item) => item.serialize(serializer),
            Self::Tailored(fields) => fields.serialize(serializer),
        }
    }
}

/// Described as the item itself.
impl<T: JsonSchema> JsonSchema for Item<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
