//! `drover logs`: prints what a container has written, to the stream that it was written to.
//!
//! It is printed as it was written: colours are wanted, and who can write a log that does harm to a
//! terminal runs the container.

use drover_domain::stream::Channel;

use super::{Session, id_of};
use crate::arguments::LogsArguments;
use crate::client::{Kind, Told};
use crate::clock;
use crate::failure::Failure;

/// Carries out the command.
///
/// # Errors
/// When the log cannot be had, or breaks off.
pub async fn logs(session: &Session<'_>, arguments: &LogsArguments) -> Result<(), Failure> {
    let client = &session.client;
    let container = client.find(Kind::Container, &arguments.container).await?;
    let path = format!("/v1/containers/{}/logs", id_of(client, &container)?);
    let mut query = vec![
        ("follow", arguments.follow.to_string()),
        ("timestamps", arguments.timestamps.to_string()),
    ];
    query.extend(arguments.tail.map(|tail| ("tail", tail.to_string())));
    if let Some(since) = &arguments.since {
        query.push(("since", since.before(clock::now()).to_string()));
    }
    let reading = read(session, &path, &query);
    tokio::select! {
        read = reading => read,
        // To be interrupted is how one that follows ends.
        _ = tokio::signal::ctrl_c(), if arguments.follow => Ok(()),
    }
}

async fn read(session: &Session<'_>, path: &str, query: &[(&str, String)]) -> Result<(), Failure> {
    if session.terminal.wants_json() {
        return lines(session, path, query).await;
    }
    let (_writing, mut reading) = session.client.stream(path, query).await?;
    loop {
        match reading.next().await? {
            Told::Output(Channel::Stderr, bytes) => session.terminal.pass_error(&bytes)?,
            Told::Output(_, bytes) => session.terminal.pass(&bytes)?,
            Told::Control(_) => {}
            Told::End => return Ok(()),
        }
    }
}

/// The lines of JSON that the API has.
async fn lines(session: &Session<'_>, path: &str, query: &[(&str, String)]) -> Result<(), Failure> {
    let mut body = session.client.lines(path, query).await?;
    loop {
        match body.chunk().await {
            Ok(Some(bytes)) => session.terminal.pass(&bytes)?,
            Ok(None) => return Ok(()),
            Err(_) => {
                return Err(Failure::StreamBroken {
                    code: None,
                    message: "the connection broke before the end".to_owned(),
                });
            }
        }
    }
}
