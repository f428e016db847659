//! The last changes, in pages, for all who watch. Pure: no clock, no waiting.
//!
//! Pages have numbers that grow by one. A watcher that has joined knows the number of the page that
//! it wants next, and is behind once that page has been dropped.

use std::collections::VecDeque;
use std::sync::Arc;

use drover_store::Position;

use super::page::Page;

/// The last changes.
pub(super) struct Ring {
    pages: VecDeque<Arc<Page>>,
    /// The number of the first page.
    first: u64,
    held: usize,
    capacity: usize,
    reach: Option<Reach>,
}

/// What of the log is in the ring: all that lies after `start` and up to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) start: Position,
    pub(super) end: Position,
}

/// What a watcher finds at the number of a page.
pub(super) enum Found {
    /// The page.
    Page(Arc<Page>),
    /// It has not been read yet.
    NotYet,
    /// It was dropped.
    Behind,
}

impl Ring {
    /// A ring that reaches nowhere yet.
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            pages: VecDeque::new(),
            first: 0,
            held: 0,
            capacity,
            reach: None,
        }
    }

    /// Begins with what comes after a position.
    pub(super) fn begin(&mut self, start: Position) {
        self.reach = Some(Reach { start, end: start });
    }

    pub(super) fn reach(&self) -> Option<Reach> {
        self.reach
    }

    /// The number that the next page will have.
    pub(super) fn next(&self) -> u64 {
        self.first + self.pages.len() as u64
    }

    /// Adds the page that comes next in the log, and drops what is too much.
    pub(super) fn push(&mut self, page: Page) {
        let Some(reach) = &mut self.reach else {
            return;
        };
        reach.end = page.end();
        self.held += page.changes.len();
        self.pages.push_back(Arc::new(page));
        while self.held > self.capacity && self.pages.len() > 1 {
            let Some(dropped) = self.pages.pop_front() else {
                break;
            };
            self.first += 1;
            self.held -= dropped.changes.len();
            reach.start = dropped.end();
        }
    }

    /// The number of the page at which whoever has seen everything up to a position goes on; none if
    /// the ring does not reach back to it.
    pub(super) fn place_after(&self, position: Position) -> Option<u64> {
        if position < self.reach?.start {
            return None;
        }
        let seen = self.pages.partition_point(|page| page.end() <= position);
        Some(self.first + seen as u64)
    }

    /// The page of a number.
    pub(super) fn page(&self, number: u64) -> Found {
        let Some(index) = number.checked_sub(self.first) else {
            return Found::Behind;
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        self.pages
            .get(index)
            .map_or(Found::NotYet, |page| Found::Page(Arc::clone(page)))
    }
}

#[cfg(test)]
mod tests {
    use drover_domain::{ResourceId, ResourceRef, ResourceType, State, Timestamp};
    use drover_store::Change;
    use uuid::Uuid;

    use super::*;

    fn at(text: &str) -> Position {
        text.parse().unwrap()
    }

    fn page(positions: &[&str]) -> Page {
        let change = |position: &&str| Change {
            position: at(position),
            resource: ResourceRef {
                resource_type: ResourceType::Container,
                id: ResourceId::new(Uuid::nil()),
            },
            project: None,
            state: State::Running,
            version: 1,
            at: Timestamp::from_millis(0),
            labels: Default::default(),
            labels_before: None,
        };
        Page::new(positions.iter().map(change).collect())
    }

    #[test]
    fn whoever_joins_goes_on_after_what_was_seen_and_nowhere_that_the_ring_does_not_reach() {
        let mut ring = Ring::new(3);
        assert_eq!(ring.place_after(at("5-1")), None, "it has not begun");
        ring.begin(at("4-9"));
        assert_eq!(ring.place_after(at("4-8")), None);
        assert_eq!(ring.place_after(at("4-9")), Some(0));
        ring.push(page(&["5-1", "5-2"]));
        ring.push(page(&["6-3"]));
        assert_eq!(ring.place_after(at("4-9")), Some(0));
        assert_eq!(ring.place_after(at("5-1")), Some(0), "half of a page");
        assert_eq!(ring.place_after(at("5-2")), Some(1));
        assert_eq!(ring.place_after(at("9-9")), Some(2));

        ring.push(page(&["7-4"]));
        assert_eq!(ring.place_after(at("5-1")), None);
        assert_eq!(ring.place_after(at("5-2")), Some(1));
        assert!(matches!(ring.page(0), Found::Behind));
        assert!(matches!(ring.page(1), Found::Page(_)));
        assert!(matches!(ring.page(3), Found::NotYet));
        let reach = ring.reach().unwrap();
        assert_eq!((reach.start, reach.end), (at("5-2"), at("7-4")));
    }

    #[test]
    fn a_page_that_is_larger_than_the_ring_is_kept_until_the_next() {
        let mut ring = Ring::new(2);
        ring.begin(at("0"));
        ring.push(page(&["1-1", "1-2", "1-3"]));
        assert_eq!(ring.place_after(at("0")), Some(0));
        ring.push(page(&["2-4"]));
        assert_eq!(ring.place_after(at("0")), None);
        assert_eq!(ring.place_after(at("1-3")), Some(1));
    }
}
