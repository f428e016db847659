//! What follows from the answers of agents, the same for every step.
//!
//! | answer | what follows |
//! | --- | --- |
//! | only somebody else can mend it: refused, no image | the process fails |
//! | it may pass: the runtime failed | another try, a bounded number of times |
//! | silence, or a host at rest | it is waited for, which costs no try |
//! | an older fence than the agent has seen | the server leaves the process to its new owner |

use std::time::Duration;

use drover_domain::ResourceId;
use drover_domain::engine::breaker::AtRest;
use drover_domain::engine::{Failure, Outcome};
use drover_domain::process::WaitsFor;
use drover_proto::v1::failure::Code;

use super::{Context, StepError};

/// How soon to look again for an agent or a runtime that is away, at the soonest and at the latest.
/// The return of the agent wakes the process earlier.
const SOONEST: Duration = Duration::from_millis(500);
const LATEST: Duration = Duration::from_secs(10);

impl Context<'_> {
    /// The outcome of a step whose command was not carried out.
    ///
    /// What can only be mended by somebody else fails at once; what may pass is tried again, a
    /// bounded number of times; what is only away is waited for, which costs no try.
    pub(crate) fn not_carried_out(
        &self,
        host: ResourceId,
        code: Code,
        message: &str,
    ) -> Result<Outcome, StepError> {
        match code {
            Code::StaleFence => Err(StepError::Fenced),
            Code::Refused | Code::ImageMissing | Code::Unsupported | Code::NotFound => {
                Ok(Outcome::Fail(Failure::new(message)))
            }
            Code::Runtime | Code::Unspecified => Ok(Outcome::Retry(Failure::new(message))),
            Code::Unavailable => {
                Ok(self.away(host, format!("the runtime of the host is away: {message}")))
            }
            Code::Disconnected => Ok(self.away(host, message.to_owned())),
        }
    }

    /// The outcome of a step whose host is left alone: it waits for its turn.
    pub(crate) fn at_rest(&self, host: ResourceId, rest: &AtRest) -> Outcome {
        let AtRest {
            failures,
            reason,
            turn,
        } = rest;
        Outcome::Wait {
            reason: format!("the host failed {failures} times in a row, last: {reason}"),
            delay: self.now.until(*turn),
            waits_for: Some(WaitsFor::Host(host)),
        }
    }

    /// The outcome of a step for a container on a host that is removed: it will never run there.
    pub(crate) async fn unless_gone(
        &self,
        host: ResourceId,
        outcome: Outcome,
    ) -> Result<Outcome, StepError> {
        if self.is_gone(host).await? {
            return Ok(Outcome::Fail(Failure::new(
                "the host that was chosen has been removed",
            )));
        }
        Ok(outcome)
    }

    /// The outcome of a step whose command was not answered. It is looked at again after half of the
    /// time that it has been waiting, so that ten thousand processes of a host that is gone cost
    /// little.
    pub(crate) fn away(&self, host: ResourceId, reason: String) -> Outcome {
        let began = self
            .process
            .entry(self.step)
            .and_then(|entry| entry.waits_since);
        let waited = began.map(|since| since.until(self.now)).unwrap_or_default();
        let delay = (waited / 2).clamp(SOONEST, LATEST);
        Outcome::Wait {
            reason,
            delay,
            waits_for: Some(WaitsFor::Host(host)),
        }
    }
}

/// How often a forced step is tried on a host that is there, before the host is given up.
const FORCED_TRIES: u32 = 3;

impl Context<'_> {
    /// What becomes of a forced step whose command was not carried out by a host that is connected:
    /// one message that was lost is no reason to leave a container running. After a few tries the
    /// host is given up; `given_up` says how the resource is then.
    pub(crate) fn forced(&self, reason: &str, given_up: Outcome) -> Outcome {
        if self.process.attempts() + 1 < FORCED_TRIES {
            return Outcome::Retry(Failure::new(reason));
        }
        given_up
    }
}

/// The outcome of a step that was answered with something else than what it asked.
pub(crate) fn unexpected() -> Outcome {
    Outcome::Retry(Failure::new(
        "the agent answered something else than what was asked",
    ))
}
