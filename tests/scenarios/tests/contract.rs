//! The contract of the API, held from outside by public tools: what the description says of requests and
//! answers is so, and is enough for a client to be generated from it.
//!
//! The tools are Python's, in an environment of their own that `scripts/contract-tools` makes; what they
//! are told is in `tests/contract`. Where they are missing, these tests fail.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "all of this file is a test"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use drover_scenarios::http;
use drover_scenarios::installation::{Api, Drover, Embedded, Runtime, id_of, send};
use drover_scenarios::process::Program;
use drover_scenarios::scenarios::people::{account, holder, key, membership, project};
use reqwest::Method;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
/// For one run of a tool; the fuzzer needs a fraction of it on a machine that does nothing else.
const TOOL_WITHIN: Duration = Duration::from_secs(580);
/// Every run of the fuzzer asks the same, so that what it finds once can be found again.
const SEED: u32 = 41;
/// The most requests that it makes up for one operation in each of its phases.
const EXAMPLES: u32 = 4;

/// A tool of the environment that `scripts/contract-tools` makes beside the folder of this build.
fn tool(name: &str) -> Program {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).expect("a build has a folder");
    let path = target.join("contract-tools/bin").join(name);
    assert!(
        path.is_file(),
        "there is no {}: run scripts/contract-tools first",
        path.display()
    );
    Program::new(name, path).without_environment("PYTHONPATH")
}

/// A file of `tests/contract`.
fn told(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contract");
    file.join(name).display().to_string()
}

/// Runs a tool to its end. What it says is of interest only if it fails.
async fn succeed(program: Program, folder: &Path) {
    let folder = folder.display().to_string();
    let mut running = program
        .environment("HOME", folder.as_str())
        .environment("TMPDIR", folder.as_str())
        .environment("PYTHONDONTWRITEBYTECODE", "1")
        .start(Path::new(&folder))
        .unwrap();
    let ended = running.wait(TOOL_WITHIN).await;
    let ended = ended.unwrap_or_else(|error| panic!("{error:#}; it said:\n{}", running.log()));
    assert!(ended.success(), "{ended}; it said:\n{}", running.log());
}

