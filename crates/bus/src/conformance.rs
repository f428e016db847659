//! What every bus does, as facts that a test can hold against an implementation.
//!
//! Each fact is handed two clients of one bus that nobody else uses, and panics where the bus does
//! otherwise. [`every_bus_fact!`](crate::every_bus_fact) names them all, so that no implementation
//! can leave one out:
//!
//! ```ignore
//! macro_rules! hold {
//!     ($($fact:ident)*) => {$(
//!         #[tokio::test]
//!         async fn $fact() { /* make two clients */ conformance::$fact(&first, &second).await; }
//!     )*};
//! }
//! drover_bus::every_bus_fact!(hold);
//! ```

#![expect(
    clippy::expect_used,
    reason = "a fact that does not hold ends its test by a panic"
)]

use std::collections::HashSet;
use std::time::Duration;

use drover_domain::ResourceId;
use drover_proto::v1::Envelope;
use drover_proto::v1::envelope::Kind;
use futures::future::join_all;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::{BusError, EventBus, LARGEST_ENVELOPE, Subject, Subscribe, Subscription};

/// How long to wait for what must come.
const SOON: Duration = Duration::from_secs(10);

/// How long to look for what must not come.
const A_WHILE: Duration = Duration::from_millis(100);

/// Calls a macro with the names of all facts.
#[macro_export]
macro_rules! every_bus_fact {
    ($hold:ident) => {
        $hold! {
            what_is_published_reaches_everyone_who_subscribed
            a_queue_group_gives_each_envelope_to_one_member
            a_subscription_receives_only_what_its_pattern_covers
            envelopes_of_one_publisher_arrive_in_order
            a_dropped_subscription_receives_nothing
            a_request_gets_its_progress_and_then_its_reply
            a_request_that_nobody_hears_fails_at_once
            a_request_without_an_answer_times_out
            a_reply_that_comes_too_late_harms_nobody
            many_requests_at_once_get_answers_of_their_own
            what_is_no_request_cannot_be_answered
            an_envelope_that_is_too_large_is_refused
        }
    };
}

/// Fan-out: every subscription gets every envelope, whichever client made it.
pub async fn what_is_published_reaches_everyone_who_subscribed(
    first: &dyn EventBus,
    second: &dyn EventBus,
) {
    let mut subscriptions = Vec::new();
    for bus in [first, second, second] {
        subscriptions.push(subscribe(bus, Subscribe::changed()).await);
    }
    publish(first, &Subject::changed(), "1").await;
    publish(second, &Subject::changed(), "2").await;
    for subscription in &mut subscriptions {
        let seen = HashSet::from([next(subscription).await.id, next(subscription).await.id]);
        assert_eq!(seen, HashSet::from(["1".to_owned(), "2".to_owned()]));
    }
}

/// Queue group: each envelope goes to one member, and every member gets its part.
pub async fn a_queue_group_gives_each_envelope_to_one_member(
    first: &dyn EventBus,
    second: &dyn EventBus,
) {
    const ENVELOPES: usize = 100;
    let mut one = subscribe(first, Subscribe::host_reports()).await;
    let mut other = subscribe(second, Subscribe::host_reports()).await;
    let subject = Subject::host_report(host(1));
    for number in 0..ENVELOPES {
        publish(first, &subject, &number.to_string()).await;
    }
    let (mut to_one, mut to_other) = (Vec::new(), Vec::new());
    while to_one.len() + to_other.len() < ENVELOPES {
        tokio::select! {
            envelope = next(&mut one) => to_one.push(envelope.id),
            envelope = next(&mut other) => to_other.push(envelope.id),
        }
    }
    assert!(!to_one.is_empty() && !to_other.is_empty());
    let distinct: HashSet<_> = to_one.iter().chain(&to_other).collect();
    assert_eq!(distinct.len(), ENVELOPES);
    nothing_comes(&mut one).await;
    nothing_comes(&mut other).await;
}

/// Subjects are kept apart, and `*` stands for every host.
pub async fn a_subscription_receives_only_what_its_pattern_covers(
    first: &dyn EventBus,
    second: &dyn EventBus,
) {
    let mut commands = subscribe(second, Subscribe::host_commands(host(1))).await;
    let mut reports = subscribe(second, Subscribe::host_reports()).await;
    publish(first, &Subject::host_command(host(2)), "for another host").await;
    publish(first, &Subject::changed(), "for others").await;
    publish(first, &Subject::host_report(host(2)), "report").await;
    publish(first, &Subject::host_command(host(1)), "command").await;
    assert_eq!(next(&mut commands).await.id, "command");
    assert_eq!(next(&mut reports).await.id, "report");
    nothing_comes(&mut commands).await;
    nothing_comes(&mut reports).await;
}

