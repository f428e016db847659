//! What follows from the answers of agents, the same for every step.

use std::time::Duration;

use drover_domain::ResourceId;
use drover_domain::engine::{Failure, Outcome};
use drover_domain::process::WaitsFor;
use drover_proto::v1::failure::Code;

use super::StepError;

/// How soon to look again for an agent or a runtime that is away. Its return wakes the process
/// earlier.
const AWAY_PAUSE: Duration = Duration::from_secs(3);

/// The outcome of a step whose command was not carried out.
///
/// What can only be mended by somebody else fails at once; what may pass is tried again, a bounded
/// number of times; what is only away is waited for, which costs no try.
pub(crate) fn not_carried_out(
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
        Code::Unavailable => Ok(away(
            host,
            format!("the runtime of the host is away: {message}"),
        )),
        Code::Disconnected => Ok(away(host, message.to_owned())),
    }
}

/// The outcome of a step whose command was not answered.
pub(crate) fn away(host: ResourceId, reason: String) -> Outcome {
    Outcome::Wait {
        reason,
        delay: AWAY_PAUSE,
        waits_for: Some(WaitsFor::Host(host)),
    }
}

/// The outcome of a step that was answered with something else than what it asked.
pub(crate) fn unexpected() -> Outcome {
    Outcome::Retry(Failure::new(
        "the agent answered something else than what was asked",
    ))
}
