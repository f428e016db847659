//! `drover explain`: what was asked of a resource, how far each intent came, what it waits for and
//! why it failed.

use serde_json::{Value, json};

use super::{Session, id_of, title};
use crate::arguments::ExplainArguments;
use crate::client::Kind;
use crate::client::views::Process;
use crate::clock;
use crate::failure::Failure;
use crate::render::timeline::{timeline, verdict};

/// The most processes that are told of: the newest.
const MOST: usize = 20;

/// Carries out the command.
///
/// # Errors
/// When nothing is found, or that of a call.
pub async fn explain(session: &Session<'_>, arguments: &ExplainArguments) -> Result<(), Failure> {
    let client = &session.client;
    let reference = &arguments.resource;
    let kinds = [Kind::Container, Kind::Host];
    let (resource, processes) = match client.find_any(&kinds, reference).await {
        Ok(resource) => {
            let query = [("resourceId", id_of(client, &resource)?)];
            let processes = client.newest("/v1/processes", &query, MOST).await?;
            (Some(resource), processes)
        }
        Err(not_found @ Failure::NotFound { .. }) => (
            None,
            vec![process(session, reference).await.ok_or(not_found)?],
        ),
        Err(failure) => return Err(failure),
    };
    if session.terminal.wants_json() {
        return session
            .terminal
            .print_json(&json!({"resource": resource, "processes": processes}));
    }
    let mut list = Vec::with_capacity(processes.len());
    for process in &processes {
        list.push(client.view::<Process>(process)?);
    }
    let now = clock::now();
    let mut text = resource.as_ref().map(heading).unwrap_or_default();
    text.push_str(&timeline(&list, now));
    text.push_str("\n\n");
    text.push_str(&verdict(&list, now));
    session.terminal.print(&text)
}

/// The process of that id. Whatever goes wrong, the person hears that nothing was found.
async fn process(session: &Session<'_>, reference: &str) -> Option<Value> {
    let id: drover_domain::ProcessId = reference.parse().ok()?;
    let path = format!("/v1/processes/{id}");
    session.client.get(&path, &[]).await.ok()
}

fn heading(resource: &Value) -> String {
    let text = |field: &str| resource[field].as_str().unwrap_or_default();
    let mut heading = format!(
        "{} {}  {}  is {}\n",
        text("type"),
        title(resource),
        text("id"),
        text("state")
    );
    for field in ["transitioningMessage", "error"] {
        if !text(field).is_empty() {
            heading.push_str(&format!("  {}\n", text(field)));
        }
    }
    crate::render::escape::escape_lines(&heading) + "\n"
}
