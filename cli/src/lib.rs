//! `drover`: the client for people and scripts. It speaks the public HTTP API and nothing else.
//!
//! ```text
//!  what was typed        what was meant          the API             what is shown
//!  arguments::Arguments -> commands::*  ------> client::Client ----> render::*, terminal
//!                              |
//!                              +-- follow: waits for a process, tells of each step
//! ```
//!
//! - [`arguments`] parses text into values and knows no server.
//! - [`configuration`] settles which server and which key are meant.
//! - [`client`] turns calls into answers or a [`failure::Failure`]; it prints nothing.
//! - [`follow`] stays with a process until it ends, through restarts of the server.
//! - [`render`] turns answers into text. Text that came from elsewhere passes through
//!   [`render::escape`] first, so that no name or message can steer a terminal.
//! - [`terminal`] is the only place that writes to the two standard streams.
//!
//! Results go to standard output, everything about the way there to standard error. The client never
//! decides what is allowed in which state: it asks, and shows the refusal.

pub mod arguments;
pub mod client;
mod clock;
pub mod commands;
pub mod configuration;
pub mod failure;
pub mod follow;
pub mod render;
pub mod terminal;

use arguments::{Arguments, Command};
use client::Client;
use commands::Session;
use failure::Failure;
use terminal::Terminal;

/// Carries out one invocation.
///
/// # Errors
/// What kept it from success; [`Failure::exit_code`] says with which code to end.
pub async fn run(arguments: Arguments, terminal: &Terminal) -> Result<(), Failure> {
    if let Command::Completion(arguments) = &arguments.command {
        return commands::completion::print(arguments, terminal);
    }
    let settings = configuration::resolve(&arguments.connection)?;
    let session = Session {
        client: Client::new(
            &settings.server,
            settings.api_key.clone(),
            settings.ca_file.as_deref(),
        )?,
        settings,
        terminal,
        patience: arguments.connection.timeout,
    };
    match arguments.command {
        Command::Run(arguments) => commands::run::run(&session, *arguments).await,
        Command::Ps(arguments) => commands::ps::list(&session, &arguments).await,
        Command::Inspect(arguments) => commands::inspect::inspect(&session, &arguments).await,
        Command::Start(arguments) => commands::act::start(&session, &arguments).await,
        Command::Stop(arguments) => commands::act::stop(&session, &arguments).await,
        Command::Restart(arguments) => commands::act::restart(&session, &arguments).await,
        Command::Rm(arguments) => commands::rm::remove(&session, &arguments).await,
        Command::Logs(arguments) => commands::logs::logs(&session, &arguments).await,
        Command::Exec(arguments) => commands::exec::exec(&session, &arguments).await,
        Command::Stats(arguments) => commands::stats::stats(&session, &arguments).await,
        Command::Hosts(arguments) => commands::hosts::list(&session, &arguments).await,
        Command::Host(arguments) => commands::host::host(&session, &arguments).await,
        Command::Processes(arguments) => commands::processes::list(&session, &arguments).await,
        Command::Explain(arguments) => commands::explain::explain(&session, &arguments).await,
        Command::Volume(arguments) => commands::storage::volume(&session, arguments.command).await,
        Command::Network(arguments) => {
            commands::storage::network(&session, arguments.command).await
        }
        Command::Image(arguments) => commands::images::image(&session, arguments.command).await,
        Command::Registry(arguments) => {
            commands::images::registry(&session, arguments.command).await
        }
        Command::Token(arguments) => commands::token::token(&session, &arguments).await,
        Command::Login => commands::login::login(&session).await,
        Command::Watch(arguments) => commands::watch::watch(&session, &arguments).await,
        Command::Completion(_) => Ok(()),
    }
}