/// Generates a client from what a server says of itself, and gives the folder that its package is in.
async fn generated_client(drover: &Drover) -> PathBuf {
    let folder = drover.folder().join("generated");
    std::fs::create_dir(&folder).unwrap();
    let description = drover.api.get("/v1/openapi.json").await.unwrap();
    let description = description.expect(200).unwrap();
    let file = folder.join("openapi.json");
    std::fs::write(&file, description.to_string()).unwrap();
    let package = folder.join("drover_client");
    // A part of the description that is left out of the client is a warning, and fails.
    let generator = tool("openapi-python-client")
        .argument("generate")
        .arguments(["--path", &file.display().to_string()])
        .arguments(["--output-path", &package.display().to_string()])
        .arguments(["--meta", "none", "--config", &told("client.yaml")])
        .argument("--fail-on-warning");
    succeed(generator, &folder).await;
    folder
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_client_runs_the_tour() {
    let embedded = Embedded::start(Runtime::Simulated).await.unwrap();
    let drover = &embedded.drover;
    let folder = generated_client(drover).await;
    let tour = tool("python")
        .arguments([&told("tour.py"), &drover.api.servers()[0]])
        .argument(drover.key_file.display().to_string())
        .environment("PYTHONPATH", folder.display().to_string());
    succeed(tour, &folder).await;
}

/// Somebody to fuzz as.
struct Fuzzer {
    /// What it shows.
    api: Api,
    text: String,
    /// The addresses without which it were nobody, or nowhere.
    own: Vec<String>,
    /// What the bodies of its requests refer to.
    account: String,
    project: String,
}

impl Fuzzer {
    /// Somebody with a key of some role, which is good in a project unless it is an operator's.
    async fn with_key(drover: &Drover, role: &str) -> Self {
        let project = project(drover, "fuzzed").await.unwrap();
        populate(drover, &project).await;
        let (fields, scope) = match role {
            "operator" => (json!({ "operator": true }), None),
            _ => (membership(&project, role), Some(&project)),
        };
        let account = account(drover, "fuzzer", fields).await.unwrap();
        let fields = json!({ "accountId": account, "projectId": scope, "role": role });
        let made = key(&drover.api, &fields).await.unwrap();
        Self {
            api: holder(drover, &made).unwrap(),
            text: made["key"].as_str().unwrap().to_owned(),
            own: vec![
                format!("/v1/apiKeys/{}", id_of(&made).unwrap()),
                format!("/v1/accounts/{account}"),
                format!("/v1/projects/{project}"),
            ],
            account,
            project,
        }
    }

    /// An agent that has introduced itself and is never connected.
    async fn agent(drover: &Drover) -> Self {
        let token = json!({ "name": "fuzzer" });
        let token = drover.api.post("/v1/registrationTokens", &token).await;
        let token = token.unwrap().expect(201).unwrap();
        let said = json!({
            "token": token["token"],
            "agentKey": "the-key-of-a-fuzzer",
            "name": "fuzzer",
        });
        let register = format!("{}/agent/v1/register", drover.agent_servers[0]);
        let register = http::client().unwrap().post(register).json(&said);
        let registered = send(register).await.unwrap().expect(200).unwrap();
        let text = registered["credential"].as_str().unwrap().to_owned();
        Self {
            api: drover.api.holding(&text),
            text,
            own: Vec::new(),
            account: String::new(),
            project: String::new(),
        }
    }

    /// Asks whatever the description for its role allows, and much that it does not, and finds every
    /// answer as described.
    async fn finds_nothing(self, drover: &Drover) {
        let server = &drover.api.servers()[0];
        let fuzzer = tool("schemathesis")
            .arguments(["--config-file", &told("schemathesis.toml"), "run"])
            .argument(format!("{server}/v1/openapi.json"))
            .arguments(["--header", &format!("Authorization: Bearer {}", self.text)])
            .arguments(["--checks", "all", "--workers", "1", "--no-color"])
            .arguments(["--max-examples", &EXAMPLES.to_string()])
            .arguments(["--seed", &SEED.to_string()])
            .arguments(["--generation-database", "none"])
            .environment("SCHEMATHESIS_HOOKS", told("hooks.py"))
            .environment("DROVER_CONTRACT_OWN", self.own.join(" "))
            .environment("DROVER_CONTRACT_ACCOUNT", self.account)
            .environment("DROVER_CONTRACT_PROJECT", self.project);
        succeed(fuzzer, drover.folder()).await;
        // Had it lost its credential on the way, it would have tested nothing from then on.
        self.api.get("/v1").await.unwrap().expect(200).unwrap();
    }
}

/// An installation in which no answer is held back for long, whatever a request asks for.
async fn without_patience() -> Embedded {
    let embedded = Embedded::start(Runtime::Simulated).await.unwrap();
    let path = "/v1/settings/longestWaitSeconds";
    let put = embedded.drover.api.request(Method::PUT, path);
    let set = send(put.json(&json!({ "value": 1 }))).await.unwrap();
    set.expect(200).unwrap();
    embedded
}

/// Containers of a project in several states, so that there is something to find.
async fn populate(drover: &Drover, project: &str) {
    let with = |fields: Value| {
        let mut fields = fields;
        fields["projectId"] = json!(project);
        drover.create(fields)
    };
    let runs = with(json!({ "name": "runs" })).await.unwrap();
    let removed = with(json!({ "name": "removed", "start": false }))
        .await
        .unwrap();
    let failing = json!({ "name": "fails", "labels": { "sim.fail": "create" } });
    let fails = with(failing).await.unwrap();
    drover.wait_for_state(&runs, "running", SOON).await.unwrap();
    drover.wait_for_state(&fails, "error", SOON).await.unwrap();
    let waits = drover.wait_for_state(&removed, "created", SOON);
    waits.await.unwrap();
    let removal = drover.act_until(&removed, "remove", "removed", SOON);
    removal.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fuzzer_finds_nothing_undocumented_as_operator() {
    let embedded = without_patience().await;
    let drover = &embedded.drover;
    let fuzzer = Fuzzer::with_key(drover, "operator").await;
    fuzzer.finds_nothing(drover).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fuzzer_finds_nothing_undocumented_as_member() {
    let embedded = without_patience().await;
    let drover = &embedded.drover;
    let fuzzer = Fuzzer::with_key(drover, "member").await;
    fuzzer.finds_nothing(drover).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fuzzer_finds_nothing_undocumented_as_viewer() {
    let embedded = without_patience().await;
    let drover = &embedded.drover;
    let fuzzer = Fuzzer::with_key(drover, "viewer").await;
    fuzzer.finds_nothing(drover).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fuzzer_finds_nothing_undocumented_as_agent() {
    let embedded = without_patience().await;
    let drover = &embedded.drover;
    Fuzzer::agent(drover).await.finds_nothing(drover).await;
}
