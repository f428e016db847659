//! `drover host`: hosts one by one, and their agents.

use serde_json::{Map, Value, json};

use super::{Session, id_of, title};
use crate::arguments::{
    ActArguments, HostArguments, HostCommand, HostRmArguments, HostSetArguments, TargetArguments,
    Wanted,
};
use crate::client::Kind;
use crate::client::views::HostStats;
use crate::failure::Failure;
use crate::render::escape::escape;
use crate::render::{details, hosts};

/// Carries out the command.
///
/// # Errors
/// What was refused or failed; of several targets, how many.
pub async fn host(session: &Session<'_>, arguments: &HostArguments) -> Result<(), Failure> {
    match &arguments.command {
        HostCommand::Show(arguments) => show(session, arguments).await,
        HostCommand::Stats(arguments) => stats(session, arguments).await,
        HostCommand::Set(arguments) => set(session, arguments).await,
        HostCommand::Activate(arguments) => act(session, arguments, "activate").await,
        HostCommand::Deactivate(arguments) => act(session, arguments, "deactivate").await,
        HostCommand::Evacuate(arguments) => act(session, arguments, "evacuate").await,
        HostCommand::Rm(arguments) => remove(session, arguments).await,
        HostCommand::Rotate(arguments) => rotate(session, arguments).await,
        HostCommand::Revoke(arguments) => revoke(session, arguments).await,
    }
}

async fn show(session: &Session<'_>, arguments: &TargetArguments) -> Result<(), Failure> {
    session
        .for_each(&arguments.targets, async |target| {
            let host = session.client.find(Kind::Host, target).await?;
            tell(session, &host, || details::fields(&host))
        })
        .await
}

async fn stats(session: &Session<'_>, arguments: &TargetArguments) -> Result<(), Failure> {
    let client = &session.client;
    session
        .for_each(&arguments.targets, async |target| {
            let host = client.find(Kind::Host, target).await?;
            let path = format!("/v1/hosts/{}/stats", id_of(client, &host)?);
            let found = client.get(&path, &[]).await?;
            let stats: HostStats = client.view(&found)?;
            tell(session, &found, || hosts::stats(&title(&host), &stats))
        })
        .await
}

async fn set(session: &Session<'_>, arguments: &HostSetArguments) -> Result<(), Failure> {
    let client = &session.client;
    let host = client.find(Kind::Host, &arguments.target).await?;
    let path = format!("/v1/hosts/{}", id_of(client, &host)?);
    let changed = client.patch(&path, &patch(arguments)).await?;
    tell(session, &changed, || details::fields(&changed))
}

/// The merge patch that a command asks for: what is null is taken away.
fn patch(arguments: &HostSetArguments) -> Value {
    let wanted = |wanted: Wanted| match wanted {
        Wanted::Nothing => Value::Null,
        Wanted::Amount(amount) => json!(amount),
    };
    let mut capacity = Map::new();
    if let Some(cpus) = arguments.cpus {
        capacity.insert("cpuMillis".to_owned(), wanted(cpus));
    }
    if let Some(memory) = arguments.memory {
        capacity.insert("memoryMiB".to_owned(), wanted(memory));
    }
    let taken_away = arguments
        .unlabel
        .iter()
        .map(|key| (key.clone(), Value::Null));
    let given = arguments
        .label
        .iter()
        .map(|pair| (pair.key.clone(), json!(pair.value)));
    let labels: Map<String, Value> = taken_away.chain(given).collect();
    let mut patch = Map::new();
    if !capacity.is_empty() {
        patch.insert("capacity".to_owned(), Value::Object(capacity));
    }
    if let Some(maximum) = arguments.max_containers {
        patch.insert("maximumContainers".to_owned(), wanted(maximum));
    }
    if !labels.is_empty() {
        patch.insert("labels".to_owned(), Value::Object(labels));
    }
    Value::Object(patch)
}

async fn act(session: &Session<'_>, arguments: &ActArguments, action: &str) -> Result<(), Failure> {
    let client = &session.client;
    session
        .for_each(&arguments.targets, async |target| {
            let host = client.find(Kind::Host, target).await?;
            let path = format!("/v1/hosts/{}", id_of(client, &host)?);
            let asked = client.post(&format!("{path}/{action}"), &json!({})).await?;
            finish(session, &path, asked, arguments.detach).await
        })
        .await
}

