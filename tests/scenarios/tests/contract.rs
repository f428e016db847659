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

use drover_scenarios::installation::{Drover, Embedded, Runtime};
use drover_scenarios::process::Program;

/// For one run of a tool.
const TOOL_WITHIN: Duration = Duration::from_secs(120);
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
