//! The wall clock, for ages only: nothing that the client decides depends on it.

use std::time::{SystemTime, UNIX_EPOCH};

use drover_domain::Timestamp;

/// The present moment.
#[expect(
    clippy::disallowed_methods,
    reason = "an age is shown to a person; the one place of the client that asks what time it is"
)]
pub(crate) fn now() -> Timestamp {
    let elapsed = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_millis(0).after(elapsed)
}
