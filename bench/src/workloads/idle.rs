//! One container at a time on a system that has nothing else to do: how long a person waits.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;

use crate::load::container;
use crate::observer::Observer;
use crate::outcome::{Outcome, Times};
use crate::system::System;

const WITHIN: Duration = Duration::from_secs(30);
const WARM_UP: usize = 20;
/// Between two containers, so that each meets a system at rest.
const REST: Duration = Duration::from_millis(20);

/// How often it is tried.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many containers, one after the other
    #[arg(long, default_value_t = 300)]
    pub(crate) containers: usize,
    /// How many simulated hosts
    #[arg(long, default_value_t = 100)]
    pub(crate) hosts: usize,
}

pub(crate) async fn run(size: Size) -> Result<Outcome> {
    let parameters = json!({ "containers": size.containers, "hosts": size.hosts });
    let system = System::cluster(1, &[], size.hosts).await?;
    let mut outcome = Outcome::of("idle", parameters);
    let observer = Observer::begin(system.api()).await?;
    let mut connection = system.connect().await?;
    let spec = container(&json!({}));
    let mut times = Vec::new();
    for turn in 0..WARM_UP + size.containers {
        let asked = Instant::now();
        let id = connection.post("/v1/containers", &spec).await?;
        let ran = observer.until("it runs", WITHIN, |seen| seen.running.get(&id).copied());
        let ran = ran.await?;
        if turn >= WARM_UP {
            times.push(ran.saturating_duration_since(asked));
        }
        tokio::time::sleep(REST).await;
    }
    let times = Times::of(times);
    outcome.add_with_goal("asked to running p50", times.percentile(50), "ms", "< 15");
    outcome.add_with_goal("asked to running p99", times.percentile(99), "ms", "< 50");
    outcome.add("asked to running last", times.percentile(100), "ms");
    Ok(outcome)
}
