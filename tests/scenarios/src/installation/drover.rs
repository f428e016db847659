//! What a client sees of an installation.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Api, Runtime, executables};
use crate::docker::{Engine, HELLO, Sweeper};
use crate::engine::OwnEngine;
use crate::process::{Program, output};
use crate::until::until;

/// Drover as a client sees it, in whatever wiring.
#[derive(Debug)]
pub struct Drover {
    /// The HTTP API.
    pub api: Api,
    /// Where agents connect.
    pub agent_servers: Vec<String>,
    /// Where each of its programs tells its health and its metrics.
    pub health: Vec<String>,
    /// Where the operator's key was written.
    pub key_file: PathBuf,
    pub(super) engine: Option<Engine>,
    label: (String, String),
    /// A variable that each container has.
    marker: Option<(String, String)>,
    // Dropped last: whoever writes there is gone by then.
    _sweeper: Option<Sweeper>,
    folder: TempDir,
}

impl Drover {
    /// The view of an installation whose files are in `folder`.
    pub(super) fn new(
        ground: Ground,
        servers: Vec<String>,
        agent_servers: Vec<String>,
        health: Vec<String>,
        key_file: PathBuf,
    ) -> Result<Self> {
        let Ground {
            folder,
            engine,
            label,
            marker,
        } = ground;
        let key = std::fs::read_to_string(&key_file).context("reading the operator's key")?;
        let sweeper = engine
            .as_ref()
            .filter(|_| marker.is_none())
            .map(|engine| engine.sweeper(&label.0, &label.1));
        Ok(Self {
            api: Api::new(servers, key.trim())?,
            agent_servers,
            health,
            key_file,
            engine,
            label,
            marker,
            _sweeper: sweeper,
            folder,
        })
    }

    /// The folder of the installation, for files of a test.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The label that all containers of this installation bear.
    #[must_use]
    pub fn label(&self) -> (&str, &str) {
        (&self.label.0, &self.label.1)
    }

    /// A container of `drover/hello` with these fields beside or instead of the usual ones; it
    /// bears the label by which it is swept away.
    #[must_use]
    pub fn hello(&self, fields: Value) -> Value {
        let mut spec = json!({ "image": HELLO, "labels": {} });
        if let (Value::Object(spec), Value::Object(fields)) = (&mut spec, fields) {
            spec.extend(fields);
        }
        spec["labels"][&self.label.0] = json!(self.label.1);
        if let Some((name, value)) = &self.marker {
            spec["environment"][name] = json!(value);
        }
        spec
    }

