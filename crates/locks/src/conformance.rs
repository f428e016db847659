//! What every lock manager does, as facts that a test can hold against an implementation.
//!
//! Each fact is handed a [`Pair`]: two managers, as two servers would have them, on a lock service
//! that nobody else uses. It panics where they do otherwise. [`every_lock_fact!`](crate::every_lock_fact)
//! names all facts, so that no implementation can leave one out:
//!
//! ```ignore
//! macro_rules! hold {
//!     ($($fact:ident)*) => {$(
//!         #[tokio::test]
//!         async fn $fact() { conformance::$fact(&pair().await).await; }
//!     )*};
//! }
//! drover_locks::every_lock_fact!(hold);
//! ```

#![expect(
    clippy::expect_used,
    reason = "a fact that does not hold ends its test by a panic"
)]

use std::time::Duration;

use async_trait::async_trait;
use drover_domain::{Fence, ResourceRef, ResourceType};
use futures::future::join_all;
use futures::{FutureExt, pin_mut};
use tokio::time::{Instant, sleep, timeout};

use crate::{Acquisition, Guard, LockManager};

/// How long to wait for what must happen.
const SOON: Duration = Duration::from_secs(20);

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Two managers on one lock service.
#[async_trait]
pub trait Pair: Sync {
    /// The manager of the first server.
    fn first(&self) -> &dyn LockManager;

    /// The manager of the second server.
    fn second(&self) -> &dyn LockManager;

    /// Makes the lock service forget the session of the first server.
    async fn lose_first_session(&self);
}

/// Calls a macro with the names of all facts.
#[macro_export]
macro_rules! every_lock_fact {
    ($hold:ident) => {
        $hold! {
            a_lock_has_one_owner
            a_lock_that_is_asked_for_twice_is_held_the_second_time
            a_dropped_guard_frees_the_lock
            fences_grow_from_turn_to_turn
            many_at_once_have_outcomes_of_their_own
            who_asks_for_nothing_gets_nothing
            of_many_who_race_one_wins
            a_lost_session_loses_its_guards_and_frees_its_locks
            the_guard_of_a_lost_session_frees_nobody_elses_lock
            locks_that_nobody_waited_for_are_given_back
        }
    };
}

/// What one server has, no other gets; other locks are not concerned.
pub async fn a_lock_has_one_owner(pair: &dyn Pair) {
    let guard = acquired(pair.first(), container(1)).await;
    assert_eq!(guard.resource(), container(1));
    assert!(guard.fence() > Fence::NONE);
    assert!(!guard.lost().is_cancelled());
    assert!(is_held(pair.second(), container(1)).await);
    let _other = acquired(pair.second(), container(2)).await;
    let same_id = ResourceRef {
        resource_type: ResourceType::Host,
        ..container(1)
    };
    let _another = acquired(pair.second(), same_id).await;
}

/// Locks are not re-entrant: neither over two calls nor within one.
pub async fn a_lock_that_is_asked_for_twice_is_held_the_second_time(pair: &dyn Pair) {
    let _guard = acquired(pair.first(), container(1)).await;
    assert!(is_held(pair.first(), container(1)).await);
    let answers = acquire(pair.first(), &[container(2), container(2)]).await;
    assert!(
        matches!(answers[..], [Acquisition::Acquired(_), Acquisition::Held]),
        "{answers:?}"
    );
}

/// Giving back takes effect by itself, for others and for the same server.
pub async fn a_dropped_guard_frees_the_lock(pair: &dyn Pair) {
    drop(acquired(pair.first(), container(1)).await);
    drop(eventually(pair.second(), container(1)).await);
    let _again = eventually(pair.first(), container(1)).await;
}

/// Whoever has the lock now has a higher fence than everyone before.
pub async fn fences_grow_from_turn_to_turn(pair: &dyn Pair) {
    let mut last = Fence::NONE;
    for _ in 0..5 {
        for manager in [pair.first(), pair.second(), pair.second()] {
            let guard = eventually(manager, container(1)).await;
            assert!(guard.fence() > last, "{guard:?} after {last}");
            last = guard.fence();
        }
    }
}

/// One call for many locks tells of each, in the order of the question.
pub async fn many_at_once_have_outcomes_of_their_own(pair: &dyn Pair) {
    let every_third: Vec<_> = (0..200).step_by(3).map(container).collect();
    let _held = acquire(pair.first(), &every_third).await;
    let all: Vec<_> = (0..200).map(container).collect();
    let answers = acquire(pair.second(), &all).await;
    assert_eq!(answers.len(), all.len());
    for (number, answer) in answers.iter().enumerate() {
        match answer {
            Acquisition::Held => assert_eq!(number % 3, 0, "{number} is free"),
            Acquisition::Acquired(guard) => {
                assert_ne!(number % 3, 0, "{number} is held");
                assert_eq!(guard.resource(), all[number]);
            }
        }
    }
}

