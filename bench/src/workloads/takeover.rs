//! The death of a process server with its hands full: how long until another has done its work.
//!
//! Two process servers are paused while the containers are asked for, so that all of them are under
//! way when both go on; one is killed as soon as the first few run.

use std::time::{Duration, Instant};

use anyhow::Result;
use drover_scenarios::process::Process;
use serde_json::json;

use crate::load::{container, create_all};
use crate::observer::{Observer, Seen};
use crate::outcome::Outcome;
use crate::system::System;

const WITHIN: Duration = Duration::from_secs(120);
const WARM_UP: usize = 100;
/// The death comes when so many run.
const FIRST: usize = 20;

/// How much is under way.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many containers are under way
    #[arg(long, default_value_t = 1_000)]
    pub(crate) containers: usize,
    /// How many simulated hosts
    #[arg(long, default_value_t = 100)]
    pub(crate) hosts: usize,
}

pub(crate) async fn run(size: Size) -> Result<Outcome> {
    let parameters = json!({ "containers": size.containers, "hosts": size.hosts });
    let mut system = System::cluster(2, &[], size.hosts).await?;
    let mut outcome = Outcome::of("takeover", parameters);
    let observer = Observer::begin(system.api()).await?;
    let spec = container(&json!({}));
    create_all(&system, &spec, WARM_UP, 16).await?;
    let running = |count| move |seen: &Seen| (seen.running.len() >= count).then_some(());
    observer
        .until("warming up", WITHIN, running(WARM_UP))
        .await?;

    let servers = &mut system.cluster_parts()?.process_servers;
    servers.iter_mut().try_for_each(Process::pause)?;
    let created = create_all(&system, &spec, size.containers, 64).await?;
    let servers = &mut system.cluster_parts()?.process_servers;
    servers.iter_mut().try_for_each(Process::resume)?;
    let first = running(WARM_UP + FIRST);
    observer.until("the first few run", WITHIN, first).await?;
    system.cluster_parts()?.process_servers[0].kill_hard()?;
    let killed = Instant::now();
    let ran = observer.seen().running.len() - WARM_UP;
    let all = |seen: &Seen| {
        let settled = |id: &String| seen.running.contains_key(id) || seen.failed.contains(id);
        created
            .iter()
            .all(|one| settled(&one.id))
            .then(Instant::now)
    };
    let settled = observer.until("all of them run", WITHIN, all).await?;

    outcome.add("running when it was killed", ran as f64, "");
    let seconds = (settled - killed).as_secs_f64();
    outcome.add_with_goal("from its death until all run", seconds, "s", "< 15");
    let seen = observer.seen();
    let lost = created
        .iter()
        .filter(|one| !seen.running.contains_key(&one.id));
    outcome.add_with_goal("lost", lost.count() as f64, "", "0");
    let doubled = seen.runs.values().filter(|runs| **runs > 1).count();
    outcome.add_with_goal("came to running more than once", doubled as f64, "", "0");
    Ok(outcome)
}
