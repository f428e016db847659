//! What must follow each outcome, told a second time and more simply than the engine does.
//!
//! The model keeps no journal. It knows which way it goes, how far it is on it, how often the step
//! there has failed and since when it waits.

use std::time::Duration;

use drover_domain::engine::{Changes, Next, Outcome};
use drover_domain::lifecycle::{Adjustment, Backoff, ProcessDefinition, Request, Step};
use drover_domain::process::{Process, WaitsFor};
use drover_domain::{Phase, ResourceType, State, Timestamp};

/// Where a process stands.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) definition: &'static ProcessDefinition,
    /// Whether a start follows.
    starts: bool,
    pub(crate) attempts: u32,
    backoff: Backoff,
    created: Timestamp,
    pub(crate) deadline: Timestamp,
    undo_within: Duration,
    pub(crate) phase: Phase,
    /// What it undoes, and why; none on the way forwards.
    pub(crate) undoes: Option<(Vec<Step>, Vec<String>)>,
    /// Steps that are done on its way.
    done: usize,
    /// How often the next one has failed.
    pub(crate) tries: u32,
    /// Whether the next one was ever tried, as far as the database knows.
    pub(crate) is_begun: bool,
    pub(crate) waits_since: Option<Timestamp>,
}

/// Whether nobody runs a step. No container of a story mounts a volume.
fn is_foregone(step: Step) -> bool {
    matches!(step, Step::Release | Step::Unplace | Step::LeaveVolumes)
}

/// What follows an outcome.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Follows {
    pub(crate) next: Next,
    /// The states that the resource passes; it is not written if there are none.
    pub(crate) passes: Vec<State>,
    /// Words that the process has for a person; none if it says nothing.
    pub(crate) says: Vec<String>,
    /// When it is looked at again: at the earliest, at the latest. None if it does not rest.
    pub(crate) rests: Option<(Timestamp, Timestamp)>,
    pub(crate) waits_for: Option<WaitsFor>,
    /// Whether the changes of the outcome are written.
    pub(crate) takes_changes: bool,
    /// The steps that nobody runs, and whose outcome is written with this.
    pub(crate) foregone: Vec<Step>,
    /// Whether the write can be left to the next one.
    pub(crate) can_wait: bool,
}

impl Follows {
    /// Whether a step that nobody runs gives back what was reserved. Leaving no volumes does not.
    pub(crate) fn gives_back(&self) -> bool {
        self.foregone.iter().any(|step| *step != Step::LeaveVolumes)
    }

    fn new(next: Next, passes: &[State], says: Vec<String>) -> Self {
        Self {
            next,
            passes: passes.to_vec(),
            says,
            rests: None,
            waits_for: None,
            takes_changes: false,
            foregone: vec![],
            can_wait: false,
        }
    }
}

impl Model {
    /// A process that was just accepted, or follows from another.
    pub(crate) fn new(process: &Process, adjusted: Adjustment, starts: bool) -> Self {
        let definition = process.definition().unwrap();
        let usual = definition.policy;
        let time = adjusted.deadline.unwrap_or(usual.deadline);
        Self {
            definition,
            starts: starts
                && definition.request == Request::Create
                && process.resource.resource_type == ResourceType::Container,
            attempts: adjusted.attempts.unwrap_or(usual.attempts),
            backoff: Backoff {
                first: adjusted.backoff_first.unwrap_or(usual.backoff.first),
                longest: adjusted.backoff_longest.unwrap_or(usual.backoff.longest),
            },
            created: process.created,
            deadline: process.deadline,
            undo_within: usual.undo_within.min(time / 2),
            phase: process.phase,
            undoes: None,
            done: 0,
            tries: 0,
            is_begun: false,
            waits_since: None,
        }
    }

    /// The step to run, or none if all are done.
    pub(crate) fn step(&self) -> Option<Step> {
        let way = match &self.undoes {
            None => self.definition.steps,
            Some((steps, _)) => steps,
        };
        way.get(self.done).copied()
    }

    /// When it gives up what it does.
    pub(crate) fn gives_up_at(&self) -> Timestamp {
        if self.undoes.is_some() || !self.definition.is_atomic {
            return self.deadline;
        }
        let half = self.created.until(self.deadline) / 2;
        self.deadline.before(self.undo_within.min(half))
    }

    /// A server looks at it. None if it is to run its next step.
    pub(crate) fn begin(&mut self, now: Timestamp) -> Option<Follows> {
        if self.step().is_none() {
            return Some(self.end());
        }
        if self.step().is_some_and(is_foregone) {
            return Some(self.done(false, &Changes::default()));
        }
        let is_late = now >= self.gives_up_at();
        is_late.then(|| self.fail("gave up at the deadline"))
    }

