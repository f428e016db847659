//! A whole agent with the simulated runtime, against a small agent server that a test steers.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "all of this file is a test"
)]

mod server;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use drover_agent::runtime::simulated::SimulatedRuntime;
use drover_agent::{Agent, Error, Options, Parts, RegistrationToken};
use drover_proto::v1::{
    Command, CreateContainer, Failure, RemoveContainer, Report, ReportAnswer, Resource,
    RotateCredential, SeenContainer, StartContainer, StopContainer, TakeStats, command::Action,
    failure::Code, reply, report::What, seen_container::State, server_frame,
};
use server::{Connection, TOKEN, TestServer};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// One run of an agent; the files and the containers may outlive it.
struct Run {
    shutdown: CancellationToken,
    ended: JoinHandle<Result<(), Error>>,
}

impl Run {
    async fn end(self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(server::SOON, self.ended).await;
        ended.expect("the agent does not end").unwrap().unwrap();
    }
}

fn run(servers: &[&str], directory: &Path, token: Option<&str>) -> Run {
    let mut options = Options::new(servers[0].parse().unwrap(), directory);
    options.servers = servers
        .iter()
        .map(|server| server.parse().unwrap())
        .collect();
    options.registration_token = token.map(RegistrationToken::from);
    options.host_name = Some("test-host".into());
    options.labels.insert("rack".into(), "7".into());
    let runtime = Arc::new(SimulatedRuntime::new());
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(Agent::new(options, Parts { runtime }).run(shutdown.clone()));
    Run { shutdown, ended }
}

/// An agent that is connected, and has told what it has.
async fn connected(heartbeat_millis: u32) -> (TestServer, TempDir, Run, Connection) {
    let mut server = TestServer::start(heartbeat_millis).await;
    let directory = tempfile::tempdir().unwrap();
    let run = run(&[&server.url], directory.path(), Some(TOKEN));
    let mut connection = server.connection().await;
    settle_inventory(&mut connection).await;
    (server, directory, run, connection)
}

async fn settle_inventory(connection: &mut Connection) -> Vec<SeenContainer> {
    let report = connection.report().await;
    let Some(What::Inventory(inventory)) = report.what else {
        panic!("an inventory comes first, not {report:?}");
    };
    answer(connection, &report.id, true).await;
    inventory.containers
}

async fn answer(connection: &Connection, report_id: &str, settled: bool) {
    let answer = ReportAnswer {
        report_id: report_id.to_owned(),
        settled,
    };
    connection
        .send(server_frame::Content::ReportAnswer(answer))
        .await;
}

fn command(container: Uuid, fence: i64, action: Action) -> Command {
    Command {
        id: Uuid::now_v7().to_string(),
        resource: Some(Resource {
            r#type: "container".into(),
            id: container.to_string(),
        }),
        fence,
        timeout_millis: 10_000,
        action: Some(action),
    }
}

fn create(labels: &[(&str, &str)]) -> Action {
    Action::CreateContainer(Box::new(CreateContainer {
        labels: labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..CreateContainer::default()
    }))
}

async fn seen(connection: &mut Connection, command: Command) -> SeenContainer {
    match ask(connection, command).await {
        reply::Result::Container(seen) => seen,
        other => panic!("no container: {other:?}"),
    }
}

async fn failure(connection: &mut Connection, command: Command) -> Failure {
    match ask(connection, command).await {
        reply::Result::Failure(failure) => failure,
        other => panic!("no failure: {other:?}"),
    }
}

async fn ask(connection: &mut Connection, command: Command) -> reply::Result {
    let id = command.id.clone();
    connection.command(command).await;
    let reply = connection.reply().await;
    assert_eq!(reply.command_id, id);
    reply.result.unwrap()
}

fn container_of(report: &Report) -> &SeenContainer {
    match &report.what {
        Some(What::Container(seen)) => seen,
        other => panic!("no report of a container: {other:?}"),
    }
}

