//! What steps answer, at random.

use std::time::Duration;

use drover_domain::engine::{Changes, Failure, Outcome};
use drover_domain::lifecycle::{Backoff, Policy, Request};
use drover_domain::process::{Cause, Priority, WaitsFor};
use drover_domain::resource::{Capacity, Details};
use drover_domain::write::{Asked, Intent, ReservationChange};
use drover_domain::{Resource, ResourceType, State};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use crate::case::{BEGINNING, details, process_id, resource_id};

/// What a step answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Done {
        details: bool,
        host: Option<Option<u128>>,
        reservation: Option<bool>,
        follower_is_done: bool,
    },
    Wait(Duration, Option<WaitsFor>),
    /// Whether there is something new in the details, and when the rest is looked at.
    Partly(bool, Duration),
    /// The children's time in milliseconds, and how urgent they are by themselves.
    Delegate(Vec<(u64, Priority)>),
    Retry,
    Fail,
}

/// Any answer of any step.
pub(crate) fn answers() -> impl Strategy<Value = Answer> {
    let nothing = Answer::Done {
        details: false,
        host: None,
        reservation: None,
        follower_is_done: false,
    };
    let host = option::of(option::of(1..5_u128));
    let waits_for = prop_oneof![
        Just(None),
        Just(Some(WaitsFor::Room)),
        (1..5_u128).prop_map(|id| Some(WaitsFor::Host(resource_id(id)))),
    ];
    let children = vec((0..2_000_000_u64, select(Priority::ALL)), 0..3);
    prop_oneof![
        3 => Just(nothing),
        3 => (any::<bool>(), host, option::of(any::<bool>()), any::<bool>()).prop_map(
            |(details, host, reservation, follower_is_done)| {
                Answer::Done { details, host, reservation, follower_is_done }
            }
        ),
        2 => (0..7_200_000_u64, waits_for)
            .prop_map(|(delay, waits_for)| Answer::Wait(Duration::from_millis(delay), waits_for)),
        1 => (any::<bool>(), 0..600_000_u64)
            .prop_map(|(details, delay)| Answer::Partly(details, Duration::from_millis(delay))),
        1 => children.prop_map(Answer::Delegate),
        4 => Just(Answer::Retry),
        1 => Just(Answer::Fail),
    ]
}

impl Answer {
    /// The outcome, with words of its own.
    pub(crate) fn outcome(&self, words: &str, resource: &Resource) -> Outcome {
        match self {
            Self::Done {
                details,
                host,
                reservation,
                follower_is_done,
            } => Outcome::Done(Box::new(Changes {
                details: details.then(|| seen(resource, words)),
                host: host.map(|host| host.map(resource_id)),
                reservation: reservation.map(reservation_change),
                follower_is_done: *follower_is_done,
            })),
            Self::Wait(delay, waits_for) => Outcome::Wait {
                reason: words.to_owned(),
                delay: *delay,
                waits_for: *waits_for,
                progress: None,
            },
            Self::Partly(details, delay) => Outcome::Partly {
                changes: Box::new(Changes {
                    details: details.then(|| seen(resource, words)),
                    ..Changes::default()
                }),
                reason: words.to_owned(),
                delay: *delay,
                progress: None,
            },
            Self::Delegate(children) => Outcome::Delegate {
                reason: words.to_owned(),
                children: children
                    .iter()
                    .map(|(time, rank)| child(*time, *rank))
                    .collect(),
            },
            Self::Retry => Outcome::Retry(Failure::new(words)),
            Self::Fail => Outcome::Fail(Failure::new(words)),
        }
    }
}

fn reservation_change(is_taken: bool) -> ReservationChange {
    if !is_taken {
        return ReservationChange::Release;
    }
    ReservationChange::Take {
        host: resource_id(3),
        amount: Capacity::default(),
        ports: Vec::new(),
        apart: Vec::new(),
    }
}

/// A stop of another container.
fn child(time: u64, priority: Priority) -> Intent {
    let details = details(ResourceType::Container, false);
    let other = Resource::new(resource_id(9), "db", State::Running, details, BEGINNING);
    let asked = Asked {
        request: Request::Stop,
        force: false,
        process: process_id(50),
        cause: Cause::default(),
        now: BEGINNING,
        policy: Some(Policy {
            deadline: Duration::from_millis(time),
            undo_within: Duration::ZERO,
            attempts: 1,
            backoff: Backoff::USUAL,
            priority,
        }),
    };
    Intent::to_change(other, asked).unwrap()
}

/// The details with something new in them.
fn seen(resource: &Resource, words: &str) -> Details {
    let mut details = resource.details.clone();
    match &mut details {
        Details::Container { status, .. } => status.runtime_id = Some(words.to_owned()),
        Details::Host { status, .. } => status.facts.hostname = words.to_owned(),
        Details::Agent { status, .. } => status.agent_version = words.to_owned(),
        Details::Volume { status, .. } => status.runtime_id = Some(words.to_owned()),
        Details::Image { status, .. } => status.fetched += 1,
        _ => {}
    }
    details
}
