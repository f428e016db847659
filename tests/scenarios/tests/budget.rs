//! The budget of one create: how much of the database, the bus and the lock service a container may take
//! until it runs. Counts only, and no times: these hold on any machine.
//!
//! Two hundred are asked for while the process server is paused, so that all of them are at hand when it
//! goes on: how much of it is done together does not hang on how fast this machine is. Rows and messages
//! are the same for each container however it comes, and bounded tightly; statements and transactions are
//! fewer the more is done together, and bounded for a burst like this one. What the servers do by the
//! clock meanwhile (heartbeats, sweeps, counting what there is) is in it too, so the bounds leave it room.
//!
//! A bound that is passed is a question: what has become dearer, and is it worth that? If so, it is moved,
//! with the reason beside it, and `docs/performance.md` says what it costs.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use drover_scenarios::counters::{Counters, NOT_COUNTED, POSTGRES_SETTINGS};
use drover_scenarios::installation::{Cluster, Runtime, Shape};
use drover_scenarios::until::until;
use serde_json::json;

const CONTAINERS: usize = 200;
/// Before anything is counted: connections, plans and caches.
const WARM_UP: usize = 20;
const WITHIN: Duration = Duration::from_secs(60);

/// The most of each for one container. What is counted when nothing disturbs is said beside it.
const BOUNDS: [(&str, f64); 10] = [
    // 3: creating (with the intent), placed, running.
    ("postgres rows of resource", 3.1),
    // 4: two inserted, for the create and, when it is over, for the start that follows from it; the create once
    // it is placed, which claims it too, and at its end.
    ("postgres rows of process", 4.1),
    // 5: one for each state that somebody may see, of which the last three are told in one commit.
    ("postgres rows of change", 5.1),
    // 1: who asked for it.
    ("postgres rows of audit", 1.05),
    // 1: where it stands. And the room of that host: less than 1, since many take from it in one commit.
    ("postgres rows of reservation", 1.05),
    ("postgres rows of host_room", 1.05),
    // 5: the hint, the command with its reply, and that both processes have ended. That there are changes to
    // look at is told for many at once, and more often where the same takes longer.
    ("bus messages in", 8.0),
    // 0.2: a lock is taken and given back, both with as many others as there are.
    ("etcd transactions", 1.0),
    // 0.1: three commits (accepted, placed, running), each of many containers.
    ("postgres writeTransactions", 1.0),
    // 1.5: what these commits read and write, the keys that are looked up, and what the servers look at by
    // the clock, which came to 4 more where the same took six times as long.
    ("postgres statements", 8.0),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_takes_no_more_than_its_budget() {
    let shape = Shape {
        api_servers: 1,
        process_servers: 1,
        agent_servers: 1,
        postgres_settings: POSTGRES_SETTINGS.map(str::to_owned).to_vec(),
        ..Shape::default()
    };
    let mut cluster = Cluster::of(Runtime::Simulated, &shape).await.unwrap();
    Counters::prepare(&cluster.postgres).await.unwrap();
    create(&cluster, WARM_UP).await;
    all_run(&cluster, WARM_UP).await;

    let counters = Counters::read(&cluster).await.unwrap();
    cluster.process_servers[0].pause().unwrap();
    create(&cluster, CONTAINERS).await;
    cluster.process_servers[0].resume().unwrap();
    all_run(&cluster, WARM_UP + CONTAINERS).await;
    let counted = counters.until_now(&cluster).await.unwrap();

    let each: BTreeMap<String, f64> = counted
        .into_iter()
        .map(|(name, value)| (name, value / CONTAINERS as f64))
        .collect();
    eprintln!("for each of {CONTAINERS} containers: {each:#?}");
    let dearer = BOUNDS.iter().filter_map(|(name, most)| {
        let value = each.get(*name).copied().unwrap_or(f64::NAN);
        // What was not counted is within no bound.
        let is_within = value <= *most;
        (!is_within).then(|| format!("{name}: {value:.2} for each, and {most} at most"))
    });
    let dearer: Vec<String> = dearer.collect();
    assert!(dearer.is_empty(), "{}", dearer.join("\n"));
}

/// Asks for so many at the same time.
async fn create(cluster: &Cluster, count: usize) {
    let asked = (0..count).map(|_| cluster.drover.create(json!({})));
    futures::future::try_join_all(asked).await.unwrap();
}

/// Waits until so many run, by looks that are not counted.
async fn all_run(cluster: &Cluster, count: usize) {
    let running = format!(
        "SELECT {NOT_COUNTED} count(*) FROM resource WHERE type = 'container' AND state = 'running'"
    );
    until("all containers run", WITHIN, || async {
        let run: usize = cluster.postgres.query(&running).await?.parse()?;
        ensure!(run == count, "{run} of {count} do");
        Ok(())
    })
    .await
    .unwrap();
}