/// Nothing overtakes on the way from one client to one subscription.
pub async fn envelopes_of_one_publisher_arrive_in_order(
    first: &dyn EventBus,
    second: &dyn EventBus,
) {
    let mut subscription = subscribe(second, Subscribe::changed()).await;
    for number in 0..500 {
        publish(first, &Subject::changed(), &number.to_string()).await;
    }
    for number in 0..500 {
        assert_eq!(next(&mut subscription).await.id, number.to_string());
    }
}

/// Whoever is gone is no listener any more.
pub async fn a_dropped_subscription_receives_nothing(first: &dyn EventBus, second: &dyn EventBus) {
    let subject = Subject::host_command(host(1));
    let subscription = subscribe(second, Subscribe::host_commands(host(1))).await;
    drop(subscription);
    let deadline = Instant::now() + SOON;
    loop {
        match request(first, &subject, "anyone?", A_WHILE).await {
            Err(BusError::NobodyListens(_)) => return,
            other => assert!(
                Instant::now() < deadline,
                "a dropped subscription still listens: {other:?}"
            ),
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// Progress arrives in order and before the reply that ends the request.
pub async fn a_request_gets_its_progress_and_then_its_reply(
    first: &dyn EventBus,
    second: &dyn EventBus,
) {
    let mut commands = subscribe(second, Subscribe::host_commands(host(1))).await;
    let (sender, mut progress) = mpsc::channel(16);
    let subject = Subject::host_command(host(1));
    let asking = first.request(&subject, envelope("pull"), SOON, Some(sender));
    let answering = async {
        let request = next(&mut commands).await;
        assert_eq!(
            (request.kind(), request.id.as_str()),
            (Kind::Request, "pull")
        );
        for (id, kind) in [
            ("10 %", Kind::Progress),
            ("90 %", Kind::Progress),
            ("done", Kind::Reply),
        ] {
            let answer = Envelope {
                kind: kind.into(),
                ..envelope(id)
            };
            let answered = second.answer(&request, answer).await;
            answered.expect("a request can be answered");
        }
    };
    let (reply, ()) = tokio::join!(asking, answering);
    assert_eq!(reply.expect("a reply").id, "done");
    let mut seen = Vec::new();
    while let Some(envelope) = progress.recv().await {
        seen.push(envelope.id);
    }
    assert_eq!(seen, ["10 %", "90 %"]);
}

/// There is no waiting for an answer that cannot come.
pub async fn a_request_that_nobody_hears_fails_at_once(first: &dyn EventBus, _: &dyn EventBus) {
    let subject = Subject::host_command(host(1));
    let started = Instant::now();
    let refused = request(first, &subject, "anyone?", SOON).await;
    assert!(
        matches!(&refused, Err(BusError::NobodyListens(heard)) if *heard == subject.as_str()),
        "{refused:?}"
    );
    assert!(started.elapsed() < SOON / 2);
}

/// A listener that says nothing keeps nobody longer than asked, even when it promises more.
pub async fn a_request_without_an_answer_times_out(first: &dyn EventBus, second: &dyn EventBus) {
    let mut commands = subscribe(second, Subscribe::host_commands(host(1))).await;
    let subject = Subject::host_command(host(1));
    let limit = Duration::from_millis(200);
    let started = Instant::now();
    let answering = async {
        let request = next(&mut commands).await;
        let more = Envelope {
            kind: Kind::Progress.into(),
            ..envelope("soon")
        };
        let announced = second.answer(&request, more).await;
        announced.expect("a request can be answered");
    };
    let (refused, ()) = tokio::join!(request(first, &subject, "hello", limit), answering);
    assert!(
        matches!(refused, Err(BusError::TimedOut(after)) if after == limit),
        "{refused:?}"
    );
    assert!(started.elapsed() >= limit);
}

/// An answer to a request that was given up is taken, and mistaken for no other.
pub async fn a_reply_that_comes_too_late_harms_nobody(first: &dyn EventBus, second: &dyn EventBus) {
    let mut commands = subscribe(second, Subscribe::host_commands(host(1))).await;
    let subject = Subject::host_command(host(1));
    let given_up = request(first, &subject, "early", A_WHILE).await;
    assert!(matches!(given_up, Err(BusError::TimedOut(_))));
    let answering = async {
        let early = next(&mut commands).await;
        let late = second.answer(&early, envelope("too late")).await;
        late.expect("a late answer is taken");
        let request = next(&mut commands).await;
        let answered = second.answer(&request, envelope("in time")).await;
        answered.expect("a request can be answered");
    };
    let (reply, ()) = tokio::join!(request(first, &subject, "again", SOON), answering);
    assert_eq!(reply.expect("a reply").id, "in time");
}

/// Answers find their requests, in whatever order they come.
pub async fn many_requests_at_once_get_answers_of_their_own(
    first: &dyn EventBus,
    second: &dyn EventBus,
) {
    const REQUESTS: usize = 50;
    let mut commands = subscribe(second, Subscribe::host_commands(host(1))).await;
    let subject = Subject::host_command(host(1));
    let asking = join_all((0..REQUESTS).map(|number| {
        let subject = &subject;
        async move {
            let reply = request(first, subject, &number.to_string(), SOON).await;
            assert_eq!(reply.expect("a reply").id, format!("answer to {number}"));
        }
    }));
    let answering = async {
        let mut requests = Vec::new();
        while requests.len() < REQUESTS {
            requests.push(next(&mut commands).await);
        }
        for request in requests.iter().rev() {
            let answer = envelope(&format!("answer to {}", request.id));
            let answered = second.answer(request, answer).await;
            answered.expect("a request can be answered");
        }
    };
    tokio::join!(asking, answering);
}

/// An event expects no answer.
pub async fn what_is_no_request_cannot_be_answered(first: &dyn EventBus, second: &dyn EventBus) {
    let mut subscription = subscribe(second, Subscribe::changed()).await;
    publish(first, &Subject::changed(), "event").await;
    let event = next(&mut subscription).await;
    let refused = second.answer(&event, envelope("thanks")).await;
    assert!(matches!(refused, Err(BusError::NotARequest)), "{refused:?}");
}

/// What cannot be carried is refused at the start, and what comes after it is carried.
pub async fn an_envelope_that_is_too_large_is_refused(first: &dyn EventBus, second: &dyn EventBus) {
    let mut subscription = subscribe(second, Subscribe::changed()).await;
    let huge = Envelope {
        payload: vec![0; LARGEST_ENVELOPE],
        ..envelope("huge")
    };
    let refused = first.publish(&Subject::changed(), huge).await;
    assert!(
        matches!(refused, Err(BusError::TooLarge { bytes }) if bytes > LARGEST_ENVELOPE),
        "{refused:?}"
    );
    let large = Envelope {
        payload: vec![0; LARGEST_ENVELOPE - 1024],
        ..envelope("large")
    };
    let taken = first.publish(&Subject::changed(), large).await;
    taken.expect("an envelope below the limit is taken");
    assert_eq!(next(&mut subscription).await.id, "large");
}

fn envelope(id: &str) -> Envelope {
    Envelope {
        id: id.to_owned(),
        ..Envelope::default()
    }
}

fn host(number: u8) -> ResourceId {
    let text = format!("00000000-0000-7000-8000-0000000000{number:02x}");
    text.parse().expect("this is an id")
}

async fn subscribe(bus: &dyn EventBus, to: Subscribe) -> Subscription {
    bus.subscribe(to)
        .await
        .expect("a bus that is up takes subscriptions")
}

async fn publish(bus: &dyn EventBus, subject: &Subject, id: &str) {
    let published = bus.publish(subject, envelope(id)).await;
    published.expect("a bus that is up takes envelopes");
}

async fn request(
    bus: &dyn EventBus,
    subject: &Subject,
    id: &str,
    limit: Duration,
) -> Result<Envelope, BusError> {
    bus.request(subject, envelope(id), limit, None).await
}

async fn next(subscription: &mut Subscription) -> Envelope {
    timeout(SOON, subscription.next())
        .await
        .expect("an envelope arrives in time")
        .expect("the subscription is open")
}

async fn nothing_comes(subscription: &mut Subscription) {
    let seen = timeout(A_WHILE, subscription.next()).await;
    assert!(seen.is_err(), "unexpected: {seen:?}");
}
