//! What holds of Drover in every wiring.
//!
//! Each file has one theme, and a function that looks at its facts against one installation. They
//! take no other view of it than a client's, and Docker's. They may be looked at against an
//! installation that has done other work before, and leave containers behind, which the
//! installation sweeps away.

pub mod accounts;
pub mod api_keys;
pub mod audit;
pub mod bulk;
pub mod by_hand;
pub mod command_line;
pub mod conditional_requests;
pub mod failures;
pub mod host_operations;
pub mod hosts;
pub mod idempotency;
pub mod images;
pub mod intents;
pub mod lifecycle;
pub mod lists;
pub mod metrics;
pub mod people;
pub mod placement;
pub mod prefetch;
pub mod private_images;
pub mod processes;
pub mod quotas;
pub mod rate_limits;
pub mod recovery;
pub mod refusals;
pub mod registries;
pub mod sessions;
pub mod settings;
pub mod storage;
pub mod streams;
pub mod tokens;
pub mod updates;
pub mod volumes;
pub mod watches;

use std::time::Duration;

/// Long enough for a container to run, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);
