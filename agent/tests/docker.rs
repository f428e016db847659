//! The Docker runtime against a real engine, at `DOCKER_HOST` or the default socket, with the image
//! `drover/hello`. `DROVER_TEST_WITHOUT_DOCKER` skips these tests, and says so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "all of this file is a test"
)]

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse};
use bollard::query_parameters::{CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder};
use drover_agent::runtime::docker::{DEFAULT_HOST, DockerRuntime};
use drover_agent::runtime::{Runtime, RuntimeError, RuntimeEvent};
use drover_domain::ResourceId;
use drover_domain::resource::Probe;
use drover_proto::v1::{
    CommandProbe, CreateContainer, HealthCheck, Port, SeenContainer, health_check,
    seen_container::State,
};
use futures::StreamExt;
use uuid::Uuid;

const HELLO: &str = "drover/hello";

/// An agent of this test's own on the shared engine. Its containers go when it goes.
struct Bench {
    runtime: DockerRuntime,
    docker: Docker,
    made: Vec<ResourceId>,
}

impl Bench {
    /// `None` if the tests are to do without Docker.
    async fn new() -> Option<Self> {
        if std::env::var_os("DROVER_TEST_WITHOUT_DOCKER").is_some() {
            eprintln!("SKIPPED: DROVER_TEST_WITHOUT_DOCKER is set, so Docker is not tested");
            return None;
        }
        let host = std::env::var_os("DOCKER_HOST").map_or_else(
            || DEFAULT_HOST.to_owned(),
            |host| host.into_string().unwrap(),
        );
        let docker =
            Docker::connect_with_host(&host).expect("no engine: scripts/docker-engine start");
        let image = docker.inspect_image(HELLO).await;
        image.expect("no image drover/hello: scripts/build-hello-image");
        let runtime = DockerRuntime::new(host).unwrap();
        runtime.bind(new_id());
        Some(Self {
            runtime,
            docker,
            made: Vec::new(),
        })
    }

    fn id(&mut self) -> ResourceId {
        let id = new_id();
        self.made.push(id);
        id
    }

    async fn inspect(&self, id: ResourceId) -> ContainerInspectResponse {
        let name = format!("drover-{id}");
        self.docker.inspect_container(&name, None).await.unwrap()
    }

    async fn clean(self) {
        for id in &self.made {
            let removed = self.runtime.remove(*id).await.unwrap();
            assert_eq!(removed.state(), State::Missing);
        }
        assert!(
            self.runtime.list().await.unwrap().is_empty(),
            "containers are left behind"
        );
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A test that failed cleans up here; one that passed has done so already.
        if std::thread::panicking() && !self.made.is_empty() {
            let names = self.made.iter().map(|id| format!("drover-{id}"));
            let removed = std::process::Command::new("docker")
                .args(["rm", "--force", "--volumes"])
                .args(names)
                .output();
            drop(removed);
        }
    }
}

fn new_id() -> ResourceId {
    ResourceId::new(Uuid::now_v7())
}

fn wanted(command: &[&str]) -> CreateContainer {
    CreateContainer {
        name: "web-1".into(),
        project_id: new_id().to_string(),
        image: HELLO.into(),
        command: command.iter().map(|&part| part.to_owned()).collect(),
        network: "none".into(),
        ..CreateContainer::default()
    }
}

fn sleeping() -> CreateContainer {
    wanted(&["sleep", "600"])
}

