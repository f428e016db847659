//! What waits for a flight.

use std::collections::{HashSet, VecDeque};

use drover_domain::{Fence, ResourceRef};
use tokio::sync::oneshot;

use crate::{Acquisition, LockError};

/// A lock that somebody wants.
pub(super) struct Take {
    pub(super) resource: ResourceRef,
    reply: oneshot::Sender<Result<Acquisition, LockError>>,
}

impl Take {
    pub(super) fn new(
        resource: ResourceRef,
        reply: oneshot::Sender<Result<Acquisition, LockError>>,
    ) -> Self {
        Self { resource, reply }
    }

    /// Answers whoever wants the lock. A guard that nobody waits for any more gives itself back.
    pub(super) fn answer(self, answer: Acquisition) {
        drop(self.reply.send(Ok(answer)));
    }

    /// Says that there is no telling.
    pub(super) fn fail(self) {
        drop(
            self.reply
                .send(Err(LockError::Unreachable { source: None })),
        );
    }
}

/// A lock that is to be given back.
pub(super) struct Release {
    pub(super) resource: ResourceRef,
    pub(super) which: Turn,
}

/// Which turn of a lock is to be given back: no other turn is touched, whoever has it.
pub(super) enum Turn {
    /// The turn of a guard.
    Of(Fence),
    /// The turn that a flight without an answer may have begun, by the value that it wrote.
    Doubtful(String),
}

/// What one flight carries.
#[derive(Default)]
pub(super) struct Load {
    pub(super) takes: Vec<Take>,
    pub(super) releases: Vec<Release>,
}

impl Load {
    pub(super) fn is_empty(&self) -> bool {
        self.takes.is_empty() && self.releases.is_empty()
    }

    fn size(&self) -> usize {
        self.takes.len() + self.releases.len()
    }

    fn resources(&self) -> impl Iterator<Item = ResourceRef> {
        let takes = self.takes.iter().map(|take| take.resource);
        let releases = self.releases.iter().map(|release| release.resource);
        takes.chain(releases)
    }
}

/// All that waits. A lock that is in a flight is *busy*: what else is wanted of it waits until that has
/// landed, so that a lock is given back before it is taken again.
#[derive(Default)]
pub(super) struct Queue {
    takes: VecDeque<Take>,
    releases: VecDeque<Release>,
    busy: HashSet<ResourceRef>,
}

impl Queue {
    pub(super) fn take(&mut self, takes: Vec<Take>) {
        self.takes.extend(takes);
    }

    pub(super) fn release(&mut self, release: Release) {
        self.releases.push_back(release);
    }

    /// How much waits, what is busy included.
    pub(super) fn size(&self) -> usize {
        self.takes.len() + self.releases.len()
    }

    /// Whether somebody waits for a lock.
    pub(super) fn has_takes(&self) -> bool {
        !self.takes.is_empty()
    }

    /// Loads a flight with what came first, releases before takes, at most `room` in all.
    pub(super) fn load(&mut self, room: usize) -> Load {
        let mut load = Load::default();
        let mut kept = VecDeque::new();
        while load.size() < room
            && let Some(release) = self.releases.pop_front()
        {
            if self.busy.insert(release.resource) {
                load.releases.push(release);
            } else {
                kept.push_back(release);
            }
        }
        kept.append(&mut self.releases);
        self.releases = kept;
        let mut kept = VecDeque::new();
        while load.size() < room
            && let Some(take) = self.takes.pop_front()
        {
            if take.reply.is_closed() {
                continue;
            }
            if self.busy.insert(take.resource) {
                load.takes.push(take);
            } else {
                kept.push_back(take);
            }
        }
        kept.append(&mut self.takes);
        self.takes = kept;
        load
    }

    /// Notes that the flight with this load has landed.
    pub(super) fn landed(&mut self, load: &Load) {
        for resource in load.resources() {
            self.busy.remove(&resource);
        }
    }

    /// Puts a load that was not carried out before everything else.
    pub(super) fn put_back(&mut self, load: Load) {
        for take in load.takes.into_iter().rev() {
            self.takes.push_front(take);
        }
        self.put_back_releases(load.releases);
    }

    /// Puts releases before everything else.
    pub(super) fn put_back_releases(&mut self, releases: Vec<Release>) {
        for release in releases.into_iter().rev() {
            self.releases.push_front(release);
        }
    }

    /// Fails all takes that wait.
    pub(super) fn fail_takes(&mut self) {
        self.takes.drain(..).for_each(Take::fail);
    }

    /// Forgets the releases of doubtful turns: the session that they belong to is over.
    pub(super) fn forget_doubtful(&mut self) {
        self.releases
            .retain(|release| matches!(release.which, Turn::Of(_)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use drover_domain::{ResourceId, ResourceType};
    use uuid::Uuid;

    type Answer = oneshot::Receiver<Result<Acquisition, LockError>>;

    fn resource(number: u128) -> ResourceRef {
        ResourceRef {
            resource_type: ResourceType::Container,
            id: ResourceId::new(Uuid::from_u128(number)),
        }
    }

    fn take(number: u128) -> (Take, Answer) {
        let (reply, answer) = oneshot::channel();
        (Take::new(resource(number), reply), answer)
    }

    fn release(number: u128) -> Release {
        Release {
            resource: resource(number),
            which: Turn::Of(Fence::NONE),
        }
    }

    #[test]
    fn a_lock_is_given_back_before_it_is_taken_again() {
        let mut queue = Queue::default();
        let (again, _answer) = take(1);
        queue.take(vec![again]);
        queue.release(release(1));
        let first = queue.load(10);
        assert_eq!((first.releases.len(), first.takes.len()), (1, 0));
        assert!(queue.load(10).is_empty());
        queue.landed(&first);
        assert_eq!(queue.load(10).takes.len(), 1);
    }

    #[test]
    fn a_flight_carries_no_more_than_there_is_room() {
        let mut queue = Queue::default();
        let (takes, answers): (Vec<_>, Vec<_>) = (0..8).map(take).unzip();
        queue.take(takes);
        (10..14).for_each(|number| queue.release(release(number)));
        let first = queue.load(6);
        assert_eq!((first.releases.len(), first.takes.len()), (4, 2));
        assert_eq!(queue.load(60).takes.len(), 6);
        drop(answers);
    }

    #[test]
    fn a_take_that_nobody_waits_for_any_more_is_not_carried() {
        let mut queue = Queue::default();
        let (abandoned, answer) = take(1);
        drop(answer);
        queue.take(vec![abandoned]);
        assert!(queue.load(10).is_empty());
    }

    #[test]
    fn a_load_that_is_put_back_keeps_its_order() {
        let mut queue = Queue::default();
        let (takes, _answers): (Vec<_>, Vec<_>) = (0..3).map(take).unzip();
        queue.take(takes);
        let load = queue.load(2);
        queue.landed(&load);
        queue.put_back(load);
        let order: Vec<_> = queue.load(10).resources().collect();
        assert_eq!(order, [resource(0), resource(1), resource(2)]);
    }
}