#[tokio::test]
async fn an_agent_registers_once_and_carries_out_commands() {
    let (mut server, directory, first, mut connection) = connected(1_000).await;
    let registration = &server.registrations()[0];
    assert_eq!(registration.name, "test-host");
    assert_eq!(registration.labels["rack"], "7");
    assert_eq!(registration.facts.runtime, "simulated");
    let container = Uuid::now_v7();
    let created = seen(&mut connection, command(container, 1, create(&[]))).await;
    assert_eq!(created.state(), State::Created);
    let start = command(container, 1, Action::StartContainer(StartContainer {}));
    assert_eq!(seen(&mut connection, start).await.state(), State::Running);
    first.end().await;
    assert!(connection.is_closed().await, "the farewell did not come");

    // Without a token: the credential is all that it needs.
    let second = run(&[&server.url], directory.path(), None);
    let mut connection = server.connection().await;
    settle_inventory(&mut connection).await;
    assert_eq!(server.registrations().len(), 1);
    second.end().await;
}

#[tokio::test]
async fn an_agent_without_credential_and_token_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let run = run(&["http://127.0.0.1:1"], directory.path(), None);
    let ended = tokio::time::timeout(server::SOON, run.ended).await.unwrap();
    assert!(matches!(ended.unwrap(), Err(Error::NoRegistrationToken)));
}

#[tokio::test]
async fn a_reply_that_a_broken_connection_swallowed_is_given_to_a_repeat() {
    let (mut server, _directory, run, connection) = connected(1_000).await;
    // The first attempt fails; a second one would not. So the repeat was not a second attempt.
    let labels = [("sim.fail", "create:1"), ("sim.delay", "100ms")];
    let once = command(Uuid::now_v7(), 1, create(&labels));
    connection.command(once.clone()).await;
    drop(connection);
    let mut connection = server.connection().await;
    settle_inventory(&mut connection).await;
    let failed = failure(&mut connection, once.clone()).await;
    assert_eq!(failed.code(), Code::Runtime);
    assert_eq!(failure(&mut connection, once.clone()).await, failed);
    let another = Command {
        id: "another attempt".into(),
        ..once
    };
    assert_eq!(seen(&mut connection, another).await.state(), State::Created);
    run.end().await;
}

#[tokio::test]
async fn a_repeat_while_the_command_is_carried_out_gets_the_same_reply() {
    let (_server, _directory, run, mut connection) = connected(1_000).await;
    let labels = [("sim.fail", "create:1"), ("sim.delay", "100ms")];
    let once = command(Uuid::now_v7(), 1, create(&labels));
    connection.command(once.clone()).await;
    connection.command(once).await;
    let first = connection.reply().await;
    assert_eq!(connection.reply().await, first);
    assert!(matches!(first.result, Some(reply::Result::Failure(_))));
    run.end().await;
}

#[tokio::test]
async fn an_older_fence_is_refused_even_if_it_waited_in_line() {
    let (_server, _directory, run, mut connection) = connected(1_000).await;
    let container = Uuid::now_v7();
    let slow = create(&[("sim.delay", "100ms")]);
    let first = command(container, 5, slow);
    let old = command(container, 5, Action::StartContainer(StartContainer {}));
    let new = command(container, 9, Action::RemoveContainer(RemoveContainer {}));
    let older = command(container, 4, Action::StartContainer(StartContainer {}));
    connection.command(first.clone()).await;
    // Tasks begin in order: when this one is done, the first is at work.
    seen(&mut connection, command(Uuid::now_v7(), 1, create(&[]))).await;
    for sent in [&old, &new, &older] {
        connection.command(sent.clone()).await;
    }
    let mut outcome = std::collections::HashMap::new();
    for _ in 0..4 {
        let reply = connection.reply().await;
        outcome.insert(reply.command_id, reply.result.unwrap());
    }
    let is_stale = |command: &Command| {
        matches!(&outcome[&command.id], reply::Result::Failure(failure)
            if failure.code() == Code::StaleFence)
    };
    assert!(!is_stale(&first) && !is_stale(&new));
    assert!(is_stale(&old) && is_stale(&older));
    run.end().await;
}

