//! What is tried, in order. Each check begins with the agent connected, its inventory settled, and
//! leaves it so; one that fails leaves a connection that is made anew.

mod accidents;
mod arrival;
mod commands;
mod reports;

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use drover_proto::v1::command::Action;
use drover_proto::v1::{Command, CreateContainer, RemoveContainer, StartContainer};
use tempfile::TempDir;
use uuid::Uuid;

use crate::connection::{Connection, Tally, command};
use crate::facts::{Fact, Facts, Verdict};
use crate::launch::{Given, Launch, Running};
use crate::server::PlayedServer;
use crate::{Form, Options, PROJECT};

/// How long an agent may take to come back: the longest wait, and a slow start.
pub(crate) const RETURN: Duration = Duration::from_secs(30);
/// The fence of most commands.
pub(crate) const FENCE: i64 = 1 << 33;

/// What the checks work with.
pub(crate) struct Trial<'a> {
    pub(crate) options: &'a Options,
    pub(crate) server: PlayedServer,
    pub(crate) connection: Option<Connection>,
    pub(crate) tally: Tally,
    launch: &'a dyn Launch,
    given: Given,
    running: Option<Box<dyn Running>>,
    facts: Facts,
    tell: Box<dyn FnMut(&Fact) + Send + 'a>,
    _folder: TempDir,
}

/// Tries everything.
pub(crate) async fn run(
    options: &Options,
    launch: &dyn Launch,
    tell: impl FnMut(&Fact) + Send,
) -> anyhow::Result<Facts> {
    let folder = tempfile::tempdir().context("making a directory for the agent")?;
    let token = format!("drt_{}_conformance", Uuid::now_v7().simple());
    let server = PlayedServer::start(&token).await;
    let server = server.context("listening on a port of this machine")?;
    let given = Given {
        server: server.url.clone(),
        token,
        data_dir: folder.path().join("agent"),
    };
    std::fs::create_dir(&given.data_dir).context("making a directory for the agent")?;
    let running = launch.launch(&given).await?;
    let mut trial = Trial {
        options,
        server,
        connection: None,
        tally: Tally::default(),
        launch,
        given,
        running: Some(running),
        facts: Facts::default(),
        tell: Box::new(tell),
        _folder: folder,
    };
    if arrival::arrives(&mut trial).await {
        commands::run(&mut trial).await;
        reports::run(&mut trial).await;
        accidents::run(&mut trial).await;
        trial.note_tally();
    }
    trial.kill().await;
    Ok(trial.facts)
}

impl Trial<'_> {
    /// Writes down a rule, and tells of it.
    pub(crate) fn note(&mut self, name: &'static str, verdict: Verdict) {
        let fact = self.facts.note(name, verdict);
        (self.tell)(fact);
    }

    fn note_tally(&mut self) {
        let replied_once = match self.tally.talked_over() {
            0 => Ok(()),
            count => Err(format!("{count} commands were replied to more than once")),
        };
        self.note("each command is replied to once", replied_once);
        let oddities = std::mem::take(&mut self.tally.oddities);
        let is_known = match oddities.first() {
            None => Ok(()),
            Some(first) => Err(format!("it said {first}")),
        };
        self.note("it says nothing that the protocol does not have", is_known);
    }

    /// The connection, and what is counted on it.
    pub(crate) fn talk(&mut self) -> Verdict<(&mut Connection, &mut Tally)> {
        let connection = self.connection.as_mut();
        let connection = connection.ok_or("the agent is not connected")?;
        Ok((connection, &mut self.tally))
    }

    /// Waits for the agent to connect, and settles its inventory.
    pub(crate) async fn reconnect(&mut self) -> Verdict<drover_proto::v1::Inventory> {
        // Closed before the agent may come back, or its next connection would be the older one.
        self.connection = None;
        let accepted = self.server.accept(RETURN).await;
        let accepted = accepted.ok_or("it did not connect again")?;
        let mut connection = Connection::new(accepted);
        let inventory = connection.settle_inventory(&mut self.tally).await;
        self.connection = Some(connection);
        inventory
    }

    /// The form that the agent has taken.
    pub(crate) fn form(&self) -> Option<Form> {
        self.connection.as_ref().map(Connection::form)
    }

    /// Ends the agent without a word.
    pub(crate) async fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill().await;
        }
    }

    /// Starts the agent again.
    pub(crate) async fn launch(&mut self) -> Verdict {
        let launched = self.launch.launch(&self.given).await;
        self.running = Some(launched.map_err(|error| format!("{error:#}"))?);
        Ok(())
    }

    /// A command that makes a container, which runs until it is stopped.
    pub(crate) fn create(&self, container: Uuid, fence: i64) -> Command {
        self.create_that("exec sleep 600", &[], container, fence)
    }

    /// The same, which is to start it too.
    pub(crate) fn create_started(&self, container: Uuid) -> Command {
        let mut command = self.create(container, FENCE);
        if let Some(Action::CreateContainer(wanted)) = &mut command.action {
            wanted.start = true;
        }
        command
    }

    /// A command that makes a container, which ends with code 3 a second after its start.
    pub(crate) fn create_short(&self, container: Uuid, fence: i64) -> Command {
        let labels = [("sim.exit-after", "1s"), ("sim.exit-code", "3")];
        self.create_that("sleep 1; exit 3", &labels, container, fence)
    }

    fn create_that(
        &self,
        script: &str,
        labels: &[(&str, &str)],
        container: Uuid,
        fence: i64,
    ) -> Command {
        let labels = labels
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let wanted = CreateContainer {
            name: "conformance".to_owned(),
            project_id: PROJECT.to_string(),
            image: self.options.image.clone(),
            entrypoint: vec!["sh".to_owned(), "-c".to_owned()],
            command: vec![script.to_owned()],
            environment: HashMap::from([("GREETING".to_owned(), "hello".to_owned())]),
            labels: labels.collect(),
            network: "none".to_owned(),
            ..CreateContainer::default()
        };
        let action = Action::CreateContainer(Box::new(wanted));
        command(container, fence, Some(action))
    }

    /// Makes a container that runs.
    pub(crate) async fn run_one(&mut self, container: Uuid) -> Verdict {
        let create = self.create(container, FENCE);
        let (connection, tally) = self.talk()?;
        connection.seen(&create, tally).await?;
        connection.seen(&start(container), tally).await?;
        Ok(())
    }

    /// Takes a container away.
    pub(crate) async fn clear(&mut self, container: Uuid) -> Verdict {
        let remove = remove(container);
        let (connection, tally) = self.talk()?;
        connection.seen(&remove, tally).await?;
        Ok(())
    }
}

pub(crate) fn start(container: Uuid) -> Command {
    let action = Action::StartContainer(StartContainer {});
    command(container, FENCE, Some(action))
}

pub(crate) fn remove(container: Uuid) -> Command {
    let action = Action::RemoveContainer(RemoveContainer {});
    command(container, FENCE, Some(action))
}