async fn remove(session: &Session<'_>, arguments: &HostRmArguments) -> Result<(), Failure> {
    let client = &session.client;
    let query: &[_] = match arguments.force {
        true => &[("force", "true")],
        false => &[],
    };
    session
        .for_each(&arguments.targets, async |target| {
            let host = client.find(Kind::Host, target).await?;
            let path = format!("/v1/hosts/{}", id_of(client, &host)?);
            let asked = client.delete(&path, query).await?;
            finish(session, &path, asked, arguments.detach).await
        })
        .await
}

async fn rotate(session: &Session<'_>, arguments: &ActArguments) -> Result<(), Failure> {
    let client = &session.client;
    session
        .for_each(&arguments.targets, async |target| {
            let host = client.find(Kind::Host, target).await?;
            let path = agent_of(session, &host)?;
            let asked = client.post(&format!("{path}/rotate"), &json!({})).await?;
            finish(session, &path, asked, arguments.detach).await
        })
        .await
}

async fn revoke(session: &Session<'_>, arguments: &TargetArguments) -> Result<(), Failure> {
    session
        .for_each(&arguments.targets, async |target| {
            let host = session.client.find(Kind::Host, target).await?;
            let path = agent_of(session, &host)?;
            let none = json!({});
            session
                .client
                .post(&format!("{path}/revoke"), &none)
                .await?;
            let sentence = format!("{}: the credential of its agent is revoked", title(&host));
            match session.terminal.wants_json() {
                true => Ok(()),
                false => session.terminal.print(&escape(&sentence)),
            }
        })
        .await
}

/// Waits for what was asked, and shows how the resource is then.
async fn finish(
    session: &Session<'_>,
    path: &str,
    asked: Value,
    detach: bool,
) -> Result<(), Failure> {
    let mut resource = asked;
    if !detach {
        session.complete(&resource).await?;
        resource = session.client.get(path, &[]).await?;
    }
    tell(session, &resource, || {
        let state = resource["state"].as_str().unwrap_or("gone");
        let left = resource["leftBehind"].as_str();
        let left = left.map(|left| format!(" ({left})")).unwrap_or_default();
        escape(&format!("{}: {state}{left}", title(&resource)))
    })
}

fn tell(
    session: &Session<'_>,
    found: &Value,
    text: impl FnOnce() -> String,
) -> Result<(), Failure> {
    match session.terminal.wants_json() {
        true => session.terminal.print_json(found),
        false => session.terminal.print(&text()),
    }
}

/// The address of the agent of a host.
fn agent_of(session: &Session<'_>, host: &Value) -> Result<String, Failure> {
    let id = host["agentId"].as_str();
    let id = id.ok_or_else(|| session.client.not_the_api("a host has no `agentId`"))?;
    Ok(format!("/v1/agents/{id}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Arguments, Command};

    fn patched(line: &[&str]) -> Value {
        let line = ["drover", "host", "set", "h1"].iter().chain(line);
        let arguments = Arguments::from_command_line(line.copied()).unwrap();
        let Command::Host(HostArguments {
            command: HostCommand::Set(arguments),
        }) = arguments.command
        else {
            panic!("another command");
        };
        patch(&arguments)
    }

    #[test]
    fn only_what_was_typed_is_changed() {
        assert_eq!(
            patched(&["--cpus", "1.5", "--max-containers", "20"]),
            json!({ "capacity": { "cpuMillis": 1_500 }, "maximumContainers": 20 })
        );
        assert_eq!(
            patched(&["--memory", "found", "--max-containers", "any"]),
            json!({ "capacity": { "memoryMiB": null }, "maximumContainers": null })
        );
        assert_eq!(
            patched(&[
                "--label",
                "rack=7",
                "--unlabel",
                "old",
                "--unlabel",
                "older"
            ]),
            json!({ "labels": { "rack": "7", "old": null, "older": null } })
        );
    }

    #[test]
    fn nothing_to_change_is_a_mistake() {
        for line in [
            &["drover", "host", "set", "h1"][..],
            &["drover", "host", "set", "h1", "--max-containers", "few"],
            &["drover", "host", "set", "h1", "--memory", "4"],
        ] {
            assert!(Arguments::from_command_line(line.iter().copied()).is_err());
        }
    }
}
