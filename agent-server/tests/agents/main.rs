//! A whole agent server on a database and a bus of its own, and agents that speak with it byte by
//! byte: in both forms, and as they should not.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "all of this is a test"
)]

mod credentials;
mod endings;
mod hostile;
mod plain;
mod streams;
mod tls;
mod world;
