//! Streams of the Docker runtime against a real engine, as in `docker.rs`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "all of this file is a test"
)]

use std::time::Duration;

use drover_agent::runtime::docker::{DEFAULT_HOST, DockerRuntime};
use drover_agent::runtime::streams::{Exec, OutputStream};
use drover_agent::runtime::{Runtime, RuntimeError};
use drover_domain::stream::{Channel, ExecRequest, LogsRequest, Size, StatsRequest};
use drover_domain::{ResourceId, Timestamp};
use drover_proto::v1::CreateContainer;
use futures::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(30);

/// A container of this test's own, gone when this is.
struct Container {
    runtime: DockerRuntime,
    id: ResourceId,
}

impl Container {
    /// One that runs a script; `None` if the tests are to do without Docker.
    async fn run(script: &str) -> Option<Self> {
        if std::env::var_os("DROVER_TEST_WITHOUT_DOCKER").is_some() {
            eprintln!("SKIPPED: DROVER_TEST_WITHOUT_DOCKER is set, so Docker is not tested");
            return None;
        }
        let host = std::env::var_os("DOCKER_HOST").map_or_else(
            || DEFAULT_HOST.to_owned(),
            |host| host.into_string().unwrap(),
        );
        let runtime = DockerRuntime::new(host).unwrap();
        runtime.bind(ResourceId::new(Uuid::now_v7()));
        let id = ResourceId::new(Uuid::now_v7());
        let wanted = CreateContainer {
            image: "drover/hello".into(),
            command: vec!["sh".into(), "-c".into(), script.to_owned()],
            network: "none".into(),
            ..CreateContainer::default()
        };
        let container = Self { runtime, id };
        container.runtime.create(id, &wanted).await.unwrap();
        container.runtime.start(id).await.unwrap();
        Some(container)
    }

    async fn logs(&self, change: impl FnOnce(&mut LogsRequest)) -> OutputStream {
        let mut wanted = LogsRequest {
            follow: true,
            tail: None,
            since: None,
            timestamps: false,
            stdout: true,
            stderr: true,
        };
        change(&mut wanted);
        self.runtime.logs(self.id, &wanted).await.unwrap()
    }

    async fn exec(&self, command: &[&str], change: impl FnOnce(&mut ExecRequest)) -> Exec {
        let mut wanted = ExecRequest {
            command: command.iter().map(|word| (*word).to_owned()).collect(),
            ..ExecRequest::default()
        };
        change(&mut wanted);
        self.runtime.exec(self.id, &wanted).await.unwrap()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let removed = std::process::Command::new("docker")
            .args(["rm", "--force", "--volumes", &format!("drover-{}", self.id)])
            .output();
        drop(removed);
    }
}

/// All that is written, by channel.
async fn read(mut output: OutputStream) -> (String, String) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    while let Some(piece) = timeout(SOON, output.next()).await.expect("no end") {
        let piece = piece.unwrap();
        match piece.channel {
            Channel::Stderr => stderr.extend_from_slice(&piece.bytes),
            _ => stdout.extend_from_slice(&piece.bytes),
        }
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(stdout), text(stderr))
}

#[tokio::test]
async fn a_log_is_followed_to_its_end_and_read_again_in_part() {
    let script = "echo one; echo oops >&2; sleep 1; echo two; echo three";
    let Some(container) = Container::run(script).await else {
        return;
    };
    let followed = read(container.logs(|_| {}).await).await;
    assert_eq!(followed, ("one\ntwo\nthree\n".into(), "oops\n".into()));
    let tail = container.logs(|wanted| {
        wanted.follow = false;
        wanted.tail = Some(1);
        wanted.stderr = false;
    });
    assert_eq!(read(tail.await).await.0, "three\n");
    let timed = container.logs(|wanted| wanted.timestamps = true);
    let timed = read(timed.await).await.0;
    let moment = |line: &str| line.split(' ').next().unwrap().parse::<Timestamp>();
    let moments: Vec<Timestamp> = timed.lines().map(|line| moment(line).unwrap()).collect();
    assert_eq!(moments.len(), 3);
    // Since a moment after the first line; Docker counts in seconds.
    let since = Timestamp::from_millis(moments[0].millis() + 1_000);
    let later = container.logs(|wanted| wanted.since = Some(since));
    let later = read(later.await).await.0;
    assert!(
        !later.contains("one") && later.ends_with("three\n"),
        "{later}"
    );
    let neither = container.logs(|wanted| {
        wanted.stdout = false;
        wanted.stderr = false;
    });
    assert_eq!(read(neither.await).await, (String::new(), String::new()));
}

