//! `drover hosts`: lists hosts, what they have and what is reserved of it.

use serde_json::Value;

use super::Session;
use crate::arguments::ListArguments;
use crate::client::Kind;
use crate::client::views::Host;
use crate::clock;
use crate::failure::Failure;
use crate::render::{IdLength, hosts};

/// Carries out the command.
///
/// # Errors
/// That of the call.
pub async fn list(session: &Session<'_>, arguments: &ListArguments) -> Result<(), Failure> {
    let client = &session.client;
    let found = client.list(Kind::Host.collection(), &[]).await?;
    if session.terminal.wants_json() {
        return session.terminal.print_json(&Value::Array(found));
    }
    let mut list = Vec::with_capacity(found.len());
    for host in &found {
        list.push(client.view::<Host>(host)?);
    }
    list.sort_by(|left, right| (&left.name, &left.id).cmp(&(&right.name, &right.id)));
    let ids = IdLength::from_wide(arguments.wide);
    session
        .terminal
        .print(&hosts::table(&list, clock::now(), ids, session.look()))
}
