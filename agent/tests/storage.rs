//! Volumes, paths of the host and networks by the Docker runtime against a real engine, with the image
//! `drover/hello`. `DROVER_TEST_WITHOUT_DOCKER` skips these tests, and says so.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "all of this file is a test"
)]

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListNetworksOptionsBuilder, RemoveVolumeOptionsBuilder};
use drover_agent::HostPaths;
use drover_agent::runtime::docker::{DEFAULT_HOST, DockerRuntime};
use drover_agent::runtime::{Runtime, RuntimeError};
use drover_domain::ResourceId;
use drover_proto::v1::{
    CreateContainer, JoinedNetwork, MakeVolume, Mount, mount::Source, seen_container::State,
};
use tokio::time::Instant;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(30);

/// An agent of this test's own on the shared engine. What it made goes when it goes.
struct Bench {
    runtime: DockerRuntime,
    docker: Docker,
    agent: ResourceId,
}

impl Bench {
    /// `None` if the tests are to do without Docker.
    fn new(allowed: Option<&Path>) -> Option<Self> {
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
        let paths = HostPaths::new(allowed.map(Path::to_owned));
        let runtime = DockerRuntime::new(host).unwrap().with_host_paths(paths);
        let agent = new_id();
        runtime.bind(agent);
        Some(Self {
            runtime,
            docker,
            agent,
        })
    }

    async fn volume(&self) -> ResourceId {
        let id = new_id();
        self.make(id).await.unwrap();
        id
    }

    async fn make(&self, id: ResourceId) -> Result<String, RuntimeError> {
        let wanted = MakeVolume {
            name: "data".into(),
            project_id: new_id().to_string(),
        };
        let made = self.runtime.make_volume(id, &wanted).await?;
        Ok(made.runtime_id)
    }

