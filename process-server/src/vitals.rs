//! Vitals: what the engine tells the metrics of its work.
//!
//! Each function is called where what it is named after has just happened. Whatever stands in the
//! database already is not counted by those who change it, but looked at: the *census* counts the
//! unfinished processes every few seconds, so that work which nobody does is seen too.

use std::sync::Arc;
use std::time::{Duration, Instant};

use drover_domain::engine::Outcome;
use drover_domain::lifecycle::{Request, Step};
use drover_domain::{Phase, Process, Timestamp};
use drover_metrics::Presence;
use drover_metrics::table::{
    CLAIMS, HOSTS_AT_REST, IN_FLIGHT, OLDEST_PROCESS_SECONDS, PROCESS_SECONDS, PROCESSES,
    PROCESSES_ENDED, QUEUE_SECONDS, STEP_SECONDS, STEPS, TURNS_WAITED,
};
use drover_store::clock::Clock;
use drover_store::{Census, Claimed, Store};
use tokio_util::sync::CancellationToken;

use crate::engine::caps::Sharer;

/// The pause between two censuses, if they are quick.
const PAUSE: Duration = Duration::from_secs(5);
/// The longest pause between two.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A census that takes long is followed by a pause so many times as long.
const SHARE: u32 = 200;

/// Claims were made under locks that we have; some were lost to others.
pub(crate) fn claimed(claims: &[Option<Claimed>], now: Timestamp) {
    let won = claims.iter().flatten();
    let count = won.clone().count();
    CLAIMS.add(["won"], count as u64);
    CLAIMS.add(["lost"], (claims.len() - count) as u64);
    for Claimed { process, .. } in won {
        // A process that was claimed before did not queue: it waited.
        if process.started == Some(now) {
            QUEUE_SECONDS.record([], process.created.until(now));
        }
    }
}

/// A process is worked on, for as long as the answer lives.
pub(crate) fn at_work() -> Presence {
    IN_FLIGHT.enter([])
}

/// A step ended in some way.
pub(crate) fn step_ended(step: Step, outcome: &Outcome, took: Duration) {
    let outcome = match outcome {
        Outcome::Done(_) => "done",
        Outcome::Wait { .. } => "wait",
        Outcome::Partly { .. } => "partly",
        Outcome::Delegate { .. } => "delegate",
        Outcome::Retry(_) => "retry",
        Outcome::Fail(_) => "fail",
    };
    STEPS.add([step.as_str(), outcome], 1);
    STEP_SECONDS.record([step.as_str(), outcome], took);
}

/// A process has to wait for its turn, since the share of its host or project is used up.
pub(crate) fn turn_waited(sharer: Sharer) {
    let sharer = match sharer {
        Sharer::Host(_) => "host",
        Sharer::Project(_) => "project",
    };
    TURNS_WAITED.add([sharer], 1);
}

/// The end of a process was committed.
pub(crate) fn process_ended(process: &Process) {
    let request = process.request.as_str();
    let resource_type = process.resource.resource_type.as_str();
    PROCESSES_ENDED.add([resource_type, request, process.phase.as_str()], 1);
    if let Some(finished) = process.finished {
        PROCESS_SECONDS.record([request], process.created.until(finished));
    }
}

/// So many hosts are sent nothing for now.
pub(crate) fn hosts_at_rest(hosts: usize) {
    HOSTS_AT_REST.set([], hosts as f64);
}

/// Counts the unfinished processes now and then, until `shutdown`.
pub(crate) async fn take_census(store: Store, clock: Arc<dyn Clock>, shutdown: CancellationToken) {
    let mut last = Duration::ZERO;
    loop {
        let began = Instant::now();
        match store.census().await {
            Ok(census) => tell(&census, clock.now()),
            Err(error) => tracing::debug!(%error, "the processes could not be counted"),
        }
        let took = began.elapsed();
        // The database is busy with this for a small share of the time only. What both of the last two
        // took, it costs; what one of them took alone, it may have waited for others.
        let cost = took.min(std::mem::replace(&mut last, took));
        let usual = PAUSE.max(cost * SHARE).min(LONGEST_PAUSE);
        let pause = usual.mul_f64(0.75 + rand::random::<f64>() / 2.0);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = shutdown.cancelled() => return,
        }
    }
}

/// Tells a census. Kinds that are not in it are empty now.
fn tell(census: &[Census], now: Timestamp) {
    let unfinished = Phase::ALL.iter().filter(|phase| !phase.is_finished());
    for phase in unfinished {
        for request in Request::ALL {
            let kind = census
                .iter()
                .find(|kind| kind.phase == *phase && kind.request == *request);
            let count = kind.map_or(0, |kind| kind.processes);
            let age = kind.map_or(Duration::ZERO, |kind| kind.oldest.until(now));
            let values = [phase.as_str(), request.as_str()];
            PROCESSES.set(values, count as f64);
            OLDEST_PROCESS_SECONDS.set(values, age.as_secs_f64());
        }
    }
}
