//! What follows from the answers of agents, the same for every step.
//!
//! | answer | what follows |
//! | --- | --- |
//! | only somebody else can mend it: refused, no image | the process fails |
//! | it may pass: the runtime failed | another try, a bounded number of times |
//! | it is at it, and takes longer | it is waited for, and asked again soon |
//! | silence, or a host at rest | it is waited for, which costs no try |
//! | an older fence than the agent has seen | the server leaves the process to its new owner |

use std::time::Duration;

use drover_domain::ResourceId;
use drover_domain::engine::breaker::AtRest;
use drover_domain::engine::{Failure, Outcome};
use drover_domain::process::WaitsFor;
use drover_proto::v1;
use drover_proto::v1::failure::Code;

use super::{Context, StepError};
use crate::agents::Answer;

/// How often a forced step is tried on a host that is there, before the host is given up.
const FORCED_TRIES: u32 = 3;
/// How soon to look again for an agent or a runtime that is away, at the soonest and at the latest.
/// The return of the agent wakes the process earlier.
const SOONEST: Duration = Duration::from_millis(500);
const LATEST: Duration = Duration::from_secs(10);
/// How soon to ask again how far a command is.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Context<'_> {
    /// The outcome of a step that was not answered with what it asked for.
    pub(crate) fn otherwise(&self, host: ResourceId, answer: Answer) -> Result<Outcome, StepError> {
        match answer {
            Answer::Failure(code, message) => self.not_carried_out(host, code, &message),
            Answer::Absent(reason) | Answer::Silence(reason) => Ok(self.away(host, reason)),
            Answer::AtRest(rest) => Ok(self.at_rest(host, &rest)),
            Answer::Busy(progress) => Ok(busy(progress)),
            Answer::Container(_)
            | Answer::Volume(_)
            | Answer::Image
            | Answer::Inventory(_)
            | Answer::Pong
            | Answer::CredentialKept => Ok(unexpected()),
        }
    }

    /// The same for a step that wants something to be on the host: once this is removed, it will
    /// never be there.
    pub(crate) async fn otherwise_unless_gone(
        &self,
        host: ResourceId,
        answer: Answer,
    ) -> Result<Outcome, StepError> {
        let is_out_of_reach = matches!(
            answer,
            Answer::Absent(_) | Answer::Silence(_) | Answer::AtRest(_)
        );
        if is_out_of_reach && self.is_gone(host).await? {
            return Ok(Outcome::Fail(Failure::new(
                "the host that was chosen has been removed",
            )));
        }
        self.otherwise(host, answer)
    }

    /// The same for a step that wants something off the host. By force, a host that is not connected
    /// is given up, and one that is connected after a few tries: one message that was lost is no
    /// reason to leave a container running. `given_up` says how the resource is then.
    pub(crate) fn otherwise_given_up(
        &self,
        host: ResourceId,
        answer: Answer,
        given_up: Outcome,
    ) -> Result<Outcome, StepError> {
        match answer {
            Answer::Failure(Code::StaleFence, _) => Err(StepError::Fenced),
            Answer::Absent(_) if self.process.force => Ok(given_up),
            Answer::Failure(_, reason) | Answer::Silence(reason) if self.process.force => {
                if self.process.attempts() + 1 < FORCED_TRIES {
                    return Ok(Outcome::Retry(Failure::new(reason)));
                }
                Ok(given_up)
            }
            other => self.otherwise(host, other),
        }
    }

    /// The outcome of a step whose command was not carried out.
    ///
    /// What can only be mended by somebody else fails at once; what may pass is tried again, a
    /// bounded number of times; what is only away is waited for, which costs no try.
    fn not_carried_out(
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
    fn at_rest(&self, host: ResourceId, rest: &AtRest) -> Outcome {
        let AtRest {
            failures,
            reason,
            turn,
        } = rest;
        let reason = format!("the host failed {failures} times in a row, last: {reason}");
        Outcome::Wait {
            reason: self.surroundings.reach.explain(host, reason),
            delay: self.now.until(*turn),
            waits_for: Some(WaitsFor::Host(host)),
            progress: None,
        }
    }

    /// The outcome of a step whose command was not answered. It is looked at again after half of the
    /// time that it has been waiting, so that ten thousand processes of a host that is gone cost
    /// little.
    fn away(&self, host: ResourceId, reason: String) -> Outcome {
        let began = self
            .process
            .entry(self.step)
            .and_then(|entry| entry.waits_since);
        let waited = began.map(|since| since.until(self.now)).unwrap_or_default();
        let delay = (waited / 2).clamp(SOONEST, LATEST);
        Outcome::Wait {
            reason: self.surroundings.reach.explain(host, reason),
            delay,
            waits_for: Some(WaitsFor::Host(host)),
            progress: None,
        }
    }
}

/// The outcome of a step whose command is being carried out and takes longer. It is asked again soon, so that
/// whoever looks sees how far it is; that is a write each few seconds.
fn busy(progress: v1::Progress) -> Outcome {
    let percent = progress.percent.map(|percent| percent.min(100));
    Outcome::Wait {
        reason: progress.message,
        delay: LOOK_AGAIN,
        waits_for: None,
        progress: percent.and_then(|percent| u8::try_from(percent).ok()),
    }
}

/// The outcome of a step that was answered with something else than what it asked.
fn unexpected() -> Outcome {
    Outcome::Retry(Failure::new(
        "the agent answered something else than what was asked",
    ))
}
