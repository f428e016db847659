//! Containers as a table.

use std::collections::BTreeMap;

use drover_domain::Timestamp;

use super::table::{Field, Look, draw};
use super::{IdLength, span};
use crate::client::views::{Binding, Container};

/// A table of containers; `hosts` are the names of hosts by id.
pub fn table(
    containers: &[Container],
    hosts: &BTreeMap<String, String>,
    now: Timestamp,
    ids: IdLength,
    look: Look,
) -> String {
    let rows = containers
        .iter()
        .map(|container| {
            vec![
                container.name.as_str().into(),
                ids.of(&container.id).into(),
                container.image.as_str().into(),
                Field::State(state(container)),
                host(container, hosts).into(),
                ports(&container.bound_ports).into(),
                span::age(container.created, now).into(),
            ]
        })
        .collect();
    draw(
        &["NAME", "ID", "IMAGE", "STATE", "HOST", "PORTS", "AGE"],
        rows,
        look,
    )
}

/// The ports as they are bound: `127.0.0.1:8080->80/tcp, 53/udp`.
pub fn ports(bindings: &[Binding]) -> String {
    let texts: Vec<String> = bindings.iter().map(port).collect();
    texts.join(", ")
}

fn port(binding: &Binding) -> String {
    let protocol = match binding.protocol.as_str() {
        "" => "tcp",
        protocol => protocol,
    };
    let inside = format!("{}/{protocol}", binding.container_port);
    match (binding.host_ip.as_deref(), binding.host_port) {
        (_, None) => inside,
        (None, Some(port)) => format!("*:{port}->{inside}"),
        (Some(address), Some(port)) if address.contains(':') => {
            format!("[{address}]:{port}->{inside}")
        }
        (Some(address), Some(port)) => format!("{address}:{port}->{inside}"),
    }
}

/// The state; a stopped container's with the exit code, unless that was 0.
fn state(container: &Container) -> String {
    match (container.state.as_str(), container.exit_code) {
        ("stopped", Some(code)) if code != 0 => format!("stopped ({code})"),
        ("restarting", _) if container.crash_loop => "restarting (crash loop)".to_owned(),
        (state, _) => match &container.health_state {
            Some(health) => format!("{state} ({health})"),
            None => state.to_owned(),
        },
    }
}

fn host(container: &Container, hosts: &BTreeMap<String, String>) -> String {
    let Some(id) = &container.host_id else {
        return String::new();
    };
    match hosts.get(id) {
        Some(name) => super::name_or_id(name, id),
        None => IdLength::Short.of(id),
    }
}