#[tokio::test]
async fn each_action_done_twice_has_one_effect() {
    let Some(mut bench) = Bench::new().await else {
        return;
    };
    let id = bench.id();
    let runtime = bench.runtime.clone();
    let created = runtime.create(id, &sleeping()).await.unwrap();
    assert_eq!(created.state(), State::Created);
    assert_eq!(created.container_id, id.to_string());
    assert_eq!(runtime.create(id, &sleeping()).await.unwrap(), created);

    let running = runtime.start(id).await.unwrap();
    assert_eq!(running.state(), State::Running);
    let began = bench.inspect(id).await.state.unwrap().started_at;
    assert_eq!(runtime.start(id).await.unwrap(), running);
    assert_eq!(bench.inspect(id).await.state.unwrap().started_at, began);
    assert_eq!(
        runtime.list().await.unwrap(),
        std::slice::from_ref(&running)
    );

    let stopped = runtime.stop(id, Duration::ZERO).await.unwrap();
    assert_eq!(
        (stopped.state(), stopped.exit_code),
        (State::Exited, Some(137))
    );
    assert_eq!(runtime.stop(id, Duration::ZERO).await.unwrap(), stopped);
    // How long it ran is not told by a list.
    let listed = SeenContainer {
        ran_millis: None,
        ..stopped
    };
    assert_eq!(runtime.list().await.unwrap(), [listed]);

    let removed = runtime.remove(id).await.unwrap();
    assert_eq!(removed.state(), State::Missing);
    assert_eq!(runtime.remove(id).await.unwrap(), removed);
    assert_eq!(runtime.inspect(id).await.unwrap(), removed);
    assert_eq!(runtime.stop(id, Duration::ZERO).await.unwrap(), removed);
    assert!(matches!(
        runtime.start(id).await,
        Err(RuntimeError::NotFound(_))
    ));
    bench.clean().await;
}

#[tokio::test]
async fn a_container_is_made_as_it_was_asked_for() {
    let Some(mut bench) = Bench::new().await else {
        return;
    };
    let id = bench.id();
    let asked = CreateContainer {
        entrypoint: vec!["sh".into(), "-c".into()],
        environment: HashMap::from([("A".into(), "b=c d".into())]),
        labels: HashMap::from([("team".into(), "x".into())]),
        working_dir: "/tmp".into(),
        user: "65534".into(),
        memory_mib: 64,
        cpu_millis: 500,
        ..wanted(&["echo $A; sleep 600"])
    };
    bench.runtime.create(id, &asked).await.unwrap();
    let made = bench.inspect(id).await;
    let config = made.config.unwrap();
    assert_eq!(config.entrypoint.unwrap(), ["sh", "-c"]);
    assert_eq!(config.cmd.unwrap(), ["echo $A; sleep 600"]);
    assert!(config.env.unwrap().contains(&"A=b=c d".to_owned()));
    assert_eq!(config.working_dir.as_deref(), Some("/tmp"));
    assert_eq!(config.user.as_deref(), Some("65534"));
    assert_eq!(config.hostname.as_deref(), Some("web-1"));
    let labels = config.labels.unwrap();
    assert_eq!(labels["team"], "x");
    assert_eq!(labels["drover.container.id"], id.to_string());
    assert_eq!(labels["drover.project.id"], asked.project_id);
    let limits = made.host_config.unwrap();
    assert_eq!(
        (limits.memory, limits.nano_cpus),
        (Some(64 << 20), Some(500_000_000))
    );
    bench.clean().await;
}

#[tokio::test]
async fn ports_that_were_left_open_are_chosen_and_told() {
    let Some(mut bench) = Bench::new().await else {
        return;
    };
    let id = bench.id();
    let asked = CreateContainer {
        network: "bridge".into(),
        ports: vec![Port {
            host_ip: "127.0.0.1".into(),
            host_port: 0,
            container_port: 80,
            protocol: "tcp".into(),
        }],
        ..sleeping()
    };
    bench.runtime.create(id, &asked).await.unwrap();
    let running = bench.runtime.start(id).await.unwrap();
    assert!(
        !running.address.is_empty(),
        "a container on the bridge has an address"
    );
    let [bound] = &running.bound_ports[..] else {
        panic!("one port is bound, not {:?}", running.bound_ports);
    };
    assert!(bound.host_port > 0);
    assert_eq!(
        (bound.host_ip.as_str(), bound.container_port),
        ("127.0.0.1", 80)
    );
    assert_eq!(
        bench.runtime.list().await.unwrap(),
        std::slice::from_ref(&running)
    );

    // A second container that asks for the very same port is told why it cannot have it.
    let second = bench.id();
    let mut same = asked.clone();
    same.ports[0].host_port = bound.host_port;
    bench.runtime.create(second, &same).await.unwrap();
    match bench.runtime.start(second).await {
        Err(RuntimeError::Runtime(words)) => assert!(words.contains("port"), "{words}"),
        other => panic!("the port was taken, but: {other:?}"),
    }
    bench.clean().await;
}