    /// Asks for such a container, and gives its id.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn create(&self, fields: Value) -> Result<String> {
        let reply = self.api.post("/v1/containers", &self.hello(fields)).await?;
        id_of(&reply.expect(202)?)
    }

    /// Asks for such a container and waits until it runs.
    ///
    /// # Errors
    /// When it is not accepted, or does not run in time.
    pub async fn run(&self, fields: Value, within: Duration) -> Result<String> {
        let id = self.create(fields).await?;
        self.wait_for_state(&id, "running", within).await?;
        Ok(id)
    }

    /// Asks for an action, and gives the container as it was accepted.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn act(&self, id: &str, action: &str) -> Result<Value> {
        let path = format!("/v1/containers/{id}/{action}");
        let reply = self.api.post(&path, &json!({})).await?;
        reply
            .expect(202)
            .with_context(|| format!("asking to {action}"))
    }

    /// Asks for an action and waits for the state that it leads to.
    ///
    /// # Errors
    /// When it is not accepted, or the state does not come in time.
    pub async fn act_until(
        &self,
        id: &str,
        action: &str,
        state: &str,
        within: Duration,
    ) -> Result<Value> {
        self.act(id, action).await?;
        self.wait_for_state(id, state, within).await
    }

    /// A container as it is.
    ///
    /// # Errors
    /// When there is none.
    pub async fn container(&self, id: &str) -> Result<Value> {
        self.api
            .get(&format!("/v1/containers/{id}"))
            .await?
            .expect(200)
    }

    /// Waits until a container is in a state, and gives it as it is then.
    ///
    /// # Errors
    /// When that takes too long, or the container is in `error` instead.
    pub async fn wait_for_state(&self, id: &str, state: &str, within: Duration) -> Result<Value> {
        let what = format!("container {id} is {state}");
        let container = until(&what, within, || async {
            let container = self.container(id).await?;
            let is_over = container["state"] == state || container["state"] == "error";
            ensure!(is_over, "it is {}", story(&container));
            Ok(container)
        })
        .await?;
        ensure!(
            container["state"] == state,
            "it is not {state} but {}",
            story(&container)
        );
        Ok(container)
    }

    /// Waits until a container cannot be read any more.
    ///
    /// # Errors
    /// When that takes too long.
    pub async fn wait_until_forgotten(&self, id: &str, within: Duration) -> Result<()> {
        let what = format!("container {id} is forgotten");
        until(&what, within, || async {
            let reply = self.api.get(&format!("/v1/containers/{id}")).await?;
            reply.problem(404, "notFound").map(drop)
        })
        .await
    }

    /// The states that a container passed from its beginning until the first time that it came to
    /// `last`, as the watch tells them; a state that was written twice in a row counts once.
    ///
    /// # Errors
    /// When it does not come there in time.
    pub async fn states_until(
        &self,
        id: &str,
        last: &str,
        within: Duration,
    ) -> Result<Vec<String>> {
        let mut states: Vec<String> = Vec::new();
        let reading = async {
            let path = format!("/v1/watch?after=0&resourceId={id}");
            let request = self.api.request(Method::GET, &path).timeout(within);
            let response = request.send().await.context("watching")?;
            ensure!(
                response.status() == 200,
                "the watch is {}",
                response.status()
            );
            let mut chunks = response.bytes_stream();
            let mut text = Vec::new();
            while let Some(chunk) = chunks.next().await {
                text.extend_from_slice(&chunk.context("the watch broke off")?);
                while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = text.drain(..=end).collect();
                    let change: Value = serde_json::from_slice(&line).context("a line of JSON")?;
                    ensure!(change["id"] == id, "a change of something else: {change}");
                    let state = change["state"].as_str().context("a change has a state")?;
                    if states.last().is_none_or(|known| known != state) {
                        states.push(state.to_owned());
                    }
                    if state == last {
                        return Ok(());
                    }
                }
            }
            bail!("the watch ended")
        };
        let read = tokio::time::timeout(within, reading).await;
        read.map_err(|_| anyhow!("no end within {within:?}"))
            .flatten()
            .with_context(|| format!("watching {id} until {last}; it passed {states:?}"))?;
        Ok(states)
    }

    /// The processes of a resource, the oldest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn processes(&self, id: &str) -> Result<Vec<Value>> {
        self.api
            .list(&format!("/v1/processes?resourceId={id}"))
            .await
    }

    /// A program of an installation: `drover`, `droverd` or `drover-agent`.
    ///
    /// # Errors
    /// When it was not built.
    pub fn program(&self, executable: &str, name: &str) -> Result<Program> {
        executables::program(executable, name)
    }

    /// Runs the command line client, which is logged in, and gives what it prints.
    ///
    /// # Errors
    /// When it fails, with what it says on standard error.
    pub async fn command(&self, arguments: &[&str]) -> Result<String> {
        let key_file = self.key_file.display().to_string();
        let server = self
            .api
            .servers()
            .first()
            .context("an installation has an API")?;
        let program = self
            .program("drover", "drover")?
            .arguments(["--server", server.as_str(), "--api-key-file", &key_file])
            .arguments(arguments.iter().copied())
            .environment("HOME", self.folder.path().display().to_string());
        output(program, Duration::from_secs(60)).await
    }
}

/// What an installation stands on before any of its processes runs.
pub(super) struct Ground {
    pub(super) folder: TempDir,
    engine: Option<Engine>,
    label: (String, String),
    marker: Option<(String, String)>,
}

impl Ground {
    pub(super) async fn prepare(runtime: Runtime) -> Result<Self> {
        Ok(Self {
            folder: tempfile::Builder::new().prefix("drover-").tempdir()?,
            engine: match runtime {
                Runtime::Docker => Some(Engine::with_hello().await?),
                Runtime::Simulated => None,
            },
            label: Engine::own_label()?,
            marker: None,
        })
    }

    /// The same over an engine of the test's own, which sweeps up by itself.
    pub(super) fn over(engine: &OwnEngine) -> Result<Self> {
        let (name, value) = engine.marker();
        Ok(Self {
            folder: tempfile::Builder::new().prefix("drover-").tempdir()?,
            engine: Some(engine.client()?),
            label: Engine::own_label()?,
            marker: Some((name.to_owned(), value)),
        })
    }
}

/// The id of a resource.
///
/// # Errors
/// When it has none.
pub fn id_of(resource: &Value) -> Result<String> {
    let id = resource["id"].as_str();
    id.map(str::to_owned)
        .with_context(|| format!("a resource without an id: {resource}"))
}

/// State, reason and process of a container, for the message of a failure.
fn story(container: &Value) -> String {
    let (state, error) = (&container["state"], &container["error"]);
    let (message, process) = (
        &container["transitioningMessage"],
        &container["links"]["process"],
    );
    format!("{state} (error {error}, message {message}, process {process})")
}
