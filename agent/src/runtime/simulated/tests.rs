use drover_proto::v1::{Port, seen_container::State};

use super::*;

fn id(number: u128) -> ResourceId {
    ResourceId::new(uuid::Uuid::from_u128(number))
}

fn wanted(labels: &[(&str, &str)]) -> CreateContainer {
    CreateContainer {
        labels: labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..CreateContainer::default()
    }
}

fn with_port(host_port: u32) -> CreateContainer {
    CreateContainer {
        ports: vec![Port {
            host_port,
            container_port: 80,
            protocol: "tcp".into(),
            ..Port::default()
        }],
        ..CreateContainer::default()
    }
}

#[tokio::test]
async fn each_action_done_twice_has_one_effect() {
    let runtime = SimulatedRuntime::new();
    let one = id(1);
    let created = runtime.create(one, &with_port(0)).await.unwrap();
    assert_eq!(created.state(), State::Created);
    assert_eq!(runtime.create(one, &with_port(0)).await.unwrap(), created);
    let running = runtime.start(one).await.unwrap();
    assert_eq!(running.state(), State::Running);
    assert_ne!(running.bound_ports[0].host_port, 0);
    assert_eq!(runtime.start(one).await.unwrap(), running);
    let stopped = runtime.stop(one, Duration::ZERO).await.unwrap();
    assert_eq!(stopped.state(), State::Exited);
    assert_eq!(runtime.stop(one, Duration::ZERO).await.unwrap(), stopped);
    assert_eq!(runtime.list().await.unwrap(), [stopped]);
    let removed = runtime.remove(one).await.unwrap();
    assert_eq!(removed.state(), State::Missing);
    assert_eq!(runtime.remove(one).await.unwrap(), removed);
    assert!(runtime.list().await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_to_be_started_is_when_it_is_made_and_not_once_more() {
    let runtime = SimulatedRuntime::new();
    let started = |labels: &[(&str, &str)]| CreateContainer {
        start: true,
        ..wanted(labels)
    };
    let made = runtime.create(id(1), &started(&[])).await.unwrap();
    assert_eq!(made.state(), State::Running);
    let ended = runtime.stop(id(1), Duration::ZERO).await.unwrap();
    assert_eq!(runtime.create(id(1), &started(&[])).await.unwrap(), ended);

    for label in [
        ("sim.fail", "start"),
        ("sim.delay", "1ms"),
        ("sim.disconnect", "start"),
    ] {
        let one = id(2);
        let made = runtime.create(one, &started(&[label])).await.unwrap();
        assert_eq!(made.state(), State::Created, "{label:?} is about starts");
        runtime.remove(one).await.unwrap();
    }
}

#[tokio::test]
async fn a_start_that_does_not_work_leaves_what_was_made() {
    let runtime = SimulatedRuntime::new();
    runtime.create(id(1), &with_port(80)).await.unwrap();
    runtime.start(id(1)).await.unwrap();
    let second = CreateContainer {
        start: true,
        ..with_port(80)
    };
    let made = runtime.create(id(2), &second).await.unwrap();
    assert_eq!(made.state(), State::Created);
    assert!(matches!(
        runtime.start(id(2)).await,
        Err(RuntimeError::Runtime(_))
    ));
}

#[tokio::test]
async fn what_is_not_there_cannot_be_started_but_need_not_be_stopped() {
    let runtime = SimulatedRuntime::new();
    assert!(matches!(
        runtime.start(id(1)).await,
        Err(RuntimeError::NotFound(_))
    ));
    let stopped = runtime.stop(id(1), Duration::ZERO).await.unwrap();
    assert_eq!(stopped.state(), State::Missing);
}

#[tokio::test]
async fn two_containers_cannot_hold_one_port() {
    let runtime = SimulatedRuntime::new();
    for number in 1..=2 {
        runtime.create(id(number), &with_port(8080)).await.unwrap();
    }
    runtime.start(id(1)).await.unwrap();
    assert!(matches!(
        runtime.start(id(2)).await,
        Err(RuntimeError::Runtime(words)) if words.contains("8080")
    ));
    runtime.stop(id(1), Duration::ZERO).await.unwrap();
    runtime.start(id(2)).await.unwrap();
}

#[tokio::test]
async fn an_action_fails_as_often_as_its_label_says() {
    let runtime = SimulatedRuntime::new();
    let twice = wanted(&[("sim.fail", "create:2")]);
    assert!(runtime.create(id(1), &twice).await.is_err());
    assert!(runtime.create(id(1), &twice).await.is_err());
    assert!(runtime.create(id(1), &twice).await.is_ok());
    let always = wanted(&[("sim.fail", "remove")]);
    runtime.create(id(2), &always).await.unwrap();
    for _ in 0..5 {
        assert!(matches!(
            runtime.remove(id(2)).await,
            Err(RuntimeError::Runtime(_))
        ));
    }
}

#[tokio::test]
async fn an_action_takes_as_long_as_its_label_says() {
    let runtime = SimulatedRuntime::new();
    let before = tokio::time::Instant::now();
    let slow = wanted(&[("sim.delay", "30ms")]);
    runtime.create(id(1), &slow).await.unwrap();
    runtime.start(id(1)).await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(60));
}

#[tokio::test]
async fn a_container_ends_by_itself_and_its_watchers_are_told() {
    let runtime = SimulatedRuntime::new();
    let mut events = runtime.watch();
    let brief = wanted(&[("sim.exit-after", "30ms"), ("sim.exit-code", "3")]);
    runtime.create(id(1), &brief).await.unwrap();
    runtime.start(id(1)).await.unwrap();
    assert_eq!(events.next().await, Some(RuntimeEvent::Began(id(1))));
    let event = tokio::time::timeout(Duration::from_secs(10), events.next()).await;
    assert_eq!(event.unwrap(), Some(RuntimeEvent::Ended(id(1))));
    let ended = runtime.inspect(id(1)).await.unwrap();
    assert_eq!((ended.state(), ended.exit_code), (State::Exited, Some(3)));
}

#[test]
fn the_end_of_one_run_does_not_end_the_next() {
    let mut machine = Machine::default();
    machine.create(id(1), &wanted(&[]), Script::default(), None);
    let first = machine.start(id(1)).unwrap().unwrap();
    machine.stop(id(1));
    let second = machine.start(id(1)).unwrap().unwrap();
    assert!(!machine.end_run(id(1), first.run));
    assert_eq!(machine.seen(id(1)).state(), State::Running);
    assert!(machine.end_run(id(1), second.run));
}

#[tokio::test]
async fn a_watcher_that_fell_behind_learns_that_it_missed_something() {
    let runtime = SimulatedRuntime::new();
    let mut events = runtime.watch();
    for number in 0..2_000 {
        runtime.create(id(number), &wanted(&[])).await.unwrap();
        runtime.remove(id(number)).await.unwrap();
    }
    assert_eq!(events.next().await, Some(RuntimeEvent::Gap));
}

#[tokio::test]
async fn the_connection_breaks_once_the_action_is_carried_out_and_as_often_as_told() {
    let runtime = SimulatedRuntime::new();
    let brief = wanted(&[("sim.disconnect", "start:2")]);
    runtime.create(id(1), &brief).await.unwrap();
    for is_cut in [true, true, false] {
        // In this order, so that the cut is waited for when the action makes it.
        let (cut, started) = tokio::join!(
            tokio::time::timeout(Duration::from_millis(50), runtime.cut()),
            runtime.start(id(1)),
        );
        assert_eq!(started.unwrap().state(), State::Running);
        assert_eq!(cut.is_ok(), is_cut);
        runtime.stop(id(1), Duration::ZERO).await.unwrap();
    }
}
