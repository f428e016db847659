//! Docker's descriptions of a container, in the agent's terms.

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary,
    ContainerSummaryStateEnum, EndpointSettings, PortMap,
};
use drover_domain::{ResourceId, Timestamp};
use drover_proto::v1::{Port, SeenContainer, seen_container::State};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

use super::labels;

/// From an inspection.
pub(super) fn inspected(id: ResourceId, found: &ContainerInspectResponse) -> SeenContainer {
    use ContainerStateStatusEnum as Status;
    let told = found.state.as_ref();
    let state = match told.and_then(|state| state.status) {
        Some(Status::CREATED) => State::Created,
        Some(Status::RUNNING | Status::PAUSED | Status::RESTARTING) => State::Running,
        _ => State::Exited,
    };
    let exit_code = told
        .filter(|_| state == State::Exited)
        .and_then(|state| i32::try_from(state.exit_code?).ok());
    let network = found.network_settings.as_ref();
    SeenContainer {
        container_id: id.to_string(),
        runtime_id: found.id.clone().unwrap_or_default(),
        state: state.into(),
        exit_code,
        bound_ports: bound_ports(network.and_then(|network| network.ports.as_ref())),
        address: address(
            network
                .and_then(|network| network.networks.as_ref())
                .into_iter()
                .flat_map(|networks| networks.values()),
        ),
        ran_millis: told.filter(|_| state == State::Exited).and_then(|state| {
            ran_millis(state.started_at.as_deref()?, state.finished_at.as_deref()?)
        }),
        ..SeenContainer::default()
    }
}

/// One that was made a moment ago.
pub(super) fn made(id: ResourceId, runtime_id: String) -> SeenContainer {
    SeenContainer {
        container_id: id.to_string(),
        runtime_id,
        state: State::Created.into(),
        ..SeenContainer::default()
    }
}

/// How long Docker may take, in milliseconds, to write down that a container has begun. One that has ended
/// by then ended, in Docker's words, before it began.
const WRITTEN_WITHIN: i64 = 60_000;

/// Whether a container is in a network of its project.
pub(super) fn is_in_a_project(found: &ContainerInspectResponse) -> bool {
    let network = found.network_settings.as_ref();
    let joined = network.and_then(|network| network.networks.as_ref());
    let mut names = joined.into_iter().flatten().map(|(name, _)| name);
    names.any(|name| name.starts_with("drover-"))
}

/// How long a run lasted, from Docker's moments of its beginning and its end.
fn ran_millis(started: &str, finished: &str) -> Option<i64> {
    let moment = |text: &str| {
        let text: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
        Some(Timestamp::deserialize(text).ok()?.millis())
    };
    // One that never began has the year 1 for both.
    let (started, finished) = (moment(started)?, moment(finished)?);
    let lasted = finished - started;
    (lasted >= -WRITTEN_WITHIN).then_some(lasted.max(0))
}

/// From a list. `None` if it bears no id of Drover's.
pub(super) fn listed(found: &ContainerSummary) -> Option<SeenContainer> {
    use ContainerSummaryStateEnum as Status;
    let container_id = found.labels.as_ref()?.get(labels::CONTAINER)?;
    let state = match found.state {
        Some(Status::CREATED) => State::Created,
        Some(Status::RUNNING | Status::PAUSED | Status::RESTARTING) => State::Running,
        _ => State::Exited,
    };
    let exit_code = (state == State::Exited)
        .then(|| exit_code_in(found.status.as_deref()?))
        .flatten();
    let ports = found.ports.iter().flatten().filter_map(|port| {
        Some(Port {
            host_ip: every_address_is_empty(port.ip.as_deref()),
            host_port: u32::from(port.public_port?),
            container_port: u32::from(port.private_port),
            protocol: port.typ.map(|typ| typ.to_string()).unwrap_or_default(),
        })
    });
    let networks = found.network_settings.as_ref();
    Some(SeenContainer {
        container_id: container_id.clone(),
        runtime_id: found.id.clone().unwrap_or_default(),
        state: state.into(),
        exit_code,
        bound_ports: in_order(ports.collect()),
        address: address(
            networks
                .and_then(|settings| settings.networks.as_ref())
                .into_iter()
                .flat_map(|networks| networks.values()),
        ),
        ..SeenContainer::default()
    })
}

/// The exit code in Docker's words for a person: `Exited (3) 2 seconds ago`.
fn exit_code_in(status: &str) -> Option<i32> {
    let (code, _) = status.strip_prefix("Exited (")?.split_once(')')?;
    code.parse().ok()
}

fn bound_ports(ports: Option<&PortMap>) -> Vec<Port> {
    let bound = ports.into_iter().flatten().flat_map(|(inside, bindings)| {
        let (number, protocol) = inside.split_once('/').unwrap_or((inside, "tcp"));
        bindings.iter().flatten().filter_map(move |binding| {
            Some(Port {
                host_ip: every_address_is_empty(binding.host_ip.as_deref()),
                host_port: binding.host_port.as_deref()?.parse().ok()?,
                container_port: number.parse().ok()?,
                protocol: protocol.to_owned(),
            })
        })
    });
    in_order(bound.collect())
}

/// Docker tells of every address twice, once for each version of IP.
fn every_address_is_empty(ip: Option<&str>) -> String {
    match ip {
        None | Some("0.0.0.0" | "::") => String::new(),
        Some(ip) => ip.to_owned(),
    }
}

/// The same ports always in the same order, each once.
fn in_order(mut ports: Vec<Port>) -> Vec<Port> {
    ports.sort_by(|one, other| {
        let key = |port: &Port| (port.container_port, port.host_port);
        key(one)
            .cmp(&key(other))
            .then_with(|| one.protocol.cmp(&other.protocol))
            .then_with(|| one.host_ip.cmp(&other.host_ip))
    });
    ports.dedup();
    ports
}

fn address<'a>(mut networks: impl Iterator<Item = &'a EndpointSettings>) -> String {
    networks
        .find_map(|network| {
            network
                .ip_address
                .clone()
                .filter(|address| !address.is_empty())
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_is_read_from_a_list() {
        assert_eq!(exit_code_in("Exited (137) 3 minutes ago"), Some(137));
        assert_eq!(exit_code_in("Up 3 minutes"), None);
    }

    #[test]
    fn how_long_a_run_lasted_is_read_from_its_moments() {
        let started = "2026-11-21T00:00:00.5Z";
        assert_eq!(
            ran_millis(started, "2026-11-21T00:00:02.123456789Z"),
            Some(1_623)
        );
        // It had ended before Docker wrote down that it had begun.
        assert_eq!(ran_millis(started, "2026-11-21T00:00:00.4Z"), Some(0));
        assert_eq!(ran_millis(started, "2026-11-20T00:00:00Z"), None);
        assert_eq!(ran_millis(started, "never"), None);
    }

    #[test]
    fn a_port_that_is_bound_for_both_versions_of_ip_is_told_once() {
        let ports = serde_json::from_str::<PortMap>(
            r#"{"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"},
                           {"HostIp": "::", "HostPort": "8080"}],
                "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "5353"}],
                "99/tcp": null}"#,
        )
        .unwrap();
        let bound = bound_ports(Some(&ports));
        assert_eq!(bound.len(), 2);
        assert_eq!(
            (bound[0].host_port, bound[0].host_ip.as_str()),
            (5353, "127.0.0.1")
        );
        assert_eq!((bound[1].host_port, bound[1].host_ip.as_str()), (8080, ""));
    }
}
