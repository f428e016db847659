//! `drover volume` and `drover network`: makes, lists, shows and removes what containers refer to by name.

use serde_json::{Value, json};

use super::{Session, id_of, title};
use crate::arguments::{
    NetworkCommand, NetworkCreateArguments, VolumeCommand, VolumeCreateArguments, map_of,
};
use crate::client::Kind;
use crate::clock;
use crate::failure::Failure;
use crate::render::escape::escape;
use crate::render::{IdLength, details, named};

/// Carries out `drover volume`.
///
/// # Errors
/// What the server refused, or why a volume was not removed.
pub async fn volume(session: &Session<'_>, command: VolumeCommand) -> Result<(), Failure> {
    match command {
        VolumeCommand::Create(arguments) => create_volume(session, arguments).await,
        VolumeCommand::List(arguments) => list(session, Kind::Volume, arguments.wide).await,
        VolumeCommand::Show(arguments) => show(session, Kind::Volume, &arguments.targets).await,
        VolumeCommand::Remove(arguments) => {
            remove(session, Kind::Volume, &arguments.targets, arguments.force).await
        }
    }
}

/// Carries out `drover network`.
///
/// # Errors
/// What the server refused.
pub async fn network(session: &Session<'_>, command: NetworkCommand) -> Result<(), Failure> {
    match command {
        NetworkCommand::Create(arguments) => create_network(session, arguments).await,
        NetworkCommand::List(arguments) => list(session, Kind::Network, arguments.wide).await,
        NetworkCommand::Show(arguments) => show(session, Kind::Network, &arguments.targets).await,
        NetworkCommand::Remove(arguments) => {
            remove(session, Kind::Network, &arguments.targets, false).await
        }
    }
}

async fn create_volume(
    session: &Session<'_>,
    arguments: VolumeCreateArguments,
) -> Result<(), Failure> {
    let client = &session.client;
    let host = match &arguments.host {
        None => Value::Null,
        Some(host) => json!(id_of(client, &client.find(Kind::Host, host).await?)?),
    };
    let body = json!({
        "name": arguments.name,
        "labels": map_of(arguments.label),
        "hostId": host,
    });
    create(session, Kind::Volume, &body).await
}

async fn create_network(
    session: &Session<'_>,
    arguments: NetworkCreateArguments,
) -> Result<(), Failure> {
    let body = json!({
        "name": arguments.name,
        "labels": map_of(arguments.label),
        "internal": arguments.internal,
    });
    create(session, Kind::Network, &body).await
}

async fn create(session: &Session<'_>, kind: Kind, body: &Value) -> Result<(), Failure> {
    let made = session.client.post(kind.collection(), body).await?;
    if session.terminal.wants_json() {
        return session.terminal.print_json(&made);
    }
    session
        .terminal
        .print(&escape(id_of(&session.client, &made)?))
}

async fn list(session: &Session<'_>, kind: Kind, wide: bool) -> Result<(), Failure> {
    let client = &session.client;
    let found = client.list(kind.collection(), &[]).await?;
    if session.terminal.wants_json() {
        return session.terminal.print_json(&Value::Array(found));
    }
    let mut list = Vec::with_capacity(found.len());
    for one in &found {
        list.push(client.view(one)?);
    }
    let ids = IdLength::from_wide(wide);
    let table = named::table(
        list,
        kind == Kind::Volume,
        clock::now(),
        ids,
        session.look(),
    );
    session.terminal.print(&table)
}

/// Shows all there is to know of some.
pub(super) async fn show(
    session: &Session<'_>,
    kind: Kind,
    targets: &[String],
) -> Result<(), Failure> {
    session
        .for_each(targets, async |target| {
            let resource = session.client.find(kind, target).await?;
            match session.terminal.wants_json() {
                true => session.terminal.print_json(&resource),
                false => session.terminal.print(&details::fields(&resource)),
            }
        })
        .await
}

/// Removes some, and waits until they are gone.
pub(super) async fn remove(
    session: &Session<'_>,
    kind: Kind,
    targets: &[String],
    force: bool,
) -> Result<(), Failure> {
    let force: &[(&str, &str)] = match force {
        true => &[("force", "true")],
        false => &[],
    };
    session
        .for_each(targets, async |target| {
            let client = &session.client;
            let found = client.find(kind, target).await?;
            let path = format!("{}/{}", kind.collection(), id_of(client, &found)?);
            let accepted = client.delete(&path, force).await?;
            // What needs no work is gone at once, and answered with nothing.
            if !accepted.is_null() {
                session.complete(&accepted).await?;
            }
            let resource = client.get(&path, &[]).await?;
            if session.terminal.wants_json() {
                return session.terminal.print_json(&resource);
            }
            let state = resource["state"].as_str().unwrap_or("removed");
            let line = format!("{}: {state}", title(&found));
            session.terminal.print(&escape(&line))
        })
        .await
}
