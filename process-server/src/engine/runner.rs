//! The runner: drives one claimed process until it ends or waits.
//!
//! It trusts nothing that it read before a write: each write says which version and which fence it
//! builds on, and the answer says what to do.
//!
//! | answer | meaning | what the runner does |
//! | --- | --- | --- |
//! | committed | the rows are as we think | goes on |
//! | not ours | superseded, cancelled or taken over | stops; whoever ended the process goes on |
//! | version moved | somebody else wrote the resource | reads it again and runs the step again |
//! | no room | another container took the room | forgets what it knew of hosts and places anew |
//!
//! A lost lock stops the step under way at its next await. A database that is out of reach stops
//! the runner: the row is found by a sweep, and the step, which may run twice, runs again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use drover_bus::Announcer;
use drover_domain::engine::{Begin, Failure, Moment, Next, Outcome, advance, begin};
use drover_domain::lifecycle::{Policies, Step};
use drover_domain::write::{ProcessWrite, Written};
use drover_domain::{Fence, Phase, Process, Resource, ServerId, Timestamp};
use drover_locks::Guard;
use drover_store::clock::Clock;
use drover_store::{Claimed, Ready, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::caps::{Caps, Full};
use super::company::Company;
use crate::steps::{self, StepError, Surroundings};
use crate::{Chance, Interference, vitals};

/// How often a step is run again at once because what it had read was out of date, before it
/// counts as a failed try.
const AGAIN_AT_ONCE: u32 = 10;

/// Drives claimed processes.
pub(crate) struct Runner {
    pub(crate) server: ServerId,
    pub(crate) surroundings: Surroundings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Arc<dyn Chance>,
    pub(crate) announcer: Announcer,
    pub(crate) interference: Arc<dyn Interference>,
    pub(crate) caps: Arc<Caps>,
    pub(crate) company: Arc<Company>,
    pub(crate) lease: Duration,
    pub(crate) policies: Policies,
    /// Ends when the server is to stop: no further step is begun then.
    pub(crate) stopping: CancellationToken,
}

/// Why a runner stops before the process ends or waits.
enum Stop {
    /// The process belongs to somebody else, or to nobody.
    NotOurs,
    /// The database or the lock is out of reach.
    Interrupted,
}

impl Runner {
    /// Drives a process and what follows from it. If it waits for a short while only, tells for
    /// what and how long.
    pub(crate) async fn run(&self, claimed: Claimed, guard: Guard) -> Option<(Ready, Duration)> {
        let Claimed {
            mut process,
            mut resource,
            claims: mut unclaimed,
        } = claimed;
        let _at_work = vitals::at_work();
        let rested = loop {
            let span = tracing::info_span!(
                "process",
                process = %process.id,
                request = %process.request,
                resource = %process.resource,
            );
            let driving = self.drive((process, unclaimed.take()), resource, &guard);
            match driving.instrument(span).await {
                Ok((Next::Chain, Some(successor), changed)) => {
                    process = successor;
                    resource = changed;
                }
                Ok((_, rested, _)) => break rested?,
                Err(Stop::NotOurs | Stop::Interrupted) => return None,
            }
        };
        Some((Ready::of(&rested), self.clock.now().until(rested.run_after)))
    }

    /// Drives one process. Gives the process that is to be looked at next: the successor to chain
    /// to, or the process itself if it rests.
    ///
    /// One that was taken in mind comes with the fence of its row, and its first write claims it. Nobody hears
    /// of it before, since that write cannot wait for another.
    async fn drive(
        &self,
        (mut process, mut unclaimed): (Process, Option<Fence>),
        mut resource: Resource,
        guard: &Guard,
    ) -> Result<(Next, Option<Process>, Resource), Stop> {
        let mut again = 0;
        loop {
            if self.stopping.is_cancelled() {
                return self.hand_back(process, unclaimed).await;
            }
            let (mut write, next) = self.decide(&process, &resource, guard, again).await?;
            write.claims = unclaimed;
            if next == Next::Continue && write.can_wait() {
                process = write.process;
                continue;
            }
            if self.interference.dies_before(&write).await {
                return Err(Stop::Interrupted);
            }
            let write = Arc::new(write);
            match self.commit(&write).await? {
                Written::Committed if self.interference.dies_after(&write).await => {
                    return Err(Stop::Interrupted);
                }
                Written::Committed => {}
                Written::NotOurs => {
                    tracing::info!("the process was ended or taken over");
                    return Err(Stop::NotOurs);
                }
                Written::VersionMoved => {
                    again += 1;
                    (process, resource) = self.reload(&process).await?;
                    continue;
                }
                Written::NoRoom => {
                    again += 1;
                    self.surroundings.hosts.forget();
                    continue;
                }
            }
            again = 0;
            unclaimed = None;
            self.announce(&write, next).await;
            let ProcessWrite {
                process: written,
                resource: changed,
                successor,
                ..
            } = Arc::unwrap_or_clone(write);
            if let Some((changed, _)) = changed {
                resource = changed;
            }
            match next {
                Next::Continue => process = written,
                Next::Chain => return Ok((next, successor, resource)),
                Next::Rest => return Ok((next, Some(written), resource)),
                Next::End => return Ok((next, None, resource)),
            }
        }
    }

    /// Runs the next step and decides what follows from it.
    async fn decide(
        &self,
        process: &Process,
        resource: &Resource,
        guard: &Guard,
        again: u32,
    ) -> Result<(ProcessWrite, Next), Stop> {
        let began = self.clock.now();
        let step = match begin(process, resource, self.moment(began)) {
            Begin::Run(step) => step,
            Begin::Write(write, next) => return Ok((*write, next)),
        };
        let entry = match self.caps.enter(process, resource) {
            Ok(entry) => entry,
            Err(full) => {
                vitals::turn_waited(full.sharer);
                let outcome = wait_for_turn(full);
                let moment = self.moment(began);
                return Ok(advance(process, resource, step, outcome, moment));
            }
        };
        let asks = self.company.join(resource.host);
        let outcome = if again > AGAIN_AT_ONCE {
            Outcome::Retry(Failure::new(
                "what the step had read was out of date each time",
            ))
        } else {
            let running = Instant::now();
            let outcome = self.run_step(step, process, resource, guard).await?;
            vitals::step_ended(step, &outcome, running.elapsed());
            outcome
        };
        drop(entry);
        if let Outcome::Retry(failure) | Outcome::Fail(failure) = &outcome {
            tracing::info!(%step, reason = %failure, "step did not succeed");
        }
        let moment = self.moment(began);
        let decided = advance(process, resource, step, outcome, moment);
        asks.gather().await;
        Ok(decided)
    }

    async fn run_step(
        &self,
        step: Step,
        process: &Process,
        resource: &Resource,
        guard: &Guard,
    ) -> Result<Outcome, Stop> {
        let running = steps::run(
            step,
            process,
            resource,
            &self.surroundings,
            self.clock.now(),
        );
        let outcome = tokio::select! {
            // In this order, so that the same things happening lead to the same end.
            biased;
            () = guard.lost().cancelled() => {
                tracing::warn!(%step, "the lock was lost, the step is left");
                return Err(Stop::Interrupted);
            }
            outcome = running => outcome,
        };
        match outcome {
            Ok(outcome) => Ok(outcome),
            Err(StepError::Fenced) => {
                tracing::warn!(%step, "the agent has seen a higher fence than ours");
                Err(Stop::NotOurs)
            }
            Err(StepError::Store(error)) => Err(interrupted(&error)),
            Err(StepError::Malformed(error)) => Ok(Outcome::Retry(Failure::new(format!(
                "the agent's reply is unsound: {error}"
            )))),
        }
    }

    async fn commit(&self, write: &Arc<ProcessWrite>) -> Result<Written, Stop> {
        let committed = self.surroundings.store.commit(Arc::clone(write)).await;
        committed.map_err(|error| interrupted(&error))
    }

    async fn reload(&self, process: &Process) -> Result<(Process, Resource), Stop> {
        let store = &self.surroundings.store;
        let reference = process.resource;
        let resource = store
            .resource(reference.resource_type, reference.id)
            .await
            .map_err(|error| interrupted(&error))?;
        Ok((process.clone(), resource.ok_or(Stop::NotOurs)?))
    }

    /// Leaves a process to another server, at once.
    async fn hand_back(
        &self,
        mut process: Process,
        unclaimed: Option<Fence>,
    ) -> Result<(Next, Option<Process>, Resource), Stop> {
        process.phase = Phase::Queued;
        process.run_after = self.clock.now();
        let write = Arc::new(ProcessWrite {
            claims: unclaimed,
            ..ProcessWrite::of(process)
        });
        self.commit(&write).await?;
        let Process {
            id,
            resource,
            priority,
            ..
        } = write.process;
        self.announcer.ready(id, resource, priority).await;
        Err(Stop::NotOurs)
    }

    fn moment(&self, began: Timestamp) -> Moment<'_> {
        Moment {
            now: self.clock.now(),
            began,
            jitter: self.chance.fraction(),
            successor: self.chance.process_id(),
            lease: self.lease,
            policies: &self.policies,
        }
    }
}

fn wait_for_turn(full: Full) -> Outcome {
    let Full {
        sharer, at_work, ..
    } = full;
    Outcome::Wait {
        reason: format!("{sharer} has {at_work} processes at work already, which is its share"),
        delay: full.delay,
        waits_for: None,
        progress: None,
    }
}

fn interrupted(error: &StoreError) -> Stop {
    tracing::warn!(%error, source = ?std::error::Error::source(error), "the process is left as it is");
    Stop::Interrupted
}