    /// Its step is over.
    pub(crate) fn advance(&mut self, outcome: &Outcome, now: Timestamp) -> Follows {
        let is_late = now >= self.gives_up_at();
        let mut follows = match outcome {
            Outcome::Done(changes) => self.done(true, changes),
            Outcome::Wait { reason, .. }
            | Outcome::Partly { reason, .. }
            | Outcome::Delegate { reason, .. }
                if is_late =>
            {
                self.fail(reason)
            }
            Outcome::Wait {
                reason,
                delay,
                waits_for,
                ..
            } => {
                self.waits_since.get_or_insert(now);
                let mut follows = self.linger(reason, *delay, now);
                follows.waits_for = *waits_for;
                follows
            }
            Outcome::Partly {
                changes,
                reason,
                delay,
                ..
            } => {
                self.waits_since = Some(now);
                let mut follows = self.linger(reason, *delay, now);
                if changes.details.is_some() {
                    follows.passes = vec![self.definition.via];
                }
                follows.takes_changes = true;
                follows
            }
            Outcome::Delegate { reason, .. } => {
                self.waits_since.get_or_insert(now);
                let mut follows = self.linger(reason, Duration::from_secs(10), now);
                follows.waits_for = Some(WaitsFor::Children);
                follows
            }
            Outcome::Retry(failure) if is_late || self.tries + 1 >= self.attempts => {
                self.fail(&failure.message)
            }
            Outcome::Retry(failure) => {
                self.tries += 1;
                self.waits_since = None;
                let mut delay = self.backoff.first;
                for _ in 1..self.tries {
                    delay = (delay * 2).min(self.backoff.longest);
                }
                self.rest(&failure.message, (delay / 2, delay), now)
            }
            Outcome::Fail(failure) => self.fail(&failure.message),
        };
        follows.rests = follows.rests.filter(|_| follows.next == Next::Rest);
        follows
    }

    /// Its step was run and is done, or need not be run; so need not some that follow.
    fn done(&mut self, has_run: bool, changes: &Changes) -> Follows {
        self.done += usize::from(has_run);
        let mut foregone = Vec::new();
        while let Some(step) = self.step().filter(|step| is_foregone(*step)) {
            foregone.push(step);
            self.done += 1;
        }
        self.next_is_new();
        let is_written = changes.details.is_some()
            || changes.host.is_some()
            || foregone.contains(&Step::Unplace);
        let mut follows = if self.step().is_none() {
            self.end_with(changes.follower_is_done)
        } else {
            let via = self.definition.via;
            let passes = if is_written { vec![via] } else { vec![] };
            Follows::new(Next::Continue, &passes, vec![])
        };
        follows.takes_changes = true;
        follows.foregone = foregone;
        let changes_nothing = !is_written && !follows.gives_back() && changes.reservation.is_none();
        // What an atomic process did must be known to whoever may have to undo it.
        follows.can_wait =
            follows.next == Next::Continue && changes_nothing && !self.definition.is_atomic;
        follows
    }

    fn next_is_new(&mut self) {
        self.tries = 0;
        self.is_begun = false;
        self.waits_since = None;
    }

    /// It waits for what it was told, and up to a quarter longer.
    fn linger(&mut self, says: &str, delay: Duration, now: Timestamp) -> Follows {
        self.rest(says, (delay, delay + delay / 4), now)
    }

    /// It rests for so long at the least and at the most, and not past its end.
    fn rest(&mut self, says: &str, delays: (Duration, Duration), now: Timestamp) -> Follows {
        self.phase = Phase::Waiting;
        self.is_begun = true;
        let until = |delay| now.after(delay).min(self.gives_up_at());
        let mut follows = Follows::new(Next::Rest, &[], vec![says.to_owned()]);
        follows.rests = Some((until(delays.0), until(delays.1)));
        follows
    }

    /// It cannot go on this way.
    fn fail(&mut self, says: &str) -> Follows {
        self.tries += 1;
        self.is_begun = true;
        self.waits_since = None;
        let mut says = vec![says.to_owned()];
        if let Some((_, first)) = &self.undoes {
            says.extend(first.iter().cloned());
        } else if self.definition.is_atomic {
            let begun = &self.definition.steps[..=self.done];
            let undo: Vec<Step> = begun.iter().rev().filter_map(|step| step.undo()).collect();
            let has_something = !undo.is_empty();
            self.undoes = Some((undo, says.clone()));
            if has_something {
                self.done = 0;
                self.next_is_new();
                return Follows::new(Next::Continue, &[], says);
            }
        }
        self.phase = Phase::Failed;
        Follows::new(Next::End, &[self.definition.failed()], says)
    }

    /// It has come to the end of its way, and so has the start that follows from it if that is done already.
    fn end_with(&mut self, follower_is_done: bool) -> Follows {
        let mut follows = self.end();
        if follower_is_done && follows.next == Next::Chain {
            follows.next = Next::End;
            follows.passes.push(State::Running);
        }
        follows
    }

    /// It has come to the end of its way.
    fn end(&mut self) -> Follows {
        if let Some((_, first)) = &self.undoes {
            self.phase = Phase::Failed;
            return Follows::new(Next::End, &[self.definition.failed()], first.clone());
        }
        self.phase = Phase::Done;
        let done = self.definition.done;
        if self.starts {
            return Follows::new(Next::Chain, &[done, State::Starting], vec![]);
        }
        Follows::new(Next::End, &[done], vec![])
    }
}
