//! Whatever a process has done so far, it can be cancelled, and its resource is settled then.

use std::time::Duration;

use drover_domain::engine::cancel;
use drover_domain::process::Process;
use drover_domain::{Phase, Resource, State};
use proptest::prelude::*;

use crate::case::{cases, error};
use crate::checks::check_journal;
use crate::configuration;
use crate::drive::{Drive, Stand};

proptest! {
    #![proptest_config(configuration())]

    #[test]
    fn a_cancelled_process_is_over_and_its_resource_settled(
        case in cases(),
        writes in 0..60_usize,
        later in 0..10_000_u64,
    ) {
        let mut drive = Drive::new(&case);
        drive.run(writes);
        let now = drive.now.after(Duration::from_millis(later));
        let Stand { process, resource, .. } = &drive.rows;
        let Some(cancellation) = cancel(process, resource, "<by a person>", now) else {
            prop_assert!(process.phase.is_finished(), "only what is over cannot be cancelled");
            return Ok(());
        };
        prop_assert!(!process.phase.is_finished());
        let over = &cancellation.process;
        let expected = Process {
            phase: Phase::Canceled,
            message: over.message.clone(),
            waits_for: None,
            finished: Some(now),
            ..process.clone()
        };
        prop_assert_eq!(over, &expected);
        prop_assert!(over.message.as_ref().unwrap().contains("<by a person>"));
        check_journal(over);

        let settled = &cancellation.resource;
        let expected = Resource {
            state: settled.state,
            version: resource.version + 1,
            updated: now,
            details: settled.details.clone(),
            ..resource.clone()
        };
        prop_assert_eq!(settled, &expected);
        prop_assert_eq!(cancellation.expected, resource.version);
        let passed = (cancellation.passed.state, cancellation.passed.version);
        prop_assert_eq!(passed, (settled.state, settled.version));
        prop_assert!(!settled.state.is_transitional(), "{}", settled.state);
        let has_no_steps = process.definition().unwrap().steps.is_empty();
        let was_left_alone =
            (process.started.is_none() || has_no_steps) && !process.origin.is_transitional();
        if was_left_alone {
            prop_assert_eq!(settled.state, resource.details.settled(process.origin));
            prop_assert_eq!(&settled.details, &resource.details);
        }
        if !was_left_alone {
            let failed = process.definition().unwrap().failed();
            prop_assert_eq!(settled.state, failed);
            prop_assert!(error(settled).unwrap().contains("<by a person>"));
        }
        // What is hidden as removed cannot be started.
        prop_assert!(settled.removed.is_none() || settled.state == State::Removed);
        let again = cancel(over, settled, "again", now);
        prop_assert_eq!(again, None);
    }
}
