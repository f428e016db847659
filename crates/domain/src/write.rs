//! What the database is asked to make true, and under which guards.
//!
//! An [`Intent`] comes from the API: a resource that is new or moves to a transitional state,
//! and the process that will take it from there. A [`ProcessWrite`] comes from the owner of a
//! process: the process as it should stand, and the resource as it should stand with it. Both say
//! the rows whole; the guards say what must still be true of the rows that they replace:
//!
//! - the resource has the version that was read;
//! - the process still runs under the writer's fence.
//!
//! A write whose guards do not hold changes nothing.

use crate::lifecycle::{self, Policy, Refusal, Request};
use crate::process::{Cause, Process};
use crate::resource::{Capacity, Neighbours, Port, Version};
use crate::{Fence, Phase, ProcessId, Resource, ResourceId, State, Timestamp};

/// A state that a resource passed, for the change log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The state.
    pub state: State,
    /// The version at which it had it.
    pub version: Version,
}

/// What a client wants to be true from now on.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// The resource as it should stand.
    pub resource: Resource,
    /// The version that the resource must still have; none if it is new.
    pub expected: Option<Version>,
    /// The process that carries the intent out.
    pub process: Process,
    /// The states that the resource passes with this intent.
    pub passed: Vec<Passed>,
}

/// What an intent needs to know beside the resource.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// Whether it is forced.
    pub force: bool,
    /// The id for the process.
    pub process: ProcessId,
    /// Who asks.
    pub cause: Cause,
    /// The present moment.
    pub now: Timestamp,
    /// How long and how hard to try; none for what the lifecycle says.
    pub policy: Option<Policy>,
}

impl Intent {
    /// The intent that a new resource be made. The resource is in the initial state of its type.
    ///
    /// # Errors
    /// When the lifecycle does not allow the request in that state.
    pub fn to_create(resource: Resource, asked: Asked) -> Result<Self, Refusal> {
        let mut intent = Self::to_change(resource, asked)?;
        intent.expected = None;
        Ok(intent)
    }

    /// The intent that a resource which exists be changed. Whatever process is at work on it is
    /// superseded.
    ///
    /// # Errors
    /// When the lifecycle does not allow the request in the resource's state.
    pub fn to_change(mut resource: Resource, asked: Asked) -> Result<Self, Refusal> {
        let Asked {
            request,
            force,
            process,
            cause,
            now,
            policy,
        } = asked;
        let lifecycle = lifecycle::of(resource.resource_type());
        let transition = lifecycle.decide(resource.state, request, force)?;
        let definition = transition.definition;
        let policy = policy.unwrap_or(definition.policy);
        let expected = Some(resource.version);
        resource.details.ask(request);
        resource.state = definition.via;
        resource.version += 1;
        resource.updated = now;
        let process = Process {
            id: process,
            request,
            resource: resource.reference(),
            project: resource.project,
            phase: Phase::Queued,
            origin: transition.origin,
            force,
            journal: Vec::new(),
            run_after: now,
            deadline: now.after(policy.deadline),
            priority: policy.priority,
            fence: Fence::NONE,
            server: None,
            cause,
            parent: None,
            successor: None,
            failure: None,
            message: None,
            waits_for: None,
            created: now,
            started: None,
            finished: None,
        };
        let passed = vec![Passed {
            state: resource.state,
            version: resource.version,
        }];
        Ok(Self {
            resource,
            expected,
            process,
            passed,
        })
    }
}

/// A change of what is reserved on hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReservationChange {
    /// The container takes room on a host. Refused if the host has too little by now, or something that
    /// it does not stand beside.
    Take {
        /// The host.
        host: ResourceId,
        /// How much of it.
        amount: Capacity,
        /// Ports of the host; those without a number take nothing.
        ports: Vec<Port>,
        /// Containers of its project that must not be there.
        apart: Vec<Neighbours>,
    },
    /// The container gives back whatever it took.
    Release,
}

/// What the owner of a process wants to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct ProcessWrite {
    /// The process as it should stand. Its fence is the guard: a row that does not run under just
    /// this fence is not touched.
    pub process: Process,
    /// The fence under which the row was read, if this is the write that claims the process: the row must
    /// still wait for somebody, under just that fence.
    pub claims: Option<Fence>,
    /// The resource as it should stand, with the version that it must still have.
    pub resource: Option<(Resource, Version)>,
    /// What changes about reservations.
    pub reservation: Option<ReservationChange>,
    /// A process that follows from this one and is owned by the same server at once, or is over already.
    pub successor: Option<Process>,
    /// Processes of other resources that become children of this one. All of them or none: if one of
    /// the resources was written since it was read, nothing of the write happens.
    pub children: Vec<Intent>,
    /// The states that the resource passes with this write.
    pub passed: Vec<Passed>,
}

impl ProcessWrite {
    /// A write that says how the process stands and nothing else.
    pub fn of(process: Process) -> Self {
        Self {
            process,
            claims: None,
            resource: None,
            reservation: None,
            successor: None,
            children: Vec::new(),
            passed: Vec::new(),
        }
    }

    /// Whether it says nothing but that a step is finished which changed nothing. Such a write can
    /// be left to the next one: if that is lost, the step runs again and changes nothing again.
    ///
    /// Not so for a process that is atomic. It undoes what its row says that it began, and whoever
    /// takes it up from there must find each step that ran before the one that it fails of.
    pub fn can_wait(&self) -> bool {
        let definition = self.process.definition();
        self.process.phase == Phase::Running
            && self.claims.is_none()
            && !definition.is_some_and(|definition| definition.is_atomic)
            && self.resource.is_none()
            && self.reservation.is_none()
            && self.successor.is_none()
            && self.children.is_empty()
            // That it failed and undoes what it did must not be forgotten.
            && self.process.failure.is_none()
    }
}

/// What became of a [`ProcessWrite`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was committed.
    Committed,
    /// The process is not ours any more: another server claimed it, or it was ended.
    NotOurs,
    /// The resource was written by somebody else: read it again and decide anew.
    VersionMoved,
    /// The host has no room left for the reservation.
    NoRoom,
}