#[tokio::test]
async fn a_line_of_ten_megabytes_comes_in_small_pieces_and_has_one_moment() {
    let script = "head -c 10000000 /dev/zero | tr '\\0' x; echo; echo end";
    let Some(container) = Container::run(script).await else {
        return;
    };
    let mut output = container.logs(|wanted| wanted.timestamps = true).await;
    let (mut text, mut largest) = (Vec::new(), 0);
    while let Some(piece) = timeout(SOON, output.next()).await.unwrap() {
        let piece = piece.unwrap();
        largest = largest.max(piece.bytes.len());
        text.extend_from_slice(&piece.bytes);
    }
    assert!(largest < 64 * 1024, "a piece of {largest} bytes");
    let text = String::from_utf8(text).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2);
    let (moment, line) = lines[0].split_once(' ').unwrap();
    assert!(moment.parse::<Timestamp>().is_ok());
    assert!(line.len() == 10_000_000 && line.bytes().all(|byte| byte == b'x'));
    assert!(lines[1].ends_with(" end"));
}

#[tokio::test]
async fn a_command_reads_writes_and_ends_with_its_code() {
    let Some(container) = Container::run("exec sleep 600").await else {
        return;
    };
    let script = "cat; echo \"$A in $(pwd)\" >&2; exit 3";
    let command = ["sh", "-c", script];
    let exec = container.exec(&command, |wanted| {
        wanted.stdin = true;
        wanted.working_dir = Some("/tmp".into());
        wanted.environment.insert("A".into(), "b c".into());
    });
    let Exec {
        output,
        input,
        handle,
    } = exec.await;
    let mut input = input.unwrap();
    input.write_all(b"hello\nthere").await.unwrap();
    input.shutdown().await.unwrap();
    let (stdout, stderr) = read(output).await;
    assert_eq!(
        (stdout.as_str(), stderr.as_str()),
        ("hello\nthere", "b c in /tmp\n")
    );
    assert_eq!(handle.exit_code().await.unwrap(), 3);
}

#[tokio::test]
async fn a_terminal_has_the_size_that_it_is_given_and_is_given_later() {
    let Some(container) = Container::run("exec sleep 600").await else {
        return;
    };
    // Its size, which Docker sets once the command has begun, and again when it has become another.
    let script = "while test -z \"$(stty size 2> /dev/null)\"; do sleep 0.02; done; \
                  stty size; read line; stty size; exit 0";
    let command = ["sh", "-c", script];
    let exec = container.exec(&command, |wanted| {
        wanted.tty = true;
        wanted.stdin = true;
        wanted.size = Some(Size {
            width: 101,
            height: 31,
        });
    });
    let Exec {
        mut output,
        input,
        handle,
    } = exec.await;
    let first = timeout(SOON, output.next())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(first.channel, Channel::Stdout);
    let first = String::from_utf8(first.bytes.to_vec()).unwrap();
    assert!(first.starts_with("31 101"), "{first:?}");
    let size = Size {
        width: 90,
        height: 20,
    };
    handle.resize(size).await.unwrap();
    input.unwrap().write_all(b"\n").await.unwrap();
    let (rest, _) = read(output).await;
    assert!(rest.contains("20 90"), "{rest:?}");
    assert_eq!(handle.exit_code().await.unwrap(), 0);
}

#[tokio::test]
async fn what_cannot_be_run_is_said() {
    let Some(container) = Container::run("exec sleep 600").await else {
        return;
    };
    let absent = container.exec(&["/no/such/program"], |_| {}).await;
    let code = {
        drop(read(absent.output).await);
        absent.handle.exit_code().await.unwrap()
    };
    assert!(code == 126 || code == 127, "it ended with {code}");
    let runtime = container.runtime.clone();
    runtime.stop(container.id, Duration::ZERO).await.unwrap();
    let command = ExecRequest {
        command: vec!["true".into()],
        ..ExecRequest::default()
    };
    let refused = runtime.exec(container.id, &command).await;
    assert!(matches!(refused.err(), Some(RuntimeError::Refused(_))));
    let stats = StatsRequest { live: true };
    let refused = runtime.stats(container.id, &stats).await;
    assert!(matches!(refused.err(), Some(RuntimeError::Refused(_))));
    let nobody = ResourceId::new(Uuid::now_v7());
    let missing = runtime.exec(nobody, &command).await;
    assert!(matches!(missing.err(), Some(RuntimeError::NotFound(_))));
}

#[tokio::test]
async fn what_is_used_is_told_once_or_until_the_container_ends() {
    let Some(container) = Container::run("while true; do :; done").await else {
        return;
    };
    let once = StatsRequest { live: false };
    let told = container.runtime.stats(container.id, &once).await.unwrap();
    let told: Vec<_> = timeout(SOON, told.collect()).await.unwrap();
    let [Ok(usage)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert!(usage.cpu_millis > 50, "{usage:?}");
    assert!(usage.memory_bytes > 0 && usage.processes >= 1, "{usage:?}");
    assert!(usage.memory_limit_bytes > usage.memory_bytes);
    let live = StatsRequest { live: true };
    let mut told = container.runtime.stats(container.id, &live).await.unwrap();
    for _ in 0..2 {
        let usage = timeout(SOON, told.next()).await.unwrap().unwrap().unwrap();
        assert!(usage.cpu_millis > 50, "{usage:?}");
    }
    container
        .runtime
        .stop(container.id, Duration::ZERO)
        .await
        .unwrap();
    let rest = timeout(SOON, told.collect::<Vec<_>>()).await;
    assert!(rest.is_ok(), "it goes on");
}