#[tokio::test]
async fn an_image_that_is_nowhere_is_missing_in_dockers_words() {
    let Some(mut bench) = Bench::new().await else {
        return;
    };
    let id = bench.id();
    let asked = CreateContainer {
        image: "127.0.0.1:1/drover/absent".into(),
        ..sleeping()
    };
    match bench.runtime.create(id, &asked).await {
        Err(RuntimeError::ImageMissing(words)) => {
            assert!(words.contains("127.0.0.1:1"), "{words}");
        }
        other => panic!("{other:?}"),
    }
    let nonsense = CreateContainer {
        image: "Not An Image".into(),
        ..sleeping()
    };
    let refused = bench.runtime.create(id, &nonsense).await;
    assert!(
        matches!(refused, Err(RuntimeError::Refused(_))),
        "{refused:?}"
    );
    bench.clean().await;
}

#[tokio::test]
async fn what_is_to_be_started_is_when_it_is_made_and_not_once_more() {
    let Some(mut bench) = Bench::new().await else {
        return;
    };
    let id = bench.id();
    let runtime = bench.runtime.clone();
    let started = |wanted: CreateContainer| CreateContainer {
        start: true,
        ..wanted
    };
    let running = runtime.create(id, &started(sleeping())).await.unwrap();
    assert_eq!(running.state(), State::Running);
    assert_eq!(runtime.start(id).await.unwrap(), running);
    let ended = runtime.stop(id, Duration::ZERO).await.unwrap();
    let again = runtime.create(id, &started(sleeping())).await.unwrap();
    assert_eq!(again, ended, "it has run");

    // Whose start does not work is made, and the start alone says why.
    let id = bench.id();
    let hopeless = started(wanted(&["no-such-command"]));
    let made = runtime.create(id, &hopeless).await.unwrap();
    assert_eq!(made.state(), State::Created);
    let refused = runtime.start(id).await;
    assert!(
        matches!(refused, Err(RuntimeError::Refused(_))),
        "{refused:?}"
    );
    bench.clean().await;
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_refused_for_good() {
    let Some(mut bench) = Bench::new().await else {
        return;
    };
    for command in ["no-such-command", "/no/such/file", "/etc"] {
        let id = bench.id();
        bench.runtime.create(id, &wanted(&[command])).await.unwrap();
        match bench.runtime.start(id).await {
            Err(RuntimeError::Refused(words)) => assert!(words.contains(command), "{words}"),
            other => panic!("{command}: {other:?}"),
        }
        let seen = bench.runtime.inspect(id).await.unwrap();
        assert_ne!(seen.state(), State::Running);
    }
    bench.clean().await;
}

#[tokio::test]
async fn a_container_that_ends_or_vanishes_is_seen_within_five_seconds() {
    let Some(mut bench) = Bench::new().await else {
        return;
    };
    let mut events = bench.runtime.watch();
    let soon = Duration::from_secs(5);
    let first = tokio::time::timeout(soon, events.next()).await.unwrap();
    assert_eq!(first, Some(RuntimeEvent::Gap));

    let ends = bench.id();
    bench
        .runtime
        .create(ends, &wanted(&["sh", "-c", "exit 3"]))
        .await
        .unwrap();
    bench.runtime.start(ends).await.unwrap();
    let event = tokio::time::timeout(soon, events.next()).await.unwrap();
    assert_eq!(event, Some(RuntimeEvent::Began(ends)));
    let event = tokio::time::timeout(soon, events.next()).await.unwrap();
    assert_eq!(event, Some(RuntimeEvent::Ended(ends)));
    let seen = bench.runtime.inspect(ends).await.unwrap();
    assert_eq!((seen.state(), seen.exit_code), (State::Exited, Some(3)));
    assert!(
        seen.ran_millis.is_some_and(|millis| millis < 5_000),
        "{seen:?}"
    );

    // Somebody removes it behind the agent's back.
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    let name = format!("drover-{ends}");
    bench
        .docker
        .remove_container(&name, Some(options))
        .await
        .unwrap();
    let event = tokio::time::timeout(soon, events.next()).await.unwrap();
    assert_eq!(event, Some(RuntimeEvent::Ended(ends)));
    let seen = bench.runtime.inspect(ends).await.unwrap();
    assert_eq!(seen.state(), State::Missing);
    bench.clean().await;
}

#[tokio::test]
async fn what_others_made_is_neither_seen_nor_touched() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let id = new_id();
    let name = format!("drover-{id}");
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    let body = ContainerCreateBody {
        image: Some(HELLO.into()),
        ..ContainerCreateBody::default()
    };
    let foreign = bench
        .docker
        .create_container(Some(options), body)
        .await
        .unwrap()
        .id;
    let runtime = &bench.runtime;
    let made = runtime.create(id, &sleeping()).await;
    let started = runtime.start(id).await;
    let stopped = runtime.stop(id, Duration::ZERO).await;
    let removed = runtime.remove(id).await;
    let listed = runtime.list().await;
    let still = bench.docker.inspect_container(&foreign, None).await;
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    bench
        .docker
        .remove_container(&foreign, Some(options))
        .await
        .unwrap();

    assert!(matches!(made, Err(RuntimeError::Refused(_))), "{made:?}");
    assert!(
        matches!(started, Err(RuntimeError::NotFound(_))),
        "{started:?}"
    );
    assert_eq!(stopped.unwrap().state(), State::Missing);
    assert_eq!(removed.unwrap().state(), State::Missing);
    assert!(listed.unwrap().is_empty());
    assert_eq!(still.unwrap().state.unwrap().running, Some(false));
    bench.clean().await;
}

