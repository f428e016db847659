//! Envelopes and the names of resources in them.

use drover_domain::{ResourceId, ResourceRef};
use prost::{Message, Name};

use crate::{Malformed, v1};

impl From<ResourceRef> for v1::Resource {
    fn from(reference: ResourceRef) -> Self {
        Self {
            r#type: reference.resource_type.as_str().to_owned(),
            id: reference.id.to_string(),
        }
    }
}

impl TryFrom<&v1::Resource> for ResourceRef {
    type Error = Malformed;

    fn try_from(resource: &v1::Resource) -> Result<Self, Malformed> {
        let resource_type = resource.r#type.parse().map_err(|_| Malformed::Field {
            field: "resource.type",
            value: shorten(&resource.r#type),
        })?;
        Ok(Self {
            resource_type,
            id: parse_id("resource.id", &resource.id)?,
        })
    }
}

/// The resource that a message must name.
///
/// # Errors
/// When it names none, or one that cannot be.
pub fn resource(resource: Option<&v1::Resource>) -> Result<ResourceRef, Malformed> {
    resource.ok_or(Malformed::Missing("resource"))?.try_into()
}

/// The message inside an envelope's payload.
///
/// # Errors
/// When the bytes are no such message.
pub fn decode_payload<M: Message + Default + Name>(payload: &[u8]) -> Result<M, Malformed> {
    M::decode(payload).map_err(|source| Malformed::Payload {
        expected: M::NAME,
        source,
    })
}

pub(crate) fn parse_id(field: &'static str, text: &str) -> Result<ResourceId, Malformed> {
    text.parse().map_err(|_| Malformed::Field {
        field,
        value: shorten(text),
    })
}

/// Enough of a foreign text to recognise it, safe to log.
pub(crate) fn shorten(text: &str) -> String {
    text.chars()
        .take(64)
        .flat_map(char::escape_default)
        .collect()
}
