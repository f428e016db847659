//! What must be true of a write, beside what the model says comes next.

use drover_domain::engine::{Next, Outcome};
use drover_domain::lifecycle::Step;
use drover_domain::process::{JournalEntry, Process};
use drover_domain::write::{ProcessWrite, ReservationChange};
use drover_domain::{Phase, Resource, State, Timestamp};

use crate::case::error;
use crate::drive::{LEASE, Stand};
use crate::model::{Follows, Model};

/// Failures that a step of the journal keeps.
const KEPT: usize = 10;

/// A write and all that it came from.
pub(crate) struct Decision<'a> {
    pub(crate) before: &'a Stand,
    pub(crate) outcome: Option<&'a Outcome>,
    pub(crate) now: Timestamp,
    pub(crate) write: &'a ProcessWrite,
    pub(crate) next: Next,
    pub(crate) follows: &'a Follows,
    /// The model after it.
    pub(crate) after: &'a Model,
}

impl Decision<'_> {
    /// Holds the write against the model and the rules.
    pub(crate) fn check(&self) {
        self.check_process();
        self.check_times();
        self.check_resource();
        self.check_children();
        check_phase(self.before.process.phase, self.next, &self.write.process);
        check_journal(&self.write.process);
        self.check_entries();
    }

    fn check_process(&self) {
        let Self {
            write,
            follows,
            after,
            ..
        } = self;
        let process = &write.process;
        assert_eq!(self.next, follows.next, "what is done next");
        assert_eq!(process.phase, after.phase, "phase");
        assert_eq!(process.next_step(), after.step(), "next step");
        assert_eq!(process.attempts(), after.tries, "failed tries of it");
        assert_eq!(process.waits_for, follows.waits_for);
        assert_eq!(write.can_wait(), follows.can_wait, "left to the next write");
        let said = process.message.as_deref();
        assert_eq!(said.is_some(), !follows.says.is_empty(), "{said:?}");
        for words in &follows.says {
            assert!(said.unwrap().contains(words), "{said:?} without {words}");
        }
        let why = after.undoes.as_ref().map(|(_, why)| why.concat());
        assert_eq!(process.failure.is_some(), why.is_some());
        if let (Some(failure), Some(why)) = (&process.failure, why) {
            assert!(failure.contains(&why), "{failure} without {why}");
        }
        // Nothing else about it has changed.
        let expected = Process {
            phase: process.phase,
            journal: process.journal.clone(),
            run_after: process.run_after,
            failure: process.failure.clone(),
            message: process.message.clone(),
            waits_for: process.waits_for,
            successor: write.successor.as_ref().map(|successor| successor.id),
            finished: process.finished,
            ..self.before.process.clone()
        };
        assert_eq!(*process, expected);
        let successor = write.successor.as_ref();
        match successor.filter(|successor| successor.phase != Phase::Running) {
            None => assert_eq!(successor.is_some(), self.next == Next::Chain),
            Some(over) => self.check_over_at_birth(over),
        }
    }

    /// A process that had nothing left to do when it was born says so.
    fn check_over_at_birth(&self, born: &Process) {
        assert_eq!((self.next, born.phase), (Next::End, Phase::Done));
        assert_eq!(born.finished, Some(self.now));
        assert_eq!(born.next_step(), None);
        check_journal(born);
    }

    fn check_times(&self) {
        let process = &self.write.process;
        let ended = process.phase.is_finished().then_some(self.now);
        assert_eq!(process.finished, ended, "when it ended");
        match self.follows.rests {
            Some((earliest, latest)) => {
                let looks = process.run_after;
                assert!(
                    earliest <= looks && looks <= latest,
                    "rests until {looks}, not from {earliest} to {latest}"
                );
                assert!(self.now <= looks && looks <= self.before.model.gives_up_at());
                assert!(looks <= process.deadline);
            }
            None if self.next == Next::Continue => {
                assert_eq!(process.run_after, self.now.after(LEASE));
            }
            None => {}
        }
    }

    fn check_resource(&self) {
        let before = &self.before.resource;
        let changes = match self.outcome {
            Some(Outcome::Done(changes) | Outcome::Partly { changes, .. })
                if self.follows.takes_changes =>
            {
                Some(changes)
            }
            _ => None,
        };
        let foregone = &self.follows.foregone;
        let reservation = match self.follows.gives_back() {
            true => Some(ReservationChange::Release),
            false => changes.and_then(|changes| changes.reservation.clone()),
        };
        assert_eq!(self.write.reservation, reservation);
        let mut version = before.version;
        let passed = self.write.passed.iter().map(|passed| {
            version += 1;
            assert_eq!(passed.version, version, "versions grow by one");
            passed.state
        });
        let passed: Vec<State> = passed.collect();
        assert_eq!(
            passed, self.follows.passes,
            "states that the resource passes"
        );
        let Some((after, expected)) = &self.write.resource else {
            assert!(passed.is_empty());
            return;
        };
        assert_eq!(*expected, before.version, "the guard is what was read");
        let state = *passed.last().unwrap();
        let mut details = changes
            .and_then(|changes| changes.details.clone())
            .unwrap_or_else(|| before.details.clone());
        let process = &self.write.process;
        let host = match foregone.contains(&Step::Unplace) {
            true => Some(None),
            false => changes.and_then(|changes| changes.host),
        };
        if process.phase.is_finished() {
            assert_eq!(
                error(after),
                process.message.as_deref(),
                "the resource says the same as its process"
            );
            details = after.details.clone();
        }
        let is_removed = process.phase == Phase::Done && passed[0] == State::Removed;
        let wanted = Resource {
            state,
            version,
            updated: self.now,
            removed: if is_removed {
                Some(self.now)
            } else {
                before.removed
            },
            host: host.unwrap_or(before.host),
            details,
            ..before.clone()
        };
        assert_eq!(*after, wanted);
    }

    fn check_children(&self) {
        let parent = &self.before.process;
        let asked: &[_] = match self.outcome {
            Some(Outcome::Delegate { children, .. }) if self.next == Next::Rest => children,
            _ => &[],
        };
        assert_eq!(self.write.children.len(), asked.len());
        for (born, asked) in self.write.children.iter().zip(asked) {
            let (child, alone) = (&born.process, &asked.process);
            assert_eq!(child.parent, Some(parent.id));
            assert_eq!(child.cause, parent.cause);
            assert_eq!(child.deadline, alone.deadline.min(parent.deadline));
            assert_eq!(child.priority, alone.priority.min(parent.priority));
            assert_eq!(child.phase, Phase::Queued);
            assert_eq!(born.resource, asked.resource);
        }
    }

    /// What the journal had stays in it, and the step that the write is about is told truly.
    fn check_entries(&self) {
        let (old, new) = (&self.before.process, &self.write.process);
        let about = self.before.model.step();
        for entry in &new.journal {
            let kept = (entry.attempts as usize).min(KEPT);
            assert_eq!(entry.failures.len(), kept);
            if about != Some(entry.step) && !self.follows.foregone.contains(&entry.step) {
                assert_eq!(old.entry(entry.step), Some(entry), "told again");
            }
        }
        for entry in &old.journal {
            let again = new.entry(entry.step).unwrap();
            assert_eq!(again.started, entry.started);
            assert!(again.attempts >= entry.attempts);
        }
        if let Some(entry) = about.and_then(|step| new.entry(step)) {
            assert_eq!(entry.server, old.server);
        }
        if let Some(step) = self.after.step() {
            let entry = new.entry(step);
            assert_eq!(entry.is_some(), self.after.is_begun, "{step} is begun");
            let since = entry.and_then(|entry| entry.waits_since);
            assert_eq!(since, self.after.waits_since, "{step} waits");
        }
    }
}

