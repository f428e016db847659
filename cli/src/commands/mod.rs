//! The commands, one a file, and what they share: the server, the terminal, and how to stay with an
//! intent until it has become true.

pub mod act;
pub mod completion;
pub mod exec;
pub mod explain;
pub mod host;
pub mod hosts;
pub mod images;
pub mod inspect;
pub mod login;
pub mod logs;
pub mod processes;
pub mod ps;
pub mod rm;
pub mod run;
pub mod stats;
pub mod storage;
pub mod token;
pub mod watch;

use std::time::Duration;

use serde_json::Value;

use crate::client::Client;
use crate::configuration::Settings;
use crate::failure::Failure;
use crate::follow::follow;
use crate::render::name_or_id;
use crate::render::progress::Progress;
use crate::render::table::Look;
use crate::terminal::Terminal;

/// One invocation's server, settings and terminal.
pub struct Session<'terminal> {
    /// The server.
    pub client: Client,
    /// Where server and key came from.
    pub settings: Settings,
    /// The standard streams.
    pub terminal: &'terminal Terminal,
    /// How long to stay with one piece of work.
    pub patience: Duration,
}

impl Session<'_> {
    /// How tables are to be drawn.
    fn look(&self) -> Look {
        if self.terminal.output_is_terminal() {
            Look::Terminal
        } else {
            Look::Plain
        }
    }

    /// Stays with the process of an accepted intent until it, and what follows from it, has ended.
    async fn complete(&self, accepted: &Value) -> Result<(), Failure> {
        let subject = title(accepted);
        // What is already as it was asked to be has no process.
        let Some(process) = process_of(accepted) else {
            return Ok(());
        };
        let mut progress = Progress::new(self.terminal, &subject);
        follow(
            &self.client,
            &process,
            &subject,
            self.patience,
            &mut progress,
        )
        .await
    }

    /// Does the same for each of several targets; one that fails does not keep the next from it.
    async fn for_each<'a, Act>(&self, targets: &'a [String], act: Act) -> Result<(), Failure>
    where
        Act: AsyncFn(&'a str) -> Result<(), Failure>,
    {
        let mut failed = 0;
        let mut first = None;
        for target in targets {
            match act(target).await {
                Ok(()) => {}
                // Only one to report on; nobody left to report to; or no wish to go on.
                Err(failure)
                    if targets.len() == 1
                        || matches!(
                            failure,
                            Failure::OutputClosed | Failure::Interrupted { .. }
                        ) =>
                {
                    return Err(failure);
                }
                Err(failure) => {
                    self.terminal.failure(&failure);
                    failed += 1;
                    first.get_or_insert(failure.exit_code());
                }
            }
        }
        match first {
            None => Ok(()),
            Some(code) => Err(Failure::Several {
                failed,
                total: targets.len(),
                code,
            }),
        }
    }
}

/// The name of a resource, or its short id.
fn title(resource: &Value) -> String {
    let text = |field: &str| resource[field].as_str().unwrap_or_default();
    name_or_id(text("name"), text("id"))
}

/// The id of the process that an accepted intent is carried out by.
fn process_of(accepted: &Value) -> Option<String> {
    let address = accepted.pointer("/links/process")?.as_str()?;
    let id = address.trim_end_matches('/').rsplit('/').next()?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// The id of a resource, which every answer has.
fn id_of<'a>(client: &Client, resource: &'a Value) -> Result<&'a str, Failure> {
    resource["id"]
        .as_str()
        .ok_or_else(|| client.not_the_api("a resource has no `id`"))
}
