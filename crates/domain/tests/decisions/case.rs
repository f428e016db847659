//! Random stories: a process, its policies, and all that happens to it.

use std::time::Duration;

use drover_domain::lifecycle::{self, Adjustment, Policies, Request};
use drover_domain::process::{Cause, Priority, Process};
use drover_domain::resource::{
    AgentSpec, AgentStatus, ContainerSpec, ContainerStatus, Details, HostSpec, HostStatus,
    ImageSpec, ImageStatus, VolumeSpec, VolumeStatus,
};
use drover_domain::write::{Asked, Intent};
use drover_domain::{ProcessId, Resource, ResourceId, ResourceType, State, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::answer::{Answer, answers};

/// When every story begins.
pub(crate) const BEGINNING: Timestamp = Timestamp::from_millis(1_000_000);

/// A process and all that happens to it.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) resource_type: ResourceType,
    pub(crate) request: Request,
    origin: State,
    /// Whether a container is to be started once it is created.
    pub(crate) starts: bool,
    /// What the operator adjusts about this process, and about a start that follows from it.
    pub(crate) adjusted: Adjustment,
    pub(crate) start_adjusted: Adjustment,
    /// How much of its time a parent leaves to the process.
    time_left: Option<f64>,
    turns: Vec<Turn>,
    /// What every step answers once the turns are used up.
    stubborn: Answer,
}

/// One look of a server at the process.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    /// How long it takes until a server claims the process, if none owns it.
    pub(crate) before: Pause,
    /// How long the step runs.
    pub(crate) during: Pause,
    pub(crate) answer: Answer,
    pub(crate) fate: Fate,
    pub(crate) jitter: f64,
}

/// How much time passes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pause {
    Millis(u64),
    UntilDue,
    /// Until so many milliseconds after the moment at which the process gives up.
    UntilGivingUp(i64),
    UntilDeadline(i64),
}

/// What becomes of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Committed,
    /// The server dies, and the write is lost.
    DiesBefore,
    /// The server dies, and the write is there.
    DiesAfter,
    /// Somebody else wrote the resource since it was read.
    VersionMoved,
}

/// Any story of any process.
pub(crate) fn cases() -> impl Strategy<Value = Case> {
    let definitions: Vec<(ResourceType, Request)> = lifecycle::all()
        .flat_map(|lifecycle| {
            let type_of = lifecycle.resource_type;
            let processes = lifecycle.processes.iter();
            processes.map(move |definition| (type_of, definition.request))
        })
        .collect();
    let create = Just((ResourceType::Container, Request::Create));
    // Only a create is atomic, and one start follows from another process: more of these.
    let definition = prop_oneof![2 => select(definitions), 1 => create];
    let adjusted = (adjustments(), adjustments());
    let time_left = option::weighted(0.3, 0.0..=1.0);
    let story = (definition, any::<Index>(), any::<bool>(), adjusted);
    let story = (story, time_left, vec(turns(), 0..40), answers());
    story.prop_map(|(of, time_left, turns, stubborn)| {
        let ((resource_type, request), origin, starts, adjusted) = of;
        let lifecycle = lifecycle::of(resource_type);
        let mut origins = lifecycle.states();
        origins.retain(|state| lifecycle.decide(*state, request, true).is_ok());
        Case {
            resource_type,
            request,
            origin: *origin.get(&origins),
            starts,
            adjusted: adjusted.0,
            start_adjusted: adjusted.1,
            time_left,
            turns,
            stubborn,
        }
    })
}

fn adjustments() -> impl Strategy<Value = Adjustment> {
    let deadline = prop_oneof![1..100_u64, 1_000..60_000_u64, 60_000..7_200_000_u64];
    let waits = (0..5_000_u64, 0..90_000_u64);
    let priority = option::of(select(Priority::ALL));
    (
        option::of(deadline),
        option::of(1..14_u32),
        option::of(waits),
        priority,
    )
        .prop_map(|(deadline, attempts, waits, priority)| Adjustment {
            deadline: deadline.map(Duration::from_millis),
            attempts,
            backoff_first: waits.map(|(first, _)| Duration::from_millis(first)),
            backoff_longest: waits.map(|(first, more)| Duration::from_millis(first + more)),
            priority,
        })
}

