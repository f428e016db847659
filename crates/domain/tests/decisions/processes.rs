//! Every process does what the model says, and ends.

use std::time::Duration;

use drover_domain::Phase;
use drover_domain::engine::{Begin, Next};
use proptest::prelude::*;

use crate::case::cases;
use crate::checks::check_journal;
use crate::configuration;
use crate::drive::Drive;

proptest! {
    #![proptest_config(configuration())]

    #[test]
    fn every_story_goes_as_the_model_says_and_ends(case in cases()) {
        let mut drive = Drive::new(&case);
        drive.run(usize::MAX);
        prop_assert!(drive.rows.process.phase.is_finished());
    }

    #[test]
    fn after_its_deadline_nothing_is_run_and_two_writes_are_the_end(
        case in cases(),
        writes in 0..60_usize,
        late in 0..100_000_u64,
    ) {
        let mut drive = Drive::new(&case);
        drive.run(writes);
        if drive.rows.process.phase.is_finished() {
            return Ok(());
        }
        drive.now = drive.now.max(drive.rows.process.deadline);
        drive.now = drive.now.after(Duration::from_millis(late));
        drive.claim();
        let had_work = drive.rows.process.next_step().is_some();
        let mut stand = drive.rows.clone();
        let mut last = Next::Continue;
        for _ in 0..2 {
            let Begin::Write(write, next) = drive.look(&stand, drive.now) else {
                panic!("a step was begun after the deadline")
            };
            check_journal(&write.process);
            stand.process = write.process;
            last = next;
            if last != Next::Continue {
                break;
            }
        }
        prop_assert!(matches!(last, Next::End | Next::Chain), "{last:?}");
        let end = if had_work { Phase::Failed } else { Phase::Done };
        prop_assert_eq!(stand.process.phase, end);
    }
}
