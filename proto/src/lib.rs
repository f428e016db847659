//! What travels between the servers and the agents: the `.proto` files, the code that prost makes
//! of them, and the mapping to and from the [domain](drover_domain).
//!
//! - [`v1::Envelope`] is what the event bus carries; its payload is a message of the type that its
//!   name implies ([`name`] lists them).
//! - [`v1::Command`] and [`v1::Reply`] are what agents are told and what they answer.
//! - [`v1::ServerFrame`] and [`v1::AgentFrame`] are what an agent and its server say to one another:
//!   in frames of a WebSocket, or as the canonical JSON of the same messages ([`plain`]).
//! - [`registration`] holds the JSON by which an agent introduces itself.
//! - [`stream`] holds the addresses of streams, and what the servers say when there is none.
//!
//! What comes in from outside is checked here, once: a field that does not parse is a
//! [`Malformed`], never a panic and never a default.

mod container;
mod envelope;
mod health;
mod host;
pub mod name;
pub mod plain;
pub mod registration;
pub mod stream;

/// The messages of protocol version 1, made by prost.
pub mod v1 {
    #![expect(
        missing_docs,
        reason = "the documentation of the messages stands in the .proto files"
    )]
    #![expect(
        clippy::allow_attributes,
        reason = "pbjson allows what its code does not keep to"
    )]
    include!(concat!(env!("OUT_DIR"), "/drover.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/drover.v1.serde.rs"));
}

pub use container::{NotReferred, Referred, create_container, pull_image, seen_ports};
pub use envelope::{decode_payload, resource};

/// A message from outside that is not of the right form.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// The bytes are no such message.
    #[error("the payload is not a {expected}")]
    Payload {
        /// The type of the message.
        expected: &'static str,
        /// What prost says.
        source: prost::DecodeError,
    },
    /// A field has a value that it cannot have.
    #[error("field `{field}` cannot be `{value}`")]
    Field {
        /// The name of the field.
        field: &'static str,
        /// Its value, shortened.
        value: String,
    },
    /// A field that must be there is not.
    #[error("field `{0}` is missing")]
    Missing(&'static str),
}
