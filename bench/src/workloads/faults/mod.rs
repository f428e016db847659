//! W5: every part is struck in turn while much is under way: what is lost, what is done twice, and when all
//! is settled.
//!
//! ```text
//!   a thousand are under way     the process servers are paused while they are asked for
//!   the strike                   as soon as the first few of them run
//!      |    others are asked for at a steady rate, by clients that ask again until they are answered
//!   the mend                     some seconds later
//!   settled                      when each that was accepted runs, or is in `error`
//! ```
//!
//! There are two of each server, so that one is there while the other is not; of the database, the bus, the
//! lock service and the process that all simulated hosts are there is one. What is struck comes back by
//! itself after some seconds, as under any supervisor; the same installation goes through all of it.
//!
//! A request that fails at the door was told so, and is made again under its key: it is counted apart from
//! what is lost, which was accepted. Simulated hosts keep their containers in memory: what ran on them is
//! gone when they are killed, as that of a machine that burnt down, and what was on its way there is made
//! anew.

mod account;
mod fault;

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::json;
use tokio::time::sleep;

use self::account::{Account, COLUMNS};
use self::fault::Fault;
use crate::burst::warm_up;
use crate::load::{container, steadily, under_way};
use crate::observer::{Observer, Seen};
use crate::outcome::Outcome;
use crate::system::System;

/// What is not settled by then is lost.
const SETTLED_WITHIN: Duration = Duration::from_secs(180);
const READY_WITHIN: Duration = Duration::from_secs(120);
/// The strike comes when so many of those under way run.
const FEW: usize = 20;
/// Others are asked for until so long after the mend.
const AFTER: Duration = Duration::from_secs(2);

/// How much is under way, and for how long what is struck is away.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Size {
    /// How many containers are under way at each strike
    #[arg(long, default_value_t = 1_000)]
    pub(crate) containers: usize,
    /// How many simulated hosts
    #[arg(long, default_value_t = 100)]
    pub(crate) hosts: usize,
    /// How many others are asked for a second
    #[arg(long, default_value_t = 50)]
    pub(crate) rate: u32,
    /// For how many seconds what is struck is away
    #[arg(long, default_value_t = 3)]
    pub(crate) away: u64,
    /// For how long the locks of a process server that died are kept, in seconds
    #[arg(long, default_value_t = 10)]
    pub(crate) lease_seconds: u64,
    /// These alone, with commas between them
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Fault::ALL)]
    pub(crate) only: Vec<Fault>,
}

pub(crate) async fn run(size: &Size) -> Result<Outcome> {
    let parameters = json!({
        "containers": size.containers, "hosts": size.hosts, "rate": size.rate,
        "awaySeconds": size.away, "leaseSeconds": size.lease_seconds,
    });
    let flags = ["--lease-seconds".to_owned(), size.lease_seconds.to_string()];
    let mut system = System::in_pairs(flags.to_vec(), size.hosts).await?;
    let mut outcome = Outcome::of("faults", parameters);
    outcome.columns(&COLUMNS);
    let observer = Observer::begin(system.api()).await?;
    warm_up(&system, &observer, 16).await?;

    let mut all = Account::default();
    for fault in size.only.iter().copied() {
        let account = strike(&mut system, &observer, fault, size).await?;
        outcome.row(fault.what(), &account.figures());
        if fault == Fault::ProcessServer {
            let name = "a dead process server: all settled after";
            outcome.add_with_goal(name, account.settled, "s", "< 15");
        }
        if !account.odd.is_empty() {
            outcome.detail(fault.what(), json!(account.odd));
        }
        all.take(account);
    }
    outcome.add_with_goal("lost", all.lost as f64, "", "0");
    outcome.add_with_goal("in error", all.failed as f64, "", "0");
    outcome.add_with_goal("came to running more than once", all.twice as f64, "", "0");
    outcome.add_with_goal(
        "made without having been asked for",
        all.unasked as f64,
        "",
        "0",
    );
    outcome.add_with_goal("never answered", all.refused as f64, "", "0");
    outcome.add("asked for again at the door", all.repeated as f64, "");
    outcome.add_headline("longest until all was settled", all.settled, "s");
    Ok(outcome)
}

async fn strike(
    system: &mut System,
    observer: &Observer,
    fault: Fault,
    size: &Size,
) -> Result<Account> {
    let spec = container(&json!({}));
    let before = Account::ids(&observer.seen());
    let run_before = observer.seen().running.len();
    let created = under_way(system, observer, &spec, size.containers, FEW).await?;
    let away = Duration::from_secs(size.away);
    let during = away + AFTER;
    // As many as are asked for: nobody waits in here while the door is closed.
    let clients = u64::from(size.rate) * during.as_secs();
    let clients = (0..clients).map(|_| system.door()).collect();
    let run_by_now = observer.seen().running.len() - run_before;
    let struck = Instant::now();
    let asking = steadily(clients, size.rate, during, async |client, turn, _| {
        Ok(client.ask(&format!("{fault:?}-{turn}"), &spec).await)
    });
    let striking = async {
        fault.strike(system).await?;
        sleep(away.saturating_sub(struck.elapsed())).await;
        fault.mend(system).await
    };
    let (asked, ()) = tokio::try_join!(asking, striking)?;

    let created: Vec<String> = created.into_iter().map(|one| one.id).collect();
    let mut account = Account::of(created.clone(), asked);
    account.under_way = size.containers - run_by_now;
    let all = |seen: &Seen| account.is_settled(seen).then(Instant::now);
    // What is not settled in time is told of, and the others go on.
    let settled = observer.until("all settled", SETTLED_WITHIN, all).await;
    account.settled = settled.map_or(f64::NAN, |at| (at - struck).as_secs_f64());
    let last = |seen: &Seen| created.iter().map(|id| seen.running.get(id).copied()).max();
    let last = last(&observer.seen()).flatten();
    account.they_run = last.map_or(f64::NAN, |at| {
        at.saturating_duration_since(struck).as_secs_f64()
    });
    account.close(&observer.seen(), &before);
    account.look_at_the_odd(system).await?;
    system
        .cluster_parts()?
        .wait_until_servers_are_ready()
        .await?;
    system.until_all_hosts_are_active(READY_WITHIN).await?;
    Ok(account)
}
