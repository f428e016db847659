//! The bus over a real NATS server does what every bus does, and comes through the server's outages.

#![expect(
    clippy::unwrap_used,
    reason = "what a test cannot set up ends it by a panic"
)]

use std::time::Duration;

use anyhow::{anyhow, ensure};
use drover_bus::{
    BusError, EventBus, NatsBus, NatsOptions, Subject, Subscribe, Subscription, conformance,
};
use drover_proto::v1::Envelope;
use drover_scenarios::nats::Nats;
use drover_scenarios::until::until;
use tokio::time::{Instant, timeout};

const SOON: Duration = Duration::from_secs(15);

/// What a caller of the API does not notice.
const AT_ONCE: Duration = Duration::from_millis(500);

macro_rules! hold {
    ($($fact:ident)*) => {$(
        #[tokio::test]
        async fn $fact() {
            let nats = Nats::start().await.unwrap();
            let (first, second) = (connect(&nats).await, connect(&nats).await);
            conformance::$fact(&first, &second).await;
        }
    )*};
}

drover_bus::every_bus_fact!(hold);

async fn connect(nats: &Nats) -> NatsBus {
    let options = NatsOptions {
        servers: vec![nats.url()],
        name: "test".to_owned(),
        ..NatsOptions::default()
    };
    NatsBus::connect(options).await.unwrap()
}

fn envelope(id: &str) -> Envelope {
    Envelope {
        id: id.to_owned(),
        ..Envelope::default()
    }
}

async fn until_connected(bus: &NatsBus, expected: bool) {
    until("the state of the connection", SOON, || async move {
        ensure!(bus.is_connected() == expected, "it is {}", !expected);
        Ok(())
    })
    .await
    .unwrap();
}

/// Publishes until the subscription hears of it: another client's subscription is not known to be
/// back at once.
async fn until_heard(publisher: &NatsBus, subscription: &mut Subscription, id: &str) {
    let deadline = Instant::now() + SOON;
    loop {
        drop(publisher.publish(&Subject::changed(), envelope(id)).await);
        match timeout(Duration::from_millis(100), subscription.next()).await {
            Ok(Some(heard)) if heard.id == id => return,
            Ok(None) => panic!("the subscription has ended"),
            other => assert!(Instant::now() < deadline, "not heard; last seen: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_bus_that_is_connected_while_nats_is_down_comes_up_with_it() {
    let mut nats = Nats::start().await.unwrap();
    nats.stop().await.unwrap();
    let started = Instant::now();
    let bus = connect(&nats).await;
    let mut subscription = bus.subscribe(Subscribe::changed()).await.unwrap();
    assert!(!bus.is_connected());
    assert!(started.elapsed() < Duration::from_secs(5));
    nats.start_again().await.unwrap();
    until_connected(&bus, true).await;
    until_heard(&bus, &mut subscription, "hello").await;
}

#[tokio::test]
async fn subscriptions_and_requests_outlive_a_restart_with_an_empty_store() {
    let mut nats = Nats::start().await.unwrap();
    let (bus, publisher) = (connect(&nats).await, connect(&nats).await);
    let mut subscription = bus.subscribe(Subscribe::changed()).await.unwrap();
    nats.start_empty().await.unwrap();
    until_connected(&bus, true).await;
    until_connected(&publisher, true).await;
    until_heard(&publisher, &mut subscription, "after").await;
    let asking = until("an answer", SOON, || async {
        let subject = Subject::changed();
        let asked = publisher.request(&subject, envelope("ask"), AT_ONCE, None);
        asked.await.map_err(|error| anyhow!(error))
    });
    let answering = async {
        while let Some(request) = subscription.next().await {
            // What is left of the publishing above is no request.
            if bus.answer(&request, envelope("answer")).await.is_ok() {
                break;
            }
        }
    };
    let (answer, ()) = tokio::join!(asking, answering);
    assert_eq!(answer.unwrap().id, "answer");
}

#[tokio::test]
async fn while_nats_is_down_publishing_and_asking_fail_at_once() {
    let mut nats = Nats::start().await.unwrap();
    let bus = connect(&nats).await;
    nats.process().kill_hard().unwrap();
    until_connected(&bus, false).await;
    for _ in 0..5_000 {
        let started = Instant::now();
        let refused = bus.publish(&Subject::changed(), envelope("lost")).await;
        assert!(matches!(refused, Err(BusError::Disconnected { .. })));
        assert!(started.elapsed() < AT_ONCE);
    }
    let started = Instant::now();
    let refused = bus
        .request(&Subject::changed(), envelope("anyone?"), SOON, None)
        .await;
    assert!(matches!(refused, Err(BusError::Disconnected { .. })));
    assert!(started.elapsed() < AT_ONCE);
}

#[tokio::test]
async fn a_request_that_is_under_way_ends_when_nats_goes() {
    let mut nats = Nats::start().await.unwrap();
    let (bus, agent) = (connect(&nats).await, connect(&nats).await);
    let mut commands = agent.subscribe(Subscribe::changed()).await.unwrap();
    let subject = Subject::changed();
    let asking = bus.request(&subject, envelope("work"), SOON * 10, None);
    let stopping = async {
        commands.next().await.unwrap();
        nats.process().kill_hard().unwrap();
    };
    let (refused, ()) = timeout(SOON, async { tokio::join!(asking, stopping) })
        .await
        .unwrap();
    assert!(matches!(refused, Err(BusError::Disconnected { .. })));
}

#[tokio::test]
async fn a_nats_that_stands_still_holds_up_no_publisher_for_long() {
    let mut nats = Nats::start().await.unwrap();
    let bus = connect(&nats).await;
    nats.process().pause().unwrap();
    let filling = async {
        let large = Envelope {
            payload: vec![0; 16 * 1024],
            ..envelope("large")
        };
        loop {
            let started = Instant::now();
            let published = bus.publish(&Subject::changed(), large.clone()).await;
            assert!(started.elapsed() < AT_ONCE);
            if let Err(refused) = published {
                return refused;
            }
        }
    };
    let refused = timeout(SOON, filling).await.unwrap();
    assert!(matches!(refused, BusError::Disconnected { .. }));
    nats.process().resume().unwrap();
}

#[tokio::test]
async fn a_bus_that_is_dropped_leaves_no_connection_behind() {
    let nats = Nats::start().await.unwrap();
    let (kept, dropped) = (connect(&nats).await, connect(&nats).await);
    let subject = Subject::changed();
    let subscription = dropped.subscribe(Subscribe::changed()).await.unwrap();
    drop((dropped, subscription));
    until("nobody listens", SOON, || async {
        let asked = kept.request(&subject, envelope("anyone?"), AT_ONCE, None);
        match asked.await {
            Err(BusError::NobodyListens(_)) => Ok(()),
            other => Err(anyhow!("{other:?}")),
        }
    })
    .await
    .unwrap();
}
