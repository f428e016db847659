//! The agents that ship are agents.

#![expect(clippy::unwrap_used, reason = "all of this is a test")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use drover_agent::runtime::simulated::SimulatedRuntime;
use drover_agent::{Agent, Options, Parts, RegistrationToken};
use drover_conformance::launch::{Given, Launch, Program, Running};
use drover_conformance::{Form, PROJECT, run};
use drover_scenarios::docker::Engine;
use drover_scenarios::installation::executable;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The agent of Drover on a simulated runtime, which outlives it.
struct Ours(SimulatedRuntime);

struct RunningOurs(JoinHandle<()>);

#[async_trait]
impl Launch for Ours {
    async fn launch(&self, given: &Given) -> anyhow::Result<Box<dyn Running>> {
        let mut options = Options::new(given.server.parse()?, &given.data_dir);
        options.registration_token = Some(RegistrationToken::new(&given.token));
        let runtime = Arc::new(self.0.clone());
        let agent = Agent::new(options, Parts { runtime });
        let running = tokio::spawn(async move {
            agent.run(CancellationToken::new()).await.unwrap();
        });
        Ok(Box::new(RunningOurs(running)))
    }
}

#[async_trait]
impl Running for RunningOurs {
    async fn kill(self: Box<Self>) {
        self.0.abort();
        drop(self.0.await);
    }
}

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples/agent.py")
}

async fn is_an_agent(launch: &dyn Launch, form: Form) {
    let options = drover_conformance::Options {
        form: Some(form),
        ..drover_conformance::Options::default()
    };
    let facts = run(&options, launch, |_| {}).await;
    let facts = facts.unwrap();
    assert!(facts.hold(), "{facts:#?}");
    assert!(
        facts.count() > 20,
        "only {} rules were tried",
        facts.count()
    );
}

#[tokio::test]
async fn the_agent_of_drover_is_one() {
    is_an_agent(&Ours(SimulatedRuntime::new()), Form::Socket).await;
}

/// As it ships: each command twice and each stale fence meet a real engine. Its containers outlive it.
#[tokio::test]
async fn the_executable_is_one_on_a_docker_engine() {
    let engine = Engine::with_hello().await.unwrap();
    let _sweeper = engine.sweeper("drover.project.id", PROJECT.to_string());
    let command = [executable("drover-agent").unwrap().display().to_string()];
    is_an_agent(&Program(command.to_vec()), Form::Socket).await;
}

#[tokio::test]
async fn a_simulated_host_is_one() {
    let simulator = executable("droverd").unwrap().display().to_string();
    let command = [&simulator, "simulate", "--hosts", "1"].map(str::to_owned);
    is_an_agent(&Program(command.to_vec()), Form::Socket).await;
}

#[tokio::test]
async fn the_example_in_python_is_one() {
    let command = ["python3".to_owned(), example().display().to_string()];
    is_an_agent(&Program(command.to_vec()), Form::Plain).await;
}

#[tokio::test]
async fn an_agent_that_forgets_is_found_out() {
    let text = std::fs::read_to_string(example()).unwrap();
    let forgetful = text.replace("replies.get(command[\"id\"]) or ", "");
    assert_ne!(text, forgetful);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.py");
    std::fs::write(&path, forgetful).unwrap();
    let program = Program(vec!["python3".to_owned(), path.display().to_string()]);
    let options = drover_conformance::Options::default();
    let facts = run(&options, &program, |_| {}).await.unwrap();
    let objections: Vec<_> = facts.objections().map(|fact| fact.name).collect();
    // It makes a container again, which an inventory then names.
    assert!(objections.contains(&"a repeat is answered from memory"));
}
