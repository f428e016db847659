//! What a cluster does while a part of it is gone, and after it is back.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "all of this is a test, and how long it took is part of its output"
)]

mod agent_servers;
mod agents;
mod database;
mod engines;
mod hosts;
mod losses;
mod networks;
mod process_servers;

use std::time::Duration;

use serde_json::{Value, json};

/// Long enough for a container to run, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);
/// What was asked for during an outage is true within this time of its end.
const RUNS_WITHIN: Duration = Duration::from_secs(15);

/// A container that is made as fast as Docker can.
fn without_network() -> Value {
    json!({ "networks": [{ "network": "none" }] })
}
