//! Recovery: what happens to a container that ended by itself, was taken away by somebody else, or
//! does not do its work.
//!
//! # Theory of operation
//!
//! Drover starts such a container again, if its restart policy says so; the policies of a runtime are
//! not used. So what is started again is a durable process like any other: it is seen while it waits, it
//! survives the death of every server, and it happens once.
//!
//! ```text
//!             it ended                         policy: not after this end
//!   running ------------> stopped  ------------------------------------------>  stopped
//!      ^  |                  |  policy: start it again
//!      |  |                  v
//!      |  | unhealthy    restarting: the process `recover` waits for its moment, then runs
//!      |  +------------->    |  |
//!      +---------------------+  +--> stop, remove and start supersede it; a cancel leaves `stopped`
//!
//!   running ------------> error      policy: it was started again often enough
//! ```
//!
//! One transaction writes the end, the counters, the state `restarting` and the process with its
//! `runAfter` in the future. It is guarded by the version of the row: of two reports of one end, or of a
//! report and an inventory, one changes `running` to something else, and the other finds no `running`
//! row any more.
//!
//! A row of failed runs begins with an end and goes on with each further one, until a run lasts for
//! [`reset_after_seconds`](RestartPolicy::reset_after_seconds). How long a run lasted is told by its host,
//! so no two clocks are compared. Waits double from [`delay_seconds`](RestartPolicy::delay_seconds) up to
//! [`maximum_delay_seconds`](RestartPolicy::maximum_delay_seconds); that bounds what a fleet of broken
//! containers costs: ten thousand of them, at five minutes each, are 33 processes a second. From
//! [`CRASH_LOOP`] failed runs on, the container is shown as being in a crash loop while it waits.
//! Whoever starts the container by hand clears the counters.
//!
//! A container that is unhealthy goes the same way from `running`, except that it is stopped first, and
//! that it runs on where the policy would give up: what answers badly is better than what does not run.

mod settlement;

pub use settlement::{Moment, Settlement, settle_end, settle_unhealthy};

use std::time::Duration;

use crate::engine::backoff;
use crate::lifecycle::Backoff;
use crate::resource::{RestartCondition, RestartPolicy};

/// So many failed runs in a row are a crash loop.
pub const CRASH_LOOP: u32 = 3;

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It ended by itself, with an exit code if that is known.
    Exited(Option<i32>),
    /// The container is not on its host any more.
    Vanished,
}

/// What is done after an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: the policy does not ask for more.
    Rests,
    /// It is started again.
    StartsAgain {
        /// After so long.
        after: Duration,
        /// The failed runs in a row, with this one.
        failed_runs: u32,
    },
    /// It was started again as often as the policy allows.
    GivesUp {
        /// The failed runs in a row, with this one.
        failed_runs: u32,
    },
}

/// What a policy says about an end, `failed_runs` having failed in a row before. `ran` is how long the run
/// lasted, if that is known; `jitter` is from 0 to 1.
pub fn decide(
    policy: &RestartPolicy,
    failed_runs: u32,
    end: End,
    ran: Option<Duration>,
    jitter: f64,
) -> Verdict {
    let is_asked_for = match (policy.condition, end) {
        (RestartCondition::No, _) | (RestartCondition::OnFailure, End::Exited(Some(0))) => false,
        (RestartCondition::Always | RestartCondition::OnFailure, _) => true,
    };
    match is_asked_for {
        true => again(policy, failed_runs, ran, jitter),
        false => Verdict::Rests,
    }
}

/// What a policy says about starting again, whatever its condition.
fn again(policy: &RestartPolicy, failed_runs: u32, ran: Option<Duration>, jitter: f64) -> Verdict {
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let was_good = ran.is_some_and(|ran| ran >= seconds(policy.reset_after_seconds));
    let before = if was_good { 0 } else { failed_runs };
    let failed_runs = before.saturating_add(1);
    if policy.maximum_retries.is_some_and(|most| before >= most) {
        return Verdict::GivesUp { failed_runs };
    }
    let longest = seconds(policy.maximum_delay_seconds);
    let waits = Backoff {
        first: seconds(policy.delay_seconds).min(longest),
        longest,
    };
    Verdict::StartsAgain {
        after: backoff(waits, failed_runs, jitter),
        failed_runs,
    }
}

#[cfg(test)]
mod tests;
