//! Fetching an image before it is needed: which hosts are asked next, and what follows from their answers.
//!
//! ```text
//!   hosts, in the order of their ids
//!   a a a a a a a | b b b b b b b b | c c c c c c c c c c
//!     have had     whose turn it is  whose turn will come
//!     their turn   (WINDOW at most)
//!                                   ^ cursor
//! ```
//!
//! A host has its turn until it has the image, or has failed for good: by its answer, or by having failed as
//! often as the policy of the process allows. Whichever is done makes room for the next, so that one that is
//! slow or gone takes a place of the window for a bounded time and holds up nobody else. All of that stands
//! in the status of the image, and is written together with how the process stands: whoever takes it up goes
//! on.

use std::time::Duration;

use crate::engine::backoff;
use crate::lifecycle::Policy;
use crate::resource::{AskedHost, HostFailure, ImageStatus};
use crate::{ResourceId, Timestamp};

/// The most hosts that are asked at the same time.
pub const WINDOW: usize = 16;
/// Failures that are told of; of more they are counted only.
const TOLD: usize = 10;

/// What a host said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It has the image.
    Fetched,
    /// It is at it, and knows how far or not.
    AtIt(Option<u8>),
    /// It has failed, and may not another time.
    Failed(String),
    /// It will never do it.
    Refused(String),
}

/// How hard and when a host is tried again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// How often, and how long to wait in between.
    pub policy: Policy,
    /// The present moment.
    pub now: Timestamp,
    /// At random, from 0 to 1.
    pub jitter: f64,
}

impl ImageStatus {
    /// Gives hosts their turn as long as there is room. `targets` are all that shall have the image, by id.
    pub fn admit(&mut self, targets: &[ResourceId]) {
        let had = |target: &ResourceId| self.cursor.is_some_and(|cursor| *target <= cursor);
        let next = targets.partition_point(had);
        let to_come = &targets[next..];
        let room = WINDOW.saturating_sub(self.asked.len());
        let admitted = &to_come[..room.min(to_come.len())];
        // Hosts come and go meanwhile: what counts is who had a turn, has it or will have it.
        let known = self.fetched + self.failed;
        let open = self.asked.len() + to_come.len();
        self.hosts = known.saturating_add(u32::try_from(open).unwrap_or(u32::MAX));
        self.cursor = admitted.last().copied().or(self.cursor);
        self.asked.extend(admitted.iter().map(|host| AskedHost {
            host_id: *host,
            tries: 0,
            again: None,
        }));
    }

    /// The hosts to ask at a moment, with how often each has failed.
    pub fn due(&self, now: Timestamp) -> Vec<(ResourceId, u32)> {
        let is_due = |asked: &&AskedHost| asked.again.is_none_or(|again| again <= now);
        let due = self.asked.iter().filter(is_due);
        due.map(|asked| (asked.host_id, asked.tries)).collect()
    }

    /// Takes in what a host said.
    pub fn hear(&mut self, host: ResourceId, heard: Heard, patience: Patience) {
        let Some(index) = self.asked.iter().position(|asked| asked.host_id == host) else {
            return;
        };
        let Patience {
            policy,
            now,
            jitter,
        } = patience;
        match heard {
            Heard::AtIt(_) => {}
            Heard::Fetched => {
                self.asked.remove(index);
                self.fetched += 1;
            }
            Heard::Failed(_) if self.asked[index].tries + 1 < policy.attempts => {
                let asked = &mut self.asked[index];
                asked.tries += 1;
                asked.again = Some(now.after(backoff(policy.backoff, asked.tries, jitter)));
            }
            Heard::Failed(reason) | Heard::Refused(reason) => {
                self.asked.remove(index);
                self.failed += 1;
                if self.failures.len() < TOLD {
                    self.failures.push(HostFailure {
                        host_id: host,
                        reason,
                    });
                }
            }
        }
    }

    /// Whether every host has had its turn.
    pub fn is_over(&self) -> bool {
        self.asked.is_empty() && self.fetched + self.failed >= self.hosts
    }

    /// How much of all is done, in percent, where some of those that are at it know how far they are.
    pub fn percent(&self, at_it: impl IntoIterator<Item = u8>) -> Option<u8> {
        let done = u64::from(self.fetched + self.failed) * 100;
        let partly: u64 = at_it.into_iter().map(u64::from).sum();
        let percent = (done + partly).checked_div(u64::from(self.hosts))?;
        u8::try_from(percent).ok().map(|percent| percent.min(99))
    }

