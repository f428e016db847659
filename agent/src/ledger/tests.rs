use drover_domain::{ResourceId, ResourceType};

use super::*;

fn resource(number: u128) -> ResourceRef {
    ResourceRef {
        resource_type: ResourceType::Container,
        id: ResourceId::new(uuid::Uuid::from_u128(number)),
    }
}

fn ledger() -> Ledger {
    Ledger::new(Limits {
        replies: 8,
        reply_age: Duration::from_secs(600),
        fences: 1_000,
        in_hand: 4,
        waiters: 2,
    })
}

fn waiter() -> (Waiter, mpsc::Receiver<v1::AgentFrame>) {
    mpsc::channel(8)
}

fn reply(id: &str) -> v1::Reply {
    v1::Reply {
        command_id: id.to_owned(),
        result: Some(v1::reply::Result::Pong(v1::Pong {})),
    }
}

fn admit(ledger: &Ledger, id: &str, resource: ResourceRef, fence: i64) -> Admission {
    let (waiter, _) = waiter();
    ledger.admit(
        id,
        resource,
        Fence::from_raw(fence),
        &waiter,
        Instant::now(),
    )
}

fn begin(ledger: &Ledger, id: &str, resource: ResourceRef, fence: i64) -> (Ticket, Place) {
    match admit(ledger, id, resource, fence) {
        Admission::Begin(ticket, place) => (ticket, place),
        other => panic!("{id} was not begun: {other:?}"),
    }
}

#[tokio::test]
async fn an_older_fence_is_refused_for_its_resource_only() {
    let ledger = ledger();
    drop(begin(&ledger, "a", resource(1), 7));
    match admit(&ledger, "b", resource(1), 6) {
        Admission::Stale(highest) => assert_eq!(highest.raw(), 7),
        other => panic!("{other:?}"),
    }
    drop(begin(&ledger, "c", resource(1), 7));
    drop(begin(&ledger, "d", resource(2), 1));
}

#[tokio::test]
async fn a_repeat_is_answered_from_memory() {
    let ledger = ledger();
    let (ticket, place) = begin(&ledger, "a", resource(1), 1);
    ticket.finish(&reply("a"), Instant::now());
    drop(place);
    match admit(&ledger, "a", resource(1), 1) {
        Admission::Remembered(remembered) => assert_eq!(*remembered, reply("a")),
        other => panic!("{other:?}"),
    }
    // Even if its fence has become stale in between, the fence speaks first.
    drop(begin(&ledger, "b", resource(1), 2));
    assert!(matches!(
        admit(&ledger, "a", resource(1), 1),
        Admission::Stale(_)
    ));
}

#[tokio::test]
async fn a_repeat_during_execution_gets_the_same_reply_on_its_own_connection() {
    let ledger = ledger();
    let (first, _first_frames) = waiter();
    let (second, _second_frames) = waiter();
    let now = Instant::now();
    let fence = Fence::from_raw(1);
    let Admission::Begin(ticket, _place) = ledger.admit("a", resource(1), fence, &first, now)
    else {
        panic!("not begun");
    };
    assert!(matches!(
        ledger.admit("a", resource(1), fence, &second, now),
        Admission::Joined
    ));
    let waiters = ticket.finish(&reply("a"), now);
    assert_eq!(waiters.len(), 2);
    assert!(waiters[0].same_channel(&first) && waiters[1].same_channel(&second));
}

#[tokio::test]
async fn commands_on_one_resource_take_turns_by_arrival_and_others_do_not_wait() {
    let ledger = ledger();
    let (_a, first) = begin(&ledger, "a", resource(1), 1);
    let (_b, second) = begin(&ledger, "b", resource(1), 1);
    let (_c, third) = begin(&ledger, "c", resource(1), 1);
    let (_d, elsewhere) = begin(&ledger, "d", resource(2), 1);
    assert!(matches!(elsewhere, Place::First(_)));

    let mut third = pinned(third.turn());
    let mut second = pinned(second.turn());
    let first = first.turn().await.unwrap();
    assert!(poll(&mut second).is_none() && poll(&mut third).is_none());
    drop(first);
    let second = poll(&mut second).expect("it is the second's turn");
    assert!(poll(&mut third).is_none());
    drop(second);
    assert!(poll(&mut third).is_some());
}

#[tokio::test]
async fn one_who_leaves_the_line_holds_up_nobody() {
    let ledger = ledger();
    let (_a, first) = begin(&ledger, "a", resource(1), 1);
    let (b, second) = begin(&ledger, "b", resource(1), 1);
    let (_c, third) = begin(&ledger, "c", resource(1), 1);
    drop((b, second));
    drop(first);
    assert!(third.turn().await.is_some());
    assert!(matches!(ledger.line_up(resource(1)), Place::First(_)));
    // Nor is what was never answered remembered: a repeat begins anew.
    drop(begin(&ledger, "b", resource(1), 1));
}

#[tokio::test]
async fn one_who_waited_while_a_newer_fence_came_by_learns_of_it() {
    let ledger = ledger();
    let (_a, first) = begin(&ledger, "a", resource(1), 5);
    let (_b, second) = begin(&ledger, "b", resource(1), 5);
    let (_c, _third) = begin(&ledger, "c", resource(1), 9);
    drop(first);
    let _turn = second.turn().await.unwrap();
    let outdated = ledger.outdated_by(resource(1), Fence::from_raw(5));
    assert_eq!(outdated, Some(Fence::from_raw(9)));
    assert_eq!(ledger.outdated_by(resource(1), Fence::from_raw(9)), None);
}

#[tokio::test]
async fn memory_is_bounded_by_number_and_by_age() {
    let ledger = ledger();
    let start = Instant::now();
    for number in 0..100_u32 {
        let (ticket, _place) = begin(&ledger, &number.to_string(), resource(number.into()), 1);
        ticket.finish(&reply("x"), start);
    }
    {
        let books = ledger.books();
        assert_eq!((books.entries.len(), books.finished.len()), (8, 8));
        assert_eq!((books.in_hand, books.lines.len()), (0, 0));
    }
    let (waiter, _frames) = waiter();
    let later = start + Duration::from_secs(601);
    let fence = Fence::from_raw(1);
    let admission = ledger.admit("99", resource(99), fence, &waiter, later);
    assert!(matches!(admission, Admission::Begin(..)));
    assert_eq!(ledger.books().finished.len(), 0);
}

#[tokio::test]
async fn beyond_the_limit_commands_are_not_admitted_until_others_end() {
    let ledger = ledger();
    let mut held: Vec<_> = (0..4)
        .map(|number| begin(&ledger, &number.to_string(), resource(number), 1))
        .collect();
    assert!(matches!(
        admit(&ledger, "one too many", resource(9), 1),
        Admission::Full
    ));
    held.pop();
    drop(begin(&ledger, "one too many", resource(9), 1));
}

fn pinned<F: Future>(future: F) -> std::pin::Pin<Box<F>> {
    Box::pin(future)
}

/// What a future has by now.
fn poll<T>(future: &mut (impl Future<Output = Option<T>> + Unpin)) -> Option<T> {
    use futures::FutureExt;
    future.now_or_never().flatten()
}
