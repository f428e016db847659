//! `drover rm`: removes containers, and purges them when asked to.

use serde_json::{Value, json};

use super::{Session, id_of, title};
use crate::arguments::RmArguments;
use crate::client::Kind;
use crate::failure::Failure;
use crate::render::escape::escape;

/// Carries out the command.
///
/// # Errors
/// What was refused or failed; of several targets, how many.
pub async fn remove(session: &Session<'_>, arguments: &RmArguments) -> Result<(), Failure> {
    session
        .for_each(&arguments.targets, async |target| {
            let container = session.client.find(Kind::Container, target).await?;
            remove_one(session, arguments, container).await
        })
        .await
}

async fn remove_one(
    session: &Session<'_>,
    arguments: &RmArguments,
    container: Value,
) -> Result<(), Failure> {
    let client = &session.client;
    let path = format!("/v1/containers/{}", id_of(client, &container)?);
    let subject = title(&container);
    let is_removed = container["state"] == "removed";
    let mut resource = container;
    // What is removed already only needs to be forgotten.
    if !(is_removed && arguments.purge) {
        let force: &[(&str, &str)] = if arguments.force {
            &[("force", "true")]
        } else {
            &[]
        };
        resource = client.delete(&path, force).await?;
        if !arguments.detach {
            session.complete(&resource).await?;
            resource = client.get(&path, &[]).await?;
        }
    }
    if arguments.purge {
        resource = client.post(&format!("{path}/purge"), &json!({})).await?;
        session.complete(&resource).await?;
    }
    if session.terminal.wants_json() {
        return session.terminal.print_json(&resource);
    }
    let state = match (arguments.purge, resource["state"].as_str()) {
        (true, _) => "purged",
        (false, state) => state.unwrap_or("removed"),
    };
    session
        .terminal
        .print(&escape(&format!("{subject}: {state}")))
}
