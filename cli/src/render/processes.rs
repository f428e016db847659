//! Processes as a table.

use drover_domain::Timestamp;

use super::table::{Field, Look, draw};
use super::{IdLength, span};
use crate::client::views::Process;

/// A table of processes.
pub fn table(processes: &[Process], now: Timestamp, ids: IdLength, look: Look) -> String {
    let rows = processes
        .iter()
        .map(|process| {
            let resource = format!("{}/{}", process.resource_type, ids.of(&process.resource_id));
            vec![
                ids.of(&process.id).into(),
                process.name.as_str().into(),
                resource.into(),
                Field::State(process.phase.clone()),
                process.step.as_deref().unwrap_or_default().into(),
                process.attempt.to_string().into(),
                span::age(process.created, now).into(),
                about(process).into(),
            ]
        })
        .collect();
    let header = [
        "ID", "NAME", "RESOURCE", "PHASE", "STEP", "FAILED", "AGE", "MESSAGE",
    ];
    draw(&header, rows, look)
}

fn about(process: &Process) -> String {
    let message = process.message.clone().unwrap_or_default();
    match &process.waiting_on {
        Some(waiting_on) => format!("{message} [waits for {waiting_on}]")
            .trim()
            .to_owned(),
        None => message,
    }
}
