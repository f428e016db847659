//! Hosts as a table: what each has, and how much of it is reserved.

use drover_domain::Timestamp;

use super::escape::escape;
use super::table::{Field, Look, draw};
use super::{IdLength, span};
use crate::client::views::{Host, HostStats};

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
                containers(reserved.containers, host.maximum_containers).into(),
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

/// How many there are, of how many there may be.
fn containers(count: Option<u64>, most: Option<u64>) -> String {
    match (count, most) {
        (Some(count), Some(most)) => format!("{count} of {most}"),
        (Some(count), None) => count.to_string(),
        (None, _) => String::new(),
    }
}

/// How busy a host is, a line for each thing.
pub fn stats(name: &str, stats: &HostStats) -> String {
    let [one, five, fifteen] = stats.load;
    let there = stats.containers;
    let lines = [
        ("host", escape(name)),
        ("cpus", cpus(stats.cpu_millis)),
        ("memory", used(stats.memory_used_mib, stats.memory_mib)),
        ("disk", used(stats.disk_used_mib, stats.disk_mib)),
        ("load", format!("{one:.2} {five:.2} {fifteen:.2}")),
        (
            "containers",
            format!(
                "{} running, {} created, {} exited",
                there.running, there.created, there.exited
            ),
        ),
    ];
    let lines = lines.map(|(what, value)| format!("{what:10}  {value}"));
    lines.join("\n")
}

fn used(used: u64, all: u64) -> String {
    format!("{used} of {all} MiB")
}

/// Thousandths as a number of processors: `0.5`, `2`.
fn cpus(millis: i64) -> String {
    let text = format!("{}.{:03}", millis / 1_000, (millis % 1_000).abs());
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
