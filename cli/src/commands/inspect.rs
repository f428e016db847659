//! `drover inspect`: all there is to know of containers and hosts.

use super::Session;
use crate::arguments::TargetArguments;
use crate::client::Kind;
use crate::failure::Failure;
use crate::render::details;

/// Carries out the command.
///
/// # Errors
/// When a target is not found, or that of the call.
pub async fn inspect(session: &Session<'_>, arguments: &TargetArguments) -> Result<(), Failure> {
    session
        .for_each(&arguments.targets, async |target| {
            let kinds = [Kind::Container, Kind::Host];
            let resource = session.client.find_any(&kinds, target).await?;
            if session.terminal.wants_json() {
                session.terminal.print_json(&resource)
            } else {
                session.terminal.print(&details::fields(&resource))
            }
        })
        .await
}
