//! `drover processes`: lists the newest processes, of everything or of one resource.

use serde_json::Value;

use super::{Session, id_of};
use crate::arguments::ProcessesArguments;
use crate::client::Kind;
use crate::client::views::Process;
use crate::clock;
use crate::failure::Failure;
use crate::render::{IdLength, processes};

/// Carries out the command.
///
/// # Errors
/// When the resource is not found, or that of a call.
pub async fn list(session: &Session<'_>, arguments: &ProcessesArguments) -> Result<(), Failure> {
    let client = &session.client;
    let resource = match &arguments.resource {
        None => None,
        Some(reference) => {
            let kinds = [Kind::Container, Kind::Host];
            Some(client.find_any(&kinds, reference).await?)
        }
    };
    let mut query = Vec::new();
    if let Some(resource) = &resource {
        query.push(("resourceId", id_of(client, resource)?));
    }
    if let Some(phase) = arguments.phase {
        query.push(("phase", phase.as_str()));
    }
    let most = usize::try_from(arguments.limit).unwrap_or(usize::MAX);
    let found = client.newest("/v1/processes", &query, most).await?;
    if session.terminal.wants_json() {
        return session.terminal.print_json(&Value::Array(found));
    }
    let mut list = Vec::with_capacity(found.len());
    for process in &found {
        list.push(client.view::<Process>(process)?);
    }
    let ids = IdLength::from_wide(arguments.wide);
    let table = processes::table(&list, clock::now(), ids, session.look());
    session.terminal.print(&table)
}