/// Phases move as the picture in `process/mod.rs` says.
fn check_phase(before: Phase, next: Next, process: &Process) {
    assert_eq!(before, Phase::Running, "only who owns it writes it");
    let phase = process.phase;
    match next {
        Next::Continue => assert_eq!(phase, Phase::Running),
        Next::Rest => assert_eq!(phase, Phase::Waiting),
        Next::Chain => assert_eq!(phase, Phase::Done),
        Next::End => assert!(matches!(phase, Phase::Done | Phase::Failed), "{phase}"),
    }
    if phase.is_finished() {
        assert!(process.waits_for.is_none());
        assert_eq!(process.message.is_some(), phase == Phase::Failed);
    }
}

/// The journal tells first the steps forwards, in order, then those that undo them, last first. Of
/// each kind all are finished but at most the last. A process that failed has just one unfinished
/// step forwards, the one that it failed of; one that is done has none.
pub(crate) fn check_journal(process: &Process) {
    let definition = process.definition().unwrap();
    let is_forward = |entry: &&JournalEntry| definition.steps.contains(&entry.step);
    let count = process.journal.iter().take_while(is_forward).count();
    let (forwards, undo) = process.journal.split_at(count);
    let steps = |entries: &[JournalEntry]| -> Vec<Step> {
        entries.iter().map(|entry| entry.step).collect()
    };
    assert_eq!(steps(forwards), definition.steps[..count]);
    let mut undoing = steps(forwards);
    undoing.reverse();
    let undoing: Vec<Step> = undoing.into_iter().filter_map(Step::undo).collect();
    assert!(undoing.starts_with(&steps(undo)), "{:?}", steps(undo));
    for entries in [forwards, undo] {
        let earlier = &entries[..entries.len().saturating_sub(1)];
        let is_finished = |entry: &JournalEntry| entry.finished.is_some();
        assert!(
            earlier.iter().all(is_finished),
            "only the last is unfinished"
        );
    }
    let open = |entries: &[JournalEntry]| {
        let unfinished = |entry: &&JournalEntry| entry.finished.is_none();
        entries.iter().filter(unfinished).count()
    };
    if process.failure.is_some() {
        assert!(definition.is_atomic);
        assert_eq!(open(forwards), 1);
    } else {
        assert!(undo.is_empty(), "nothing is undone that has not failed");
    }
    match process.phase {
        Phase::Done => assert_eq!((open(forwards), count), (0, definition.steps.len())),
        Phase::Failed => {
            assert_eq!(open(forwards), 1);
            assert!(open(undo) == 1 || !definition.is_atomic || steps(undo) == undoing);
        }
        Phase::Queued | Phase::Running | Phase::Waiting | Phase::Canceled => {}
    }
}
