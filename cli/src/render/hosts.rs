//! Hosts as a table: what each has, and how much of it is reserved.

use drover_domain::Timestamp;

use super::table::{Field, Look, draw};
use super::{IdLength, span};
use crate::client::views::Host;

/// A table of hosts.
pub fn table(hosts: &[Host], now: Timestamp, ids: IdLength, look: Look) -> String {
    let rows = hosts
        .iter()
        .map(|host| {
            let (capacity, reserved) = (host.capacity, host.reserved);
            vec![
                host.name.as_str().into(),
                ids.of(&host.id).into(),
                Field::State(host.state.clone()),
                format!(
                    "{} of {}",
                    cpus(reserved.cpu_millis),
                    cpus(capacity.cpu_millis)
                )
                .into(),
                format!("{} of {} MiB", reserved.memory_mib, capacity.memory_mib).into(),
                reserved
                    .containers
                    .map(|count| count.to_string())
                    .unwrap_or_default()
                    .into(),
                format!("{} {}", host.facts.runtime, host.facts.runtime_version)
                    .trim()
                    .into(),
                span::age(host.created, now).into(),
            ]
        })
        .collect();
    let header = [
        "NAME",
        "ID",
        "STATE",
        "CPUS",
        "MEMORY",
        "CONTAINERS",
        "RUNTIME",
        "AGE",
    ];
    draw(&header, rows, look)
}

/// Thousandths as a number of processors: `0.5`, `2`.
fn cpus(millis: i64) -> String {
    let text = format!("{}.{:03}", millis / 1_000, (millis % 1_000).abs());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