#[tokio::test]
async fn two_agents_on_one_engine_list_their_own() {
    let (Some(mut one), Some(other)) = (Bench::new().await, Bench::new().await) else {
        return;
    };
    let id = one.id();
    one.runtime.create(id, &sleeping()).await.unwrap();
    assert_eq!(one.runtime.list().await.unwrap().len(), 1);
    assert!(other.runtime.list().await.unwrap().is_empty());
    one.clean().await;
    other.clean().await;
}

#[tokio::test]
async fn the_engine_tells_what_the_host_is() {
    let Some(bench) = Bench::new().await else {
        return;
    };
    let facts = bench.runtime.facts().await.unwrap();
    assert_eq!(facts.runtime, "docker");
    assert!(!facts.runtime_version.is_empty() && !facts.operating_system.is_empty());
    assert!(facts.cpus > 0 && facts.memory_mib > 0);
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_unavailable_and_may_come_later() {
    let runtime = DockerRuntime::new("unix:///nowhere/docker.sock").unwrap();
    runtime.bind(new_id());
    for _ in 0..2 {
        let failed = runtime.create(new_id(), &sleeping()).await;
        assert!(
            matches!(failed, Err(RuntimeError::Unavailable(_))),
            "{failed:?}"
        );
    }
    assert!(DockerRuntime::new("ssh://somewhere").is_err());
}

#[tokio::test]
async fn a_health_check_is_kept_with_its_container_and_tried_inside_it() {
    let Some(mut bench) = Bench::new().await else {
        return;
    };
    let probe =
        |command: &[&str]| Probe::Command(command.iter().map(|&text| text.into()).collect());
    let check = HealthCheck {
        probe: Some(health_check::Probe::Command(CommandProbe {
            command: vec!["true".into()],
        })),
        interval_seconds: 3,
        timeout_seconds: 1,
        unhealthy_threshold: 2,
        healthy_threshold: 1,
        start_period_seconds: 0,
    };
    let id = bench.id();
    let asked = CreateContainer {
        health_check: Some(check.clone()),
        ..sleeping()
    };
    bench.runtime.create(id, &asked).await.unwrap();
    let kept = bench.runtime.health_check(id).await.unwrap();
    assert_eq!(kept.map(|kept| HealthCheck::from(&kept)), Some(check));
    let stopped = bench.runtime.probe(id, &probe(&["true"]), "").await;
    assert!(stopped.is_err(), "it does not run");
    let running = bench.runtime.start(id).await.unwrap();
    let address = running.address.as_str();
    let good = bench.runtime.probe(id, &probe(&["true"]), address).await;
    assert_eq!(good, Ok(()));
    let bad = probe(&["sh", "-c", "echo too hot; exit 2"]);
    let words = bench.runtime.probe(id, &bad, address).await.unwrap_err();
    assert_eq!(words, "the command ended with 2: too hot");
    let absent = bench
        .runtime
        .probe(id, &probe(&["/no/such"]), address)
        .await;
    assert!(absent.is_err());
    let plain = bench.id();
    bench.runtime.create(plain, &sleeping()).await.unwrap();
    assert_eq!(bench.runtime.health_check(plain).await.unwrap(), None);
    bench.clean().await;
}
