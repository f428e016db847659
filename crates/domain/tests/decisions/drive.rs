//! Tells a story: does with a process what the process server does, and holds each write against
//! the model.

use std::time::Duration;

use drover_domain::engine::{Begin, Moment, Next, Outcome, advance, begin};
use drover_domain::lifecycle::{Policies, Step};
use drover_domain::write::ProcessWrite;
use drover_domain::{Fence, Phase, Process, Resource, ServerId, Timestamp};

use crate::case::{BEGINNING, Case, Fate, Pause, Turn, process_id};
use crate::checks::Decision;
use crate::model::{Follows, Model};

/// How long a claim is left alone.
pub(crate) const LEASE: Duration = Duration::from_secs(10);
/// A story that is longer does not end. The most patient process has a day, and looks after its children every
/// ten seconds.
const LONGEST: usize = 20_000;

/// A process and its resource, and what the model knows of them.
#[derive(Clone, Debug)]
pub(crate) struct Stand {
    pub(crate) process: Process,
    pub(crate) resource: Resource,
    pub(crate) model: Model,
}

/// A story on its way.
pub(crate) struct Drive<'a> {
    case: &'a Case,
    policies: Policies,
    /// The rows as they were committed.
    pub(crate) rows: Stand,
    pub(crate) now: Timestamp,
    turns: usize,
    /// Writes that were committed, claims included.
    pub(crate) writes: usize,
    /// What this process cost so far.
    tally: Tally,
    /// Steps that the present process ran forwards, whether or not that was ever written.
    ran: Vec<Step>,
}

/// Committed writes of one process.
#[derive(Default)]
struct Tally {
    /// Those that say that it waits.
    waits: usize,
    others: usize,
    /// Those from its deadline on.
    late: usize,
}

impl<'a> Drive<'a> {
    pub(crate) fn new(case: &'a Case) -> Self {
        let intent = case.intent();
        let model = Model::new(&intent.process, case.adjusted, case.starts);
        Self {
            case,
            policies: case.policies(),
            rows: Stand {
                process: intent.process,
                resource: intent.resource,
                model,
            },
            now: BEGINNING,
            turns: 0,
            writes: 0,
            tally: Tally::default(),
            ran: Vec::new(),
        }
    }

    /// Goes on until the process and what follows from it are over, or until that many writes.
    pub(crate) fn run(&mut self, most: usize) {
        while self.writes < most && !self.rows.process.phase.is_finished() {
            let turn = self.case.turn(self.turns);
            self.pass(turn.before, &self.rows.clone());
            self.claim();
            self.own(most);
        }
    }

    /// A server claims the process, as the store does it.
    pub(crate) fn claim(&mut self) {
        let Stand { process, model, .. } = &mut self.rows;
        assert!(!process.phase.is_finished());
        self.writes += 1;
        process.fence = Fence::from_raw(process.fence.raw() + 1);
        process.server = Some(ServerId::new(uuid::Uuid::from_u128(self.writes as u128)));
        process.phase = Phase::Running;
        process.run_after = self.now.after(LEASE);
        process.waits_for = None;
        process.started.get_or_insert(self.now);
        model.phase = Phase::Running;
    }

    /// The server that claimed the process drives it until it rests or ends, or the server dies.
    fn own(&mut self, most: usize) {
        let mut memory = self.rows.clone();
        while self.writes < most {
            self.turns += 1;
            assert!(self.turns < LONGEST, "it does not end");
            let turn = self.case.turn(self.turns - 1);
            let mut after = memory.clone();
            let (write, next) = self.decide(&memory, &mut after.model, &turn);
            if next == Next::Continue && write.can_wait() {
                memory.process = write.process;
                memory.model = after.model;
                continue;
            }
            match turn.fate {
                Fate::DiesBefore => return,
                Fate::VersionMoved if write.resource.is_some() => {
                    self.rows.resource.version += 1;
                    memory.resource = self.rows.resource.clone();
                    continue;
                }
                _ => self.commit(write, after.model),
            }
            if turn.fate == Fate::DiesAfter || matches!(next, Next::Rest | Next::End) {
                return;
            }
            memory = self.rows.clone();
        }
    }