fn turns() -> impl Strategy<Value = Turn> {
    let before = prop_oneof![
        20 => Just(Pause::UntilDue),
        20 => (0..50_u64).prop_map(Pause::Millis),
        4 => (0..60_000_u64).prop_map(Pause::Millis),
        1 => (-1..=1_i64).prop_map(Pause::UntilGivingUp),
        1 => (-1..=1_i64).prop_map(Pause::UntilDeadline),
    ];
    let during = prop_oneof![
        40 => (0..50_u64).prop_map(Pause::Millis),
        2 => (0..60_000_u64).prop_map(Pause::Millis),
        1 => (-1..=1_i64).prop_map(Pause::UntilGivingUp),
        1 => (-1..=1_i64).prop_map(Pause::UntilDeadline),
    ];
    let fate = prop_oneof![
        10 => Just(Fate::Committed),
        1 => Just(Fate::DiesBefore),
        1 => Just(Fate::DiesAfter),
        1 => Just(Fate::VersionMoved),
    ];
    (before, during, answers(), fate, 0.0..=1.0).prop_map(
        |(before, during, answer, fate, jitter)| Turn {
            before,
            during,
            answer,
            fate,
            jitter,
        },
    )
}

impl Case {
    /// The policies as the operator adjusted them.
    pub(crate) fn policies(&self) -> Policies {
        let mut policies = Policies::default();
        let name = format!("{}.{}", self.resource_type, self.request);
        policies.adjust(&name, self.adjusted).unwrap();
        if name != "container.start" {
            let follows = policies.adjust("container.start", self.start_adjusted);
            follows.unwrap();
        }
        policies
    }

    /// The rows that the API writes.
    pub(crate) fn intent(&self) -> Intent {
        let mut resource = Resource::new(
            resource_id(2),
            "web",
            self.origin,
            details(self.resource_type, self.starts),
            BEGINNING,
        );
        resource.version = 7;
        if self.origin == State::Removed {
            resource.removed = Some(BEGINNING);
        }
        let policies = self.policies();
        let asked = Asked {
            request: self.request,
            force: true,
            process: process_id(1),
            cause: Cause::default(),
            now: BEGINNING,
            policy: policies.of(self.resource_type, self.request),
        };
        let mut intent = Intent::to_change(resource, asked).unwrap();
        if let Some(part) = self.time_left {
            let Process {
                created, deadline, ..
            } = intent.process;
            intent.process.deadline = created.after(created.until(deadline).mul_f64(part));
            intent.process.parent = Some(process_id(77));
        }
        intent
    }

    /// What happens at a turn. The last answers are stubborn: always the same.
    pub(crate) fn turn(&self, number: usize) -> Turn {
        self.turns.get(number).cloned().unwrap_or_else(|| Turn {
            before: Pause::UntilDue,
            during: Pause::Millis(1),
            answer: match &self.stubborn {
                // Time must pass for it to end.
                Answer::Wait(delay, what) => Answer::Wait((*delay).max(MINUTE), *what),
                Answer::Partly(details, delay) => Answer::Partly(*details, (*delay).max(MINUTE)),
                other => other.clone(),
            },
            fate: Fate::Committed,
            jitter: 0.5,
        })
    }
}

const MINUTE: Duration = Duration::from_secs(60);

pub(crate) fn details(resource_type: ResourceType, start: bool) -> Details {
    match resource_type {
        ResourceType::Container => Details::Container {
            spec: Box::new(ContainerSpec {
                image: "x".into(),
                start,
                ..ContainerSpec::default()
            }),
            status: Box::new(ContainerStatus::default()),
        },
        ResourceType::Host => Details::Host {
            spec: HostSpec::of(resource_id(4)),
            status: Box::new(HostStatus::default()),
        },
        ResourceType::Agent => Details::Agent {
            spec: AgentSpec {
                host_id: resource_id(5),
            },
            status: AgentStatus::default(),
        },
        ResourceType::Volume => Details::Volume {
            spec: VolumeSpec::default(),
            status: VolumeStatus::default(),
        },
        ResourceType::Image => Details::Image {
            spec: ImageSpec::default(),
            status: ImageStatus::default(),
        },
        _ => {
            panic!("a {resource_type} has no processes")
        }
    }
}

/// Why the last intent for a resource failed.
pub(crate) fn error(resource: &Resource) -> Option<&str> {
    resource.details.error()
}

pub(crate) fn process_id(number: u128) -> ProcessId {
    ProcessId::new(uuid::Uuid::from_u128(number))
}

pub(crate) fn resource_id(number: u128) -> ResourceId {
    ResourceId::new(uuid::Uuid::from_u128(number))
}
