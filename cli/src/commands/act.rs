//! `drover start`, `stop`, `restart`: an action on each target, followed to its end.

use super::{Session, id_of, title};
use crate::arguments::ActArguments;
use crate::client::Kind;
use crate::failure::Failure;
use crate::render::escape::escape;

/// Carries out `drover start`.
///
/// # Errors
/// What was refused or failed; of several targets, how many.
pub async fn start(session: &Session<'_>, arguments: &ActArguments) -> Result<(), Failure> {
    act(session, arguments, "start").await
}

/// Carries out `drover stop`.
///
/// # Errors
/// What was refused or failed; of several targets, how many.
pub async fn stop(session: &Session<'_>, arguments: &ActArguments) -> Result<(), Failure> {
    act(session, arguments, "stop").await
}

/// Carries out `drover restart`.
///
/// # Errors
/// What was refused or failed; of several targets, how many.
pub async fn restart(session: &Session<'_>, arguments: &ActArguments) -> Result<(), Failure> {
    act(session, arguments, "restart").await
}

async fn act(session: &Session<'_>, arguments: &ActArguments, action: &str) -> Result<(), Failure> {
    let client = &session.client;
    session
        .for_each(&arguments.targets, async |target| {
            let container = client.find(Kind::Container, target).await?;
            let path = format!("/v1/containers/{}", id_of(client, &container)?);
            // The server decides whether the state allows it, and says why not.
            let mut resource = client
                .post(&format!("{path}/{action}"), &serde_json::json!({}))
                .await?;
            if !arguments.detach {
                session.complete(&resource).await?;
                resource = client.get(&path, &[]).await?;
            }
            if session.terminal.wants_json() {
                return session.terminal.print_json(&resource);
            }
            let state = resource["state"].as_str().unwrap_or("gone");
            let sentence = format!("{}: {state}", title(&resource));
            session.terminal.print(&escape(&sentence))
        })
        .await
}