    /// How long until somebody is to be asked: at once if there is room for the next, `look` if some are at
    /// it.
    pub fn rest(&self, now: Timestamp, look: Duration) -> Duration {
        let has_turns = u32::try_from(self.asked.len()).unwrap_or(u32::MAX);
        let to_come = self.hosts > self.fetched + self.failed + has_turns;
        if self.asked.is_empty() || (to_come && self.asked.len() < WINDOW) {
            return Duration::ZERO;
        }
        let waits = self.asked.iter().map(|asked| match asked.again {
            Some(again) if again > now => now.until(again),
            _ => look,
        });
        waits.min().unwrap_or(look)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;
    use crate::lifecycle::Backoff;

    const SECOND: Duration = Duration::from_secs(1);

    fn host(number: u128) -> ResourceId {
        ResourceId::new(Uuid::from_u128(number))
    }

    fn hosts(count: u128) -> Vec<ResourceId> {
        (1..=count).map(host).collect()
    }

    fn patience(now: i64) -> Patience {
        Patience {
            policy: Policy {
                attempts: 3,
                backoff: Backoff {
                    first: SECOND,
                    longest: SECOND * 8,
                },
                ..Policy::USUAL
            },
            now: Timestamp::from_millis(now),
            jitter: 1.0,
        }
    }

    fn asked(status: &ImageStatus, now: i64) -> Vec<ResourceId> {
        let due = status.due(Timestamp::from_millis(now)).into_iter();
        due.map(|(host, _)| host).collect()
    }

    #[test]
    fn each_host_has_one_turn_in_the_order_of_the_ids_and_no_more_at_once_than_the_window() {
        let (all, mut status, mut served) = (hosts(100), ImageStatus::default(), Vec::new());
        while !status.is_over() || status.hosts == 0 {
            status.admit(&all);
            assert_eq!(status.hosts, 100);
            let due = asked(&status, 0);
            assert!(due.len() <= WINDOW);
            // All but one of them are done at each look.
            for host in due.iter().skip(usize::from(due.len() > 1)) {
                status.hear(*host, Heard::Fetched, patience(0));
                served.push(*host);
            }
        }
        assert_eq!((status.fetched, status.failed), (100, 0));
        let distinct: BTreeSet<_> = served.iter().copied().collect();
        assert_eq!(distinct.into_iter().collect::<Vec<_>>(), all);
        assert_eq!(served.len(), 100);
    }

    #[test]
    fn a_host_that_fails_is_tried_a_bounded_number_of_times_and_holds_up_nobody() {
        let (all, mut status) = (hosts(40), ImageStatus::default());
        let bad = host(2);
        let mut now = 0;
        for _ in 0..10 {
            status.admit(&all);
            for host in asked(&status, now) {
                let heard = match host == bad {
                    true => Heard::Failed("away".to_owned()),
                    false => Heard::Fetched,
                };
                status.hear(host, heard, patience(now));
            }
            let rest = status.rest(Timestamp::from_millis(now), SECOND);
            now += i64::try_from(rest.as_millis()).unwrap();
        }
        assert!(status.is_over());
        assert_eq!((status.hosts, status.fetched, status.failed), (40, 39, 1));
        assert_eq!(status.failures[0].host_id, bad);
        // After a second and after two more.
        assert_eq!(now, 3_000);
    }

    #[test]
    fn what_is_refused_is_not_tried_again_and_the_first_failures_are_told() {
        let (all, mut status) = (hosts(16), ImageStatus::default());
        status.admit(&all);
        for host in asked(&status, 0) {
            status.hear(
                host,
                Heard::Refused("no such image".to_owned()),
                patience(0),
            );
        }
        assert_eq!((status.failed, status.failures.len()), (16, TOLD));
        assert!(status.is_over());
    }

    #[test]
    fn hosts_that_go_before_their_turn_are_not_counted_and_new_ones_are() {
        let mut status = ImageStatus::default();
        status.admit(&hosts(20));
        assert_eq!(status.hosts, 20);
        status.admit(&hosts(17));
        assert_eq!(status.hosts, 17);
        status.admit(&hosts(30));
        assert_eq!(status.hosts, 30);
        assert_eq!(status.asked.len(), WINDOW);
    }

    #[test]
    fn how_far_it_is_counts_those_that_are_at_it_in_part() {
        let mut status = ImageStatus::default();
        assert_eq!(status.percent([]), None);
        status.admit(&hosts(4));
        assert_eq!(status.percent([50, 50]), Some(25));
        status.hear(host(1), Heard::Fetched, patience(0));
        status.hear(host(2), Heard::AtIt(Some(10)), patience(0));
        assert_eq!(status.percent([10]), Some(27));
        assert_eq!(status.rest(Timestamp::from_millis(0), SECOND), SECOND);
    }
}