    /// Runs the next step and decides what follows.
    fn decide(&mut self, stand: &Stand, model: &mut Model, turn: &Turn) -> (ProcessWrite, Next) {
        let Stand {
            process, resource, ..
        } = stand;
        let policies = self.policies.clone();
        let moment = Moment {
            now: self.now,
            began: self.now,
            jitter: turn.jitter,
            successor: process_id(1_000 + self.turns as u128),
            lease: LEASE,
            policies: &policies,
        };
        let begun = begin(process, resource, moment);
        let step = match (begun, model.begin(self.now)) {
            (Begin::Write(write, next), Some(follows)) => {
                let outcome = None;
                return self.checked(stand, outcome, (*write, next), &follows, model);
            }
            (Begin::Run(step), None) => step,
            (begun, follows) => panic!("{begun:?}, where the model says {follows:?}"),
        };
        assert_eq!(Some(step), stand.model.step(), "the step to run");
        assert!(self.now < process.deadline, "nothing is begun too late");
        if process.failure.is_none() {
            self.ran.push(step);
        }
        self.pass(turn.during, stand);
        let outcome = turn
            .answer
            .outcome(&format!("<answer {}>", self.turns), resource);
        let moment = Moment {
            now: self.now,
            ..moment
        };
        let decided = advance(process, resource, step, outcome.clone(), moment);
        let follows = model.advance(&outcome, self.now);
        self.checked(stand, Some(&outcome), decided, &follows, model)
    }

    fn checked(
        &self,
        before: &Stand,
        outcome: Option<&Outcome>,
        (write, next): (ProcessWrite, Next),
        follows: &Follows,
        after: &Model,
    ) -> (ProcessWrite, Next) {
        let decision = Decision {
            before,
            outcome,
            now: self.now,
            write: &write,
            next,
            follows,
            after,
        };
        decision.check();
        (write, next)
    }

    fn commit(&mut self, write: ProcessWrite, model: Model) {
        self.writes += 1;
        let is_late = self.now >= write.process.deadline;
        self.tally.late += usize::from(is_late);
        if write.process.waits_since().is_some() {
            self.tally.waits += 1;
        } else {
            self.tally.others += 1;
        }
        if let Some((resource, expected)) = write.resource {
            assert_eq!(expected, self.rows.resource.version, "the guard holds");
            self.rows.resource = resource;
        }
        self.rows.process = write.process;
        self.rows.model = model;
        if self.rows.process.phase.is_finished() {
            self.check_end();
        }
        if let Some(successor) = write.successor {
            let adjusted = self.case.start_adjusted;
            let policy = successor.definition().unwrap().policy;
            let time = adjusted.deadline.unwrap_or(policy.deadline);
            assert_eq!(successor.deadline, self.now.after(time));
            assert_eq!(
                successor.priority,
                adjusted.priority.unwrap_or(policy.priority)
            );
            assert_eq!(successor.fence, self.rows.process.fence);
            self.rows.model = Model::new(&successor, adjusted, false);
            if successor.phase.is_finished() {
                assert!(!self.rows.resource.state.is_transitional(), "both are over");
            } else {
                assert_eq!(successor.phase, Phase::Running, "it is born claimed");
                assert!(successor.journal.is_empty() && successor.finished.is_none());
            }
            self.rows.process = successor;
            self.tally = Tally::default();
            self.ran.clear();
        }
    }

    /// What must be true of a process that is over.
    fn check_end(&self) {
        let Stand {
            process,
            resource,
            model,
        } = &self.rows;
        let chained = process.successor.is_some();
        assert!(
            chained || !resource.state.is_transitional(),
            "{}",
            resource.state
        );
        // Each step and its undo: at most so many tries. Then the turn to undo, and the end.
        let steps = 2 * model.definition.steps.len();
        let most = steps * model.attempts as usize + 2;
        assert!(self.tally.others <= most, "{} writes", self.tally.others);
        // A step that outlasted the deadline, the turn to undo, and the end.
        assert!(self.tally.late <= 3, "{} writes too late", self.tally.late);
        if process.failure.is_none() || process.next_step().is_some() {
            return;
        }
        for undo in self.ran.iter().filter_map(|step| step.undo()) {
            let entry = process.entry(undo);
            let is_done = entry.is_some_and(|entry| entry.finished.is_some());
            assert!(is_done, "{:?} ran, but {undo} did not", self.ran);
        }
    }

    fn pass(&mut self, pause: Pause, stand: &Stand) {
        let shifted = |moment: Timestamp, by: i64| Timestamp::from_millis(moment.millis() + by);
        let until = match pause {
            Pause::Millis(millis) => self.now.after(Duration::from_millis(millis)),
            Pause::UntilDue => stand.process.run_after,
            Pause::UntilGivingUp(by) => shifted(stand.model.gives_up_at(), by),
            Pause::UntilDeadline(by) => shifted(stand.process.deadline, by),
        };
        self.now = self.now.max(until);
    }

    /// What a server decides that looks at the rows at a moment, without running anything.
    pub(crate) fn look(&self, stand: &Stand, now: Timestamp) -> Begin {
        let moment = Moment {
            now,
            began: now,
            jitter: 0.5,
            successor: process_id(2_000),
            lease: LEASE,
            policies: &self.policies,
        };
        begin(&stand.process, &stand.resource, moment)
    }
}
