//! `drover ps`: lists containers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Session;
use crate::arguments::PsArguments;
use crate::client::Kind;
use crate::client::views::{Container, Host};
use crate::clock;
use crate::failure::Failure;
use crate::render::{IdLength, containers};

/// Carries out the command.
///
/// # Errors
/// That of a call.
pub async fn list(session: &Session<'_>, arguments: &PsArguments) -> Result<(), Failure> {
    let client = &session.client;
    let collection = Kind::Container.collection();
    let mut found = client.list(collection, &[]).await?;
    if arguments.all {
        let removed = client.list(collection, &[("state", "removed")]).await?;
        found.extend(removed);
    }
    if session.terminal.wants_json() {
        return session.terminal.print_json(&Value::Array(found));
    }
    let mut list = Vec::with_capacity(found.len());
    for container in &found {
        list.push(client.view::<Container>(container)?);
    }
    list.sort_by(|left, right| (&left.name, &left.id).cmp(&(&right.name, &right.id)));
    let hosts = host_names(session, &list).await;
    let ids = IdLength::from_wide(arguments.wide);
    let table = containers::table(&list, &hosts, clock::now(), ids, session.look());
    session.terminal.print(&table)
}

/// Names of hosts by id. A key that may not see hosts still lists containers, with ids for names.
async fn host_names(session: &Session<'_>, list: &[Container]) -> BTreeMap<String, String> {
    if list.iter().all(|container| container.host_id.is_none()) {
        return BTreeMap::new();
    }
    let hosts = session.client.list(Kind::Host.collection(), &[]);
    hosts
        .await
        .unwrap_or_default()
        .iter()
        .filter_map(|host| session.client.view::<Host>(host).ok())
        .map(|host| (host.id, host.name))
        .collect()
}
