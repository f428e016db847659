//! What may go wrong, and how often. Some seeds are calm, some are hell.

use std::time::Duration;

use crate::random::Random;

/// Where bugs are planted, to see that they are found. Nothing of it is in the code that is tested:
/// all of it is in the models of what surrounds that code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Planted {
    /// Agents carry out whatever comes, whatever its fence.
    pub agents_ignore_fences: bool,
    /// Hosts that are connected at the end stay so: none tells of everything once more.
    pub hosts_stay_connected: bool,
    /// Agents are started anew now and then, and forget the fences that they have seen.
    pub agents_restart: bool,
    /// The lock service gives the same fence each time.
    pub fences_never_grow: bool,
    /// The lock service gives a lock to everybody.
    pub locks_exclude_nobody: bool,
    /// Agents never tell what they see, and believe that they have.
    pub agents_report_nothing: bool,
}

/// Probabilities and bounds of everything that may go wrong.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Whether anything may go wrong at all.
    pub is_calm: bool,
    /// That an actor is paused at a gate, as by a swapping machine.
    pub stall: f64,
    /// How long it is paused at most.
    pub longest_stall: Duration,
    /// That a message is lost.
    pub drop: f64,
    /// That it arrives twice.
    pub repeat: f64,
    /// That it takes long.
    pub delay: f64,
    /// How long it takes then, at most.
    pub longest_delay: Duration,
    /// That the lock service does not answer.
    pub unreachable: f64,
    /// That the runtime of a host fails an action.
    pub failure: f64,
    /// How often something happens to a server, a session, a host or the bus, on average.
    pub misfortune_every: Duration,
}

impl Plan {
    /// Nothing goes wrong.
    pub const CALM: Self = Self {
        is_calm: true,
        stall: 0.0,
        longest_stall: Duration::ZERO,
        drop: 0.0,
        repeat: 0.0,
        delay: 0.0,
        longest_delay: Duration::ZERO,
        unreachable: 0.0,
        failure: 0.0,
        misfortune_every: Duration::from_secs(3_600),
    };

    /// The plan of a seed: one in eight is calm, the others are anything up to hell.
    pub fn of(random: &mut Random) -> Self {
        if random.happens(0.125) {
            return Self::CALM;
        }
        let intensity = random.fraction();
        // Some things never go wrong in a seed, so that others are seen alone.
        let mut up_to = |most: f64| match random.happens(0.25) {
            true => 0.0,
            false => most * intensity * (0.3 + 0.7 * random.fraction()),
        };
        Self {
            is_calm: false,
            stall: up_to(0.12),
            longest_stall: Duration::from_secs(1).mul_f64(1.0 + up_to(29.0)),
            drop: up_to(0.35),
            repeat: up_to(0.4),
            delay: up_to(0.6),
            longest_delay: Duration::from_secs(1).mul_f64(1.0 + up_to(39.0)),
            unreachable: up_to(0.12),
            failure: up_to(0.3),
            misfortune_every: Duration::from_millis(1_200).mul_f64(1.0 + 4.0 * (1.0 - intensity)),
        }
    }

    /// For how long an actor is paused at a gate; none if it is not.
    pub fn stall(&self, random: &mut Random) -> Option<Duration> {
        random
            .happens(self.stall)
            .then(|| random.between(Duration::ZERO, self.longest_stall))
    }

    /// When the copies of a message arrive, from now: none if it is lost, two if it is repeated.
    pub fn arrivals(&self, random: &mut Random) -> Vec<Duration> {
        if random.happens(self.drop) {
            return Vec::new();
        }
        let copies = if random.happens(self.repeat) { 2 } else { 1 };
        let usual = Duration::from_millis(20);
        (0..copies)
            .map(|_| match random.happens(self.delay) {
                true => random.between(usual, self.longest_delay),
                false => random.between(Duration::ZERO, usual),
            })
            .collect()
    }
}
