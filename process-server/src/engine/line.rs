//! The line: offers that wait for the dispatcher, the most urgent first.
//!
//! Within a class the oldest comes first. Of every [`ROUND`] places one goes to the least urgent
//! that waits, so that what is not urgent comes too, however much is. A process stands in the line
//! once: the sweep may offer it again and again while it waits.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use drover_domain::ProcessId;
use drover_domain::process::Priority;

use super::offers::Offer;

/// One place of so many goes to the least urgent.
const ROUND: u32 = 8;
/// The most that stand in the line. What does not fit is found again by the sweep.
const LONGEST: usize = 16_384;

/// Offers that wait.
#[derive(Default)]
pub(crate) struct Line {
    classes: [VecDeque<ProcessId>; Priority::ALL.len()],
    standing: HashMap<ProcessId, Offer>,
    served: u32,
}

impl Line {
    /// Puts an offer at the end of its class, or at the beginning if it was called: it has waited before. One
    /// that stands in the line already is called where it stands; one that does not fit any more is dropped.
    pub(crate) fn join(&mut self, offer: Offer) {
        if self.is_full() && !self.standing.contains_key(&offer.ready.process) {
            return;
        }
        match offer.is_called {
            true => self.put_back(offer),
            false => self.stand(offer, VecDeque::push_back),
        }
    }

    /// Puts an offer back to where it came from.
    pub(crate) fn put_back(&mut self, offer: Offer) {
        self.stand(offer, VecDeque::push_front);
    }

    fn stand(&mut self, offer: Offer, put: fn(&mut VecDeque<ProcessId>, ProcessId)) {
        let process = offer.ready.process;
        match self.standing.entry(process) {
            Entry::Occupied(mut standing) => standing.get_mut().take_in(offer),
            Entry::Vacant(place) => {
                place.insert(offer);
                put(self.class(offer), process);
            }
        }
    }

    /// Takes the offer whose turn it is.
    pub(crate) fn next(&mut self) -> Option<Offer> {
        self.served = (self.served + 1) % ROUND;
        let has_some = |class: &&mut VecDeque<ProcessId>| !class.is_empty();
        let class = match self.served {
            0 => self.classes.iter_mut().rev().find(has_some),
            _ => self.classes.iter_mut().find(has_some),
        };
        let process = class?.pop_front()?;
        self.standing.remove(&process)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.standing.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.standing.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.standing.len() >= LONGEST
    }

    fn class(&mut self, offer: Offer) -> &mut VecDeque<ProcessId> {
        match offer.ready.priority {
            Priority::Urgent => &mut self.classes[0],
            Priority::Normal => &mut self.classes[1],
            Priority::Background => &mut self.classes[2],
        }
    }
}

#[cfg(test)]
mod tests {
    use drover_domain::{ResourceId, ResourceRef, ResourceType};
    use drover_store::Ready;
    use uuid::Uuid;

    use super::*;

    fn offer(number: u128, priority: Priority) -> Offer {
        Offer {
            ready: Ready {
                process: ProcessId::new(Uuid::from_u128(number)),
                resource: ResourceRef {
                    resource_type: ResourceType::Container,
                    id: ResourceId::new(Uuid::from_u128(number)),
                },
                priority,
            },
            put_off: 0,
            is_called: false,
        }
    }

    #[test]
    fn the_most_urgent_comes_first_and_within_a_class_the_oldest() {
        let mut line = Line::default();
        line.join(offer(1, Priority::Background));
        line.join(offer(2, Priority::Normal));
        line.join(offer(3, Priority::Normal));
        line.join(offer(4, Priority::Urgent));
        let served = std::iter::from_fn(|| line.next());
        let served: Vec<u128> = served
            .map(|offer| offer.ready.process.uuid().as_u128())
            .collect();
        assert_eq!(served, [4, 2, 3, 1]);
        assert!(line.is_empty());
    }

    #[test]
    fn what_is_not_urgent_comes_too_however_much_is() {
        let mut line = Line::default();
        line.join(offer(0, Priority::Background));
        for number in 1..1_000 {
            line.join(offer(number, Priority::Urgent));
        }
        let served: Vec<Priority> = (0..ROUND)
            .filter_map(|_| line.next())
            .map(|offer| offer.ready.priority)
            .collect();
        assert!(served.contains(&Priority::Background));
    }

    #[test]
    fn a_process_stands_in_the_line_once() {
        let mut line = Line::default();
        for _ in 0..5 {
            line.join(offer(1, Priority::Normal));
        }
        assert!(line.next().is_some());
        assert!(line.next().is_none());
        line.join(offer(1, Priority::Normal));
        assert!(
            line.next().is_some(),
            "once it was served it may join again"
        );
    }

    #[test]
    fn who_is_called_comes_before_those_who_have_not_waited() {
        let mut line = Line::default();
        line.join(offer(1, Priority::Normal));
        line.join(Offer {
            is_called: true,
            ..offer(2, Priority::Normal)
        });
        let first = line.next().unwrap();
        assert_eq!(first.ready.process.uuid().as_u128(), 2);
    }

    #[test]
    fn who_is_called_while_it_stands_in_the_line_is_called_all_the_same() {
        let called = Offer {
            is_called: true,
            ..offer(1, Priority::Normal)
        };
        for again in [called, offer(1, Priority::Normal)] {
            let mut line = Line::default();
            line.join(offer(1, Priority::Normal));
            line.join(called);
            line.put_back(again);
            assert!(line.next().unwrap().is_called);
            assert!(line.next().is_none());
        }
    }

    #[test]
    fn the_line_has_an_end() {
        let mut line = Line::default();
        for number in 0..LONGEST as u128 + 10 {
            line.join(offer(number, Priority::Normal));
        }
        assert!(line.is_full());
        assert_eq!(line.standing.len(), LONGEST);
    }
}
