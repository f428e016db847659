//! Cancelling a process.
//!
//! A process that has not begun leaves its resource as it was, and so does one without steps, which
//! does nothing but its end: a purge that is cancelled leaves what was removed removed. One that has
//! begun leaves it in `error`, since nobody knows how far it got: from there the resource can be
//! started or removed.
//! Whoever runs the process finds at its next write that it is not theirs any more.

use crate::lifecycle::ProcessDefinition;
use crate::process::Process;
use crate::resource::{Details, Version};
use crate::write::Passed;
use crate::{Phase, Resource, State, Timestamp};

/// A process and its resource as they should stand once it is cancelled.
#[derive(Clone, Debug, PartialEq)]
pub struct Cancellation {
    /// The process.
    pub process: Process,
    /// The resource.
    pub resource: Resource,
    /// The version that the resource must still have.
    pub expected: Version,
    /// The state that the resource passes.
    pub passed: Passed,
}

/// Cancels a process; none if it is finished. `reason` says who did it, and why.
pub fn cancel(
    process: &Process,
    resource: &Resource,
    reason: &str,
    now: Timestamp,
) -> Option<Cancellation> {
    if process.phase.is_finished() {
        return None;
    }
    let has_steps = process
        .definition()
        .is_none_or(|definition| !definition.steps.is_empty());
    // One that was claimed may have been on a step that nobody has told of.
    let was_claimed = process.phase == Phase::Running || process.started.is_some();
    let has_begun = !process.journal.is_empty() || (was_claimed && has_steps);
    let returns = !has_begun && !process.origin.is_transitional();
    let message = format!("canceled: {reason}");
    let mut process = process.clone();
    process.cancel(message.clone(), now);
    let expected = resource.version;
    let mut resource = resource.clone();
    resource.version += 1;
    resource.updated = now;
    if let Details::Container { status, .. } = &mut resource.details {
        status.wait_no_more();
    }
    if returns {
        resource.state = resource.details.settled(process.origin);
    } else {
        let failed = process
            .definition()
            .map_or(State::Error, ProcessDefinition::failed);
        resource.state = resource.details.settled(failed);
        resource
            .details
            .set_error(Some(format!("{} was {message}", process.request)));
    }
    let passed = Passed {
        state: resource.state,
        version: resource.version,
    };
    Some(Cancellation {
        process,
        resource,
        expected,
        passed,
    })
}
