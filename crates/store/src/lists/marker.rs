//! Where a page of a list ends.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drover_domain::listing::{BadQuery, Kind, Order, Subject};
use drover_domain::{Process, Resource};
use sea_orm::Value;
use sea_orm::entity::prelude::Uuid;
use serde_json::json;

/// The place of the last item of a page: the next one begins after it. Clients see a text that means
/// nothing to them.
#[derive(Clone, Debug, PartialEq)]
pub struct Marker {
    order: String,
    /// What the list is ordered by, if that is not the id.
    key: Option<Key>,
    id: Uuid,
}

#[derive(Clone, Debug, PartialEq)]
enum Key {
    Text(String),
    Number(i64),
}

impl Marker {
    /// The place of a resource.
    pub(super) fn after_resource(order: Order, resource: &Resource) -> Self {
        let key = match order.field.subject {
            Subject::Name => Some(Key::Text(resource.name.clone())),
            Subject::Created => Some(Key::Number(resource.created.millis())),
            _ => None,
        };
        Self::new(order, key, resource.id.uuid())
    }

    /// The place of a process.
    pub(super) fn after_process(order: Order, process: &Process) -> Self {
        Self::new(order, None, process.id.uuid())
    }

    fn new(order: Order, key: Option<Key>, id: Uuid) -> Self {
        Self {
            order: order.to_string(),
            key,
            id,
        }
    }

    /// Reads the text of a marker that was given for the same order.
    ///
    /// # Errors
    /// When it is no marker, or one of a list in another order.
    pub fn parse(text: &str, order: Order) -> Result<Self, BadQuery> {
        let unknown = || BadQuery::new("marker", "is no marker that was given with a page");
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| unknown())?;
        let parts: (String, serde_json::Value, Uuid) =
            serde_json::from_slice(&bytes).map_err(|_| unknown())?;
        let (of, key, id) = parts;
        if of != order.to_string() {
            let reason = "belongs to a list in another order: begin anew without it";
            return Err(BadQuery::new("marker", reason));
        }
        let key = match (order.field.subject, order.field.kind, key) {
            (Subject::Id, _, serde_json::Value::Null) => None,
            (_, Kind::Text, serde_json::Value::String(text)) if !text.contains('\0') => {
                Some(Key::Text(text))
            }
            (_, Kind::Moment, serde_json::Value::Number(number)) => {
                Some(Key::Number(number.as_i64().ok_or_else(unknown)?))
            }
            _ => return Err(unknown()),
        };
        Ok(Self::new(order, key, id))
    }

    pub(super) fn key(&self) -> Option<Value> {
        self.key.as_ref().map(|key| match key {
            Key::Text(text) => text.as_str().into(),
            Key::Number(number) => (*number).into(),
        })
    }

    pub(super) fn id(&self) -> Uuid {
        self.id
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = match &self.key {
            None => serde_json::Value::Null,
            Some(Key::Text(text)) => text.as_str().into(),
            Some(Key::Number(number)) => (*number).into(),
        };
        let parts = json!([self.order, key, self.id]).to_string();
        formatter.write_str(&URL_SAFE_NO_PAD.encode(parts))
    }
}

#[cfg(test)]
mod tests {
    use drover_domain::ResourceType;
    use drover_domain::listing::Listed;

    use super::*;

    fn order(text: &str) -> Order {
        Order::parse(Listed::Resource(ResourceType::Container), text).unwrap()
    }

    #[test]
    fn a_marker_survives_its_text() {
        let id = Uuid::from_u128(7);
        for (order, key) in [
            (order("id"), None),
            (order("-name"), Some(Key::Text("ünter \"1\"".to_owned()))),
            (order("created"), Some(Key::Number(-5))),
        ] {
            let marker = Marker::new(order, key, id);
            assert_eq!(Marker::parse(&marker.to_string(), order), Ok(marker));
        }
    }

    #[test]
    fn a_marker_of_another_order_and_what_is_no_marker_are_refused() {
        let marker = Marker::new(order("name"), Some(Key::Text("a".to_owned())), Uuid::nil());
        let text = marker.to_string();
        for other in ["-name", "id", "created"] {
            assert!(Marker::parse(&text, order(other)).is_err(), "{other}");
        }
        let forged = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let nil = Uuid::nil();
        for text in [
            String::new(),
            "%%%".to_owned(),
            "abc".to_owned(),
            nil.to_string(),
            forged(json!(["name", 1, nil])),
            forged(json!(["name", null, nil])),
            forged(json!(["name", "a\u{0}b", nil])),
            forged(json!(["name", "a", "b"])),
            forged(json!(["name", "a", nil, 1])),
        ] {
            assert!(Marker::parse(&text, order("name")).is_err(), "{text}");
        }
    }
}