    /// Runs a container to its end, takes it away, and tells how it ended.
    async fn run(&self, wanted: &CreateContainer) -> i32 {
        let id = new_id();
        self.runtime.create(id, wanted).await.unwrap();
        self.runtime.start(id).await.unwrap();
        let until = Instant::now() + SOON;
        let code = loop {
            let seen = self.runtime.inspect(id).await.unwrap();
            if let Some(code) = seen.exit_code {
                break code;
            }
            assert!(Instant::now() < until, "it does not end");
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        self.runtime.remove(id).await.unwrap();
        code
    }

    async fn networks(&self) -> usize {
        let label = vec![format!("drover.agent.id={}", self.agent)];
        let filter = HashMap::from([("label".to_owned(), label)]);
        let options = ListNetworksOptionsBuilder::new().filters(&filter).build();
        let found = self.docker.list_networks(Some(options)).await;
        found.unwrap().len()
    }
}

fn new_id() -> ResourceId {
    ResourceId::new(Uuid::now_v7())
}

fn shell(script: &str) -> CreateContainer {
    CreateContainer {
        name: "shell".into(),
        project_id: new_id().to_string(),
        image: "drover/hello".into(),
        command: ["sh", "-c", script].map(str::to_owned).to_vec(),
        network: "none".into(),
        ..CreateContainer::default()
    }
}

fn mounting(script: &str, source: Source, read_only: bool) -> CreateContainer {
    CreateContainer {
        mounts: vec![Mount {
            source: Some(source),
            target: "/data".into(),
            read_only,
        }],
        ..shell(script)
    }
}

fn volume(id: ResourceId) -> Source {
    Source::VolumeId(id.to_string())
}

fn path(path: &Path) -> Source {
    Source::HostPath(path.to_str().unwrap().to_owned())
}

fn is_refusal(result: Result<impl std::fmt::Debug, RuntimeError>) -> String {
    match result {
        Err(RuntimeError::Refused(words)) => words,
        other => panic!("it is not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_volume_keeps_its_data_when_containers_come_and_go() {
    let Some(bench) = Bench::new(None) else {
        return;
    };
    let id = bench.volume().await;
    let first = bench.make(id).await.unwrap();
    assert_eq!(
        bench.make(id).await.unwrap(),
        first,
        "made twice, it is one"
    );
    let write = mounting("echo kept > /data/file", volume(id), false);
    assert_eq!(bench.run(&write).await, 0);
    let read = mounting("grep -q kept /data/file", volume(id), false);
    assert_eq!(bench.run(&read).await, 0);
    let spoil = mounting("echo no > /data/file", volume(id), true);
    assert_ne!(bench.run(&spoil).await, 0, "it was written to");
    assert_eq!(bench.run(&read).await, 0);
    bench.runtime.remove_volume(id).await.unwrap();
    bench.runtime.remove_volume(id).await.unwrap();
    let gone = bench.runtime.create(new_id(), &read).await;
    assert!(is_refusal(gone).contains("not on this host any more"));
}

#[tokio::test]
async fn a_volume_that_is_mounted_is_not_removed() {
    let Some(bench) = Bench::new(None) else {
        return;
    };
    let id = bench.volume().await;
    let container = new_id();
    let wanted = mounting("sleep 600", volume(id), false);
    bench.runtime.create(container, &wanted).await.unwrap();
    let refused = bench.runtime.remove_volume(id).await;
    assert!(is_refusal(refused).contains("in use"));
    bench.runtime.remove(container).await.unwrap();
    bench.runtime.remove_volume(id).await.unwrap();
}

#[tokio::test]
async fn a_volume_of_others_is_neither_taken_nor_removed() {
    let Some(bench) = Bench::new(None) else {
        return;
    };
    let id = new_id();
    let name = format!("drover-{id}");
    let theirs = VolumeCreateRequest {
        name: Some(name.clone()),
        ..VolumeCreateRequest::default()
    };
    bench.docker.create_volume(theirs).await.unwrap();
    is_refusal(bench.make(id).await);
    is_refusal(bench.runtime.remove_volume(id).await);
    let mounts = mounting("true", volume(id), false);
    is_refusal(bench.runtime.create(new_id(), &mounts).await);
    let options = RemoveVolumeOptionsBuilder::new().build();
    bench
        .docker
        .remove_volume(&name, Some(options))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_path_of_the_host_is_mounted_where_the_host_allows_it_and_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let allowed = folder.path().join("allowed");
    std::fs::create_dir_all(allowed.join("x")).unwrap();
    std::fs::write(allowed.join("x/file"), "kept").unwrap();
    std::os::unix::fs::symlink("/etc", allowed.join("out")).unwrap();
    let Some(bench) = Bench::new(Some(&allowed)) else {
        return;
    };
    let read = mounting("grep -q kept /data/file", path(&allowed.join("x")), true);
    assert_eq!(bench.run(&read).await, 0);
    for outside in [allowed.join("out"), folder.path().to_owned(), "/etc".into()] {
        let wanted = mounting("true", path(&outside), true);
        let refused = is_refusal(bench.runtime.create(new_id(), &wanted).await);
        assert!(refused.contains("does not let"), "{refused}");
    }
}

#[tokio::test]
async fn containers_of_a_network_find_one_another_by_alias_and_it_goes_with_the_last() {
    let Some(bench) = Bench::new(None) else {
        return;
    };
    let network = |aliases: &[&str]| JoinedNetwork {
        network_id: NETWORK.to_owned(),
        name: "back".into(),
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        internal: true,
    };
    let joining = |script: &str, aliases: &[&str]| CreateContainer {
        network: "project".into(),
        networks: vec![network(aliases)],
        ..shell(script)
    };
    let server = new_id();
    let serves = "mkdir /w; echo hello > /w/index.html; exec httpd -f -p 80 -h /w";
    let wanted = joining(serves, &["db"]);
    bench.runtime.create(server, &wanted).await.unwrap();
    bench.runtime.start(server).await.unwrap();
    assert_eq!(bench.networks().await, 1);
    let asks = "for i in 1 2 3 4 5 6 7 8 9; do \
                wget -qO- http://db/ | grep -q hello && exit 0; sleep 1; done; exit 1";
    assert_eq!(bench.run(&joining(asks, &[])).await, 0, "db is not found");
    assert_eq!(bench.networks().await, 1, "it went before the last");
    bench.runtime.stop(server, Duration::ZERO).await.unwrap();
    let bystander = new_id();
    bench
        .runtime
        .create(bystander, &joining("true", &[]))
        .await
        .unwrap();
    bench.runtime.remove(bystander).await.unwrap();
    assert_eq!(bench.networks().await, 1, "what is stopped still needs it");
    let seen = bench.runtime.start(server).await.unwrap();
    assert_eq!(seen.state(), State::Running);
    bench.runtime.remove(server).await.unwrap();
    assert_eq!(bench.networks().await, 0, "nobody needs it any more");
}

/// Of these tests' own: whoever else made a network of this id would be told apart by its agent.
const NETWORK: &str = "0199f0a0-0000-7000-8000-00000000d0d0";