#[tokio::test]
async fn a_command_whose_time_is_over_before_its_turn_is_not_carried_out() {
    let (_server, _directory, run, mut connection) = connected(1_000).await;
    let container = Uuid::now_v7();
    connection
        .command(command(container, 1, create(&[("sim.delay", "200ms")])))
        .await;
    let hasty = Command {
        timeout_millis: 10,
        ..command(container, 1, Action::StartContainer(StartContainer {}))
    };
    connection.command(hasty.clone()).await;
    connection.reply().await;
    let reply = connection.reply().await;
    assert_eq!(reply.command_id, hasty.id);
    assert!(matches!(reply.result, Some(reply::Result::Failure(failure))
        if failure.code() == Code::Unavailable));
    run.end().await;
}

#[tokio::test]
async fn a_container_that_ends_by_itself_is_reported_until_that_is_settled() {
    let (mut server, _directory, run, mut connection) = connected(1_000).await;
    let container = Uuid::now_v7();
    let labels = [("sim.exit-after", "50ms"), ("sim.exit-code", "3")];
    seen(&mut connection, command(container, 1, create(&labels))).await;
    let start = command(container, 1, Action::StartContainer(StartContainer {}));
    seen(&mut connection, start).await;
    let report = connection.report().await;
    let ended = container_of(&report);
    assert_eq!(ended.container_id, container.to_string());
    assert_eq!((ended.state(), ended.exit_code), (State::Exited, Some(3)));
    // Unanswered, and answered with "not yet": the same report comes again.
    assert_eq!(connection.report().await, report);
    answer(&connection, &report.id, false).await;
    assert_eq!(connection.report().await, report);

    // It survives the connection, and comes after the inventory.
    drop(connection);
    let mut connection = server.connection().await;
    let there = settle_inventory(&mut connection).await;
    assert_eq!(there.len(), 1);
    assert_eq!(connection.report().await, report);
    answer(&connection, &report.id, true).await;
    connection.hears_no_report_for(Duration::from_secs(2)).await;
    run.end().await;
}

#[tokio::test]
async fn an_end_that_was_ordered_is_not_reported() {
    let (_server, _directory, run, mut connection) = connected(1_000).await;
    let container = Uuid::now_v7();
    let actions = [
        create(&[]),
        Action::StartContainer(StartContainer {}),
        Action::StopContainer(StopContainer { grace_millis: 0 }),
        Action::RemoveContainer(RemoveContainer {}),
    ];
    for action in actions {
        seen(&mut connection, command(container, 1, action)).await;
    }
    connection.hears_no_report_for(Duration::from_secs(1)).await;
    run.end().await;
}

#[tokio::test]
async fn an_inventory_that_is_not_settled_is_taken_again() {
    let mut server = TestServer::start(1_000).await;
    let directory = tempfile::tempdir().unwrap();
    let run = run(&[&server.url], directory.path(), Some(TOKEN));
    let mut connection = server.connection().await;
    let first = connection.report().await;
    answer(&connection, &first.id, false).await;
    let second = connection.report().await;
    assert!(matches!(second.what, Some(What::Inventory(_))));
    assert_ne!(second.id, first.id);
    run.end().await;
}

#[tokio::test]
async fn a_server_that_is_gone_is_replaced_by_the_next() {
    let mut server = TestServer::start(1_000).await;
    let directory = tempfile::tempdir().unwrap();
    let dead = TestServer::start(1_000).await.stop();
    let run = run(&[&dead, &server.url], directory.path(), Some(TOKEN));
    for _ in 0..3 {
        let mut connection = server.connection().await;
        settle_inventory(&mut connection).await;
    }
    run.end().await;
}

#[tokio::test]
async fn a_server_that_falls_silent_is_left() {
    let (mut server, _directory, run, connection) = connected(50).await;
    connection.freeze().await;
    let mut next = server.connection().await;
    settle_inventory(&mut next).await;
    run.end().await;
}

