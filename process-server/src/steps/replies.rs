//! What follows from the answers of agents, the same for every step.

use std::time::Duration;

use drover_domain::ResourceId;
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

    /// The outcome of a step whose command was not answered. It is looked at again after half of the
    /// time that it has been waiting, so that ten thousand processes of a host that is gone cost
    /// little.
    pub(crate) fn away(&self, host: ResourceId, reason: String) -> Outcome {
        let began = self
            .process
            .journal
            .iter()
            .find(|entry| entry.step == self.step);
        let waited = began
            .map(|entry| entry.started.until(self.now))
            .unwrap_or_default();
        let delay = (waited / 2).clamp(SOONEST, LATEST);
        Outcome::Wait {
            reason,
            delay,
            waits_for: Some(WaitsFor::Host(host)),
        }
    }
}

/// The outcome of a step that was answered with something else than what it asked.
pub(crate) fn unexpected() -> Outcome {
    Outcome::Retry(Failure::new(
        "the agent answered something else than what was asked",
    ))
}