/// The empty question has the empty answer.
pub async fn who_asks_for_nothing_gets_nothing(pair: &dyn Pair) {
    assert!(acquire(pair.first(), &[]).await.is_empty());
}

/// However many ask at the same time, over both servers, one of them gets the lock.
pub async fn of_many_who_race_one_wins(pair: &dyn Pair) {
    for round in 0..10 {
        let racing = (0..20).map(|racer| {
            let manager = if racer % 2 == 0 {
                pair.first()
            } else {
                pair.second()
            };
            async move { acquire(manager, &[container(round), container(1_000 + racer)]).await }
        });
        let answers: Vec<_> = join_all(racing).await.into_iter().flatten().collect();
        let winners = answers
            .iter()
            .filter(|answer| {
                matches!(answer, Acquisition::Acquired(guard) if guard.resource() == container(round))
            })
            .count();
        assert_eq!(winners, 1);
        drop(answers);
        for racer in 0..20 {
            drop(eventually(pair.first(), container(1_000 + racer)).await);
        }
    }
}

/// Whoever loses the session is told, others get the locks with higher fences, and a new session
/// takes the place of the old one.
pub async fn a_lost_session_loses_its_guards_and_frees_its_locks(pair: &dyn Pair) {
    let one = acquired(pair.first(), container(1)).await;
    let two = acquired(pair.first(), container(2)).await;
    let unconcerned = acquired(pair.second(), container(3)).await;
    pair.lose_first_session().await;
    for guard in [&one, &two] {
        let told = timeout(SOON, guard.lost().cancelled()).await;
        told.expect("a guard of a lost session is lost");
    }
    let taken = eventually(pair.second(), container(1)).await;
    assert!(taken.fence() > one.fence());
    assert!(!taken.lost().is_cancelled());
    let renewed = eventually(pair.first(), container(2)).await;
    assert!(renewed.fence() > two.fence());
    assert!(!renewed.lost().is_cancelled());
    assert!(!unconcerned.lost().is_cancelled());
    assert!(pair.first().is_connected());
}

/// A guard that outlives its session gives nothing back: the lock is in its next turn.
pub async fn the_guard_of_a_lost_session_frees_nobody_elses_lock(pair: &dyn Pair) {
    let stale = acquired(pair.first(), container(1)).await;
    pair.lose_first_session().await;
    let _taken = eventually(pair.second(), container(1)).await;
    drop(stale);
    // What the first manager gives back is dealt with before this turn of another lock can begin.
    drop(eventually(pair.first(), container(2)).await);
    drop(eventually(pair.first(), container(2)).await);
    assert!(is_held(pair.first(), container(1)).await);
    assert!(is_held(pair.second(), container(1)).await);
}

/// A caller that goes away in the middle of asking leaves no lock behind.
pub async fn locks_that_nobody_waited_for_are_given_back(pair: &dyn Pair) {
    let wanted = [container(1), container(2)];
    {
        let asking = pair.first().acquire(&wanted);
        pin_mut!(asking);
        drop(asking.as_mut().now_or_never());
    }
    let _one = eventually(pair.second(), container(1)).await;
    let _two = eventually(pair.first(), container(2)).await;
}

/// The container of this number.
pub fn container(number: usize) -> ResourceRef {
    let text = format!("00000000-0000-7000-8000-{number:012x}");
    ResourceRef {
        resource_type: ResourceType::Container,
        id: text.parse().expect("this is an id"),
    }
}

/// Takes a lock that is free.
pub async fn acquired(manager: &dyn LockManager, resource: ResourceRef) -> Guard {
    match acquire(manager, &[resource]).await.pop() {
        Some(Acquisition::Acquired(guard)) => guard,
        other => panic!("{resource} is not ours: {other:?}"),
    }
}

/// Whether a lock is somebody else's.
pub async fn is_held(manager: &dyn LockManager, resource: ResourceRef) -> bool {
    let answers = acquire(manager, &[resource]).await;
    matches!(answers[..], [Acquisition::Held])
}

/// Takes a lock as soon as it is free, and as soon as the lock service answers.
pub async fn eventually(manager: &dyn LockManager, resource: ResourceRef) -> Guard {
    let deadline = Instant::now() + SOON;
    loop {
        let answer = manager.acquire(&[resource]).await;
        if let Ok(answers) = answer {
            for answer in answers {
                if let Acquisition::Acquired(guard) = answer {
                    return guard;
                }
            }
        }
        assert!(Instant::now() < deadline, "{resource} stays held");
        sleep(PAUSE).await;
    }
}

async fn acquire(manager: &dyn LockManager, resources: &[ResourceRef]) -> Vec<Acquisition> {
    let answers = manager.acquire(resources).await;
    answers.expect("a lock service that is up answers")
}