#[tokio::test]
async fn a_credential_that_is_refused_leads_to_a_new_registration_as_the_same_agent() {
    let (mut server, _directory, run, connection) = connected(1_000).await;
    server.forget_credential();
    drop(connection);
    let mut connection = server.connection().await;
    settle_inventory(&mut connection).await;
    let registrations = server.registrations();
    assert_eq!(registrations.len(), 2);
    assert_eq!(registrations[0].agent_key, registrations[1].agent_key);
    run.end().await;
}

#[tokio::test]
async fn a_refused_token_is_tried_again_and_may_become_good() {
    let mut server = TestServer::start(1_000).await;
    server.refuse_tokens(1);
    let directory = tempfile::tempdir().unwrap();
    let run = run(&[&server.url], directory.path(), Some(TOKEN));
    let mut connection = server.connection().await;
    settle_inventory(&mut connection).await;
    assert_eq!(server.registrations().len(), 2);
    run.end().await;
}

/// The command that gives an agent another credential; the server that is played calls it agent 1.
fn rotate(agent: u128, credential: &str) -> Command {
    let action = Action::RotateCredential(RotateCredential {
        credential: credential.to_owned(),
    });
    let mut command = command(Uuid::from_u128(agent), 1, action);
    command.resource.as_mut().unwrap().r#type = "agent".into();
    command
}

async fn exchange(connection: &mut Connection, credential: &str) {
    let reply = ask(connection, rotate(1, credential)).await;
    assert!(
        matches!(reply, reply::Result::CredentialKept(_)),
        "{reply:?}"
    );
}

#[tokio::test]
async fn an_agent_shows_the_credential_that_it_was_given_last_and_registers_no_more() {
    let (mut server, directory, run_once, mut connection) = connected(1_000).await;
    exchange(&mut connection, "dra_1_new").await;
    let state = std::fs::read_to_string(directory.path().join("agent.json")).unwrap();
    assert!(state.contains("dra_1_new"), "it is written down by now");
    server.accept("dra_1_new");
    drop(connection);
    let mut connection = server.connection().await;
    settle_inventory(&mut connection).await;
    run_once.end().await;
    // Also after a restart.
    let again = run(&[&server.url], directory.path(), None);
    server.connection().await;
    again.end().await;
    assert_eq!(server.registrations().len(), 1);
}

#[tokio::test]
async fn an_agent_whose_new_credential_was_never_accepted_comes_back_with_the_former() {
    let (mut server, _directory, run, mut connection) = connected(1_000).await;
    exchange(&mut connection, "dra_1_new").await;
    drop(connection);
    let mut connection = server.connection().await;
    settle_inventory(&mut connection).await;
    run.end().await;
    assert_eq!(server.registrations().len(), 1);
}

#[tokio::test]
async fn a_credential_for_another_agent_is_refused() {
    let (_server, directory, run, mut connection) = connected(1_000).await;
    let refused = failure(&mut connection, rotate(7, "dra_1_new")).await;
    assert_eq!(refused.code(), Code::Refused);
    let state = std::fs::read_to_string(directory.path().join("agent.json")).unwrap();
    assert!(!state.contains("dra_1_new"));
    run.end().await;
}

#[tokio::test]
async fn an_agent_tells_how_busy_its_host_is_whatever_else_it_does() {
    let (_server, _directory, run, mut connection) = connected(1_000).await;
    let (slow, other) = (Uuid::now_v7(), Uuid::now_v7());
    seen(&mut connection, command(other, 1, create(&[]))).await;
    let create = create(&[("sim.delay", "10m")]);
    connection.command(command(slow, 9, create)).await;
    // Its fence means nothing.
    for _ in 0..2 {
        let take = command(slow, 0, Action::TakeStats(TakeStats {}));
        let reply = ask(&mut connection, take).await;
        let reply::Result::HostStats(stats) = reply else {
            panic!("no stats: {reply:?}");
        };
        assert!(stats.memory_mib > 0 && stats.disk_mib > 0);
        assert_eq!(stats.containers_created, 1);
    }
    run.shutdown.cancel();
}
