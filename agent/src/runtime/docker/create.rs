//! Making a container: Docker's terms for what was asked.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, PortBinding, PortMap};
use bollard::query_parameters::CreateContainerOptionsBuilder;
use drover_domain::ResourceId;
use drover_proto::v1::{CreateContainer, Port};

use super::health;
use super::labels::{self, Labels};
use super::networks::Bridges;
use super::refusal::{explain, status_of, words_of};
use crate::runtime::{RuntimeError, port_key};

/// What is to be made.
pub(super) struct Made<'a> {
    pub(super) wanted: &'a CreateContainer,
    /// What it mounts.
    pub(super) mounts: Vec<Mount>,
    /// What makes the networks that it joins.
    pub(super) bridges: &'a Bridges,
}

/// What is there after that.
pub(super) enum Created {
    /// A new container, by Docker's id of it.
    New(String),
    /// One of that name, which was there before and was left as it is; the caller sees whose it is.
    There,
}

/// Makes the container of an image that is there.
pub(super) async fn create(
    docker: &Docker,
    id: ResourceId,
    made: Made<'_>,
    labels: &Labels,
) -> Result<Created, RuntimeError> {
    let wanted = made.wanted;
    let image_is_missing = |error: &bollard::errors::Error| {
        status_of(error) == Some(404) && words_of(error).contains("No such image")
    };
    let check = health::written(wanted)?;
    let check = check.as_deref();
    match try_create(docker, id, &made, labels, check).await? {
        Ok(created) => Ok(created),
        Err(error) if image_is_missing(&error) => Err(RuntimeError::ImageMissing(words_of(&error))),
        Err(error) => Err(explain(&error)),
    }
}

async fn try_create(
    docker: &Docker,
    id: ResourceId,
    made: &Made<'_>,
    labels: &Labels,
    check: Option<&str>,
) -> Result<Result<Created, bollard::errors::Error>, RuntimeError> {
    let Made {
        wanted, bridges, ..
    } = made;
    // No network that it joins is taken away before it is there.
    let _in_use = bridges.in_use.read().await;
    let networking = bridges.prepare(docker, wanted, labels).await?;
    let options = CreateContainerOptionsBuilder::new()
        .name(&labels::name(id))
        .build();
    let mut body = body(wanted, labels.of_container(id, wanted, check));
    if let (Some(host), false) = (&mut body.host_config, made.mounts.is_empty()) {
        host.mounts = Some(made.mounts.clone());
    }
    body.networking_config = networking;
    Ok(match docker.create_container(Some(options), body).await {
        Ok(made) => Ok(Created::New(made.id)),
        Err(error) if status_of(&error) == Some(409) && words_of(&error).contains("in use by") => {
            Ok(Created::There)
        }
        Err(error) => Err(error),
    })
}

fn body(wanted: &CreateContainer, labels: HashMap<String, String>) -> ContainerCreateBody {
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let list = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let first = wanted.networks.first();
    let network = match (wanted.network.as_str(), first) {
        ("", _) => "bridge".to_owned(),
        ("project", Some(first)) => format!("drover-{}", first.network_id),
        (named, _) => named.to_owned(),
    };
    let has_own_name = network != "host" && is_dns_label(&wanted.name);
    ContainerCreateBody {
        hostname: has_own_name.then(|| wanted.name.clone()),
        image: Some(wanted.image.clone()),
        entrypoint: list(&wanted.entrypoint),
        cmd: list(&wanted.command),
        env: Some(
            wanted
                .environment
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
        ),
        working_dir: text(&wanted.working_dir),
        user: text(&wanted.user),
        labels: Some(labels),
        exposed_ports: Some(wanted.ports.iter().map(port_key).collect()),
        host_config: Some(HostConfig {
            network_mode: Some(network),
            port_bindings: Some(port_bindings(&wanted.ports)),
            memory: (wanted.memory_mib > 0).then(|| i64::from(wanted.memory_mib) << 20),
            nano_cpus: (wanted.cpu_millis > 0).then(|| i64::from(wanted.cpu_millis) * 1_000_000),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn port_bindings(ports: &[Port]) -> PortMap {
    let mut bindings = PortMap::new();
    for port in ports {
        let bound = bindings.entry(port_key(port)).or_default();
        bound.get_or_insert_default().push(PortBinding {
            host_ip: Some(port.host_ip.clone()),
            // Docker takes no number for "choose one".
            host_port: Some(match port.host_port {
                0 => String::new(),
                chosen => chosen.to_string(),
            }),
        });
    }
    bindings
}

/// Whether a name can be the name of a machine.
fn is_dns_label(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_a_machine_can_have_becomes_the_host_name() {
        let of = |name: &str, network: &str| {
            let wanted = CreateContainer {
                name: name.into(),
                network: network.into(),
                ..CreateContainer::default()
            };
            body(&wanted, HashMap::new()).hostname
        };
        assert_eq!(of("web-1", "bridge").as_deref(), Some("web-1"));
        assert_eq!(of("web_1", "bridge"), None);
        assert_eq!(of("-web", ""), None);
        assert_eq!(of("", ""), None);
        assert_eq!(of("web", "host"), None);
    }

    #[test]
    fn limits_are_told_in_dockers_units_and_left_out_when_there_are_none() {
        let limited = CreateContainer {
            memory_mib: 64,
            cpu_millis: 500,
            ..CreateContainer::default()
        };
        let told = body(&limited, HashMap::new()).host_config.unwrap();
        assert_eq!(
            (told.memory, told.nano_cpus),
            (Some(67_108_864), Some(500_000_000))
        );
        let free = body(&CreateContainer::default(), HashMap::new());
        let told = free.host_config.unwrap();
        assert_eq!((told.memory, told.nano_cpus), (None, None));
    }
}
