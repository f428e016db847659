//! Containers on the wire.

use std::collections::BTreeMap;

use drover_domain::resource::{
    ContainerSpec, ContainerStatus, ImageSpec, Mount, NetworkAttachment, NetworkSpec, Port,
    Protocol, PullPolicy,
};
use drover_domain::{Resource, ResourceId, ResourceType};

use crate::envelope::shorten;
use crate::{Malformed, v1};

/// What the names that a container refers to mean.
#[derive(Clone, Debug, Default)]
pub struct Referred {
    /// The volumes of its project by their names.
    pub volumes: BTreeMap<String, ResourceId>,
    /// The networks of its project by their names.
    pub networks: BTreeMap<String, (ResourceId, NetworkSpec)>,
}

/// The command that makes a container as its spec says.
///
/// # Errors
/// The name of a volume or network that is not among what was given.
pub fn create_container(
    resource: &Resource,
    spec: &ContainerSpec,
    referred: &Referred,
) -> Result<v1::CreateContainer, NotReferred> {
    let mounts: Result<Vec<_>, _> = spec
        .volumes
        .iter()
        .map(|mount| mounted(mount, referred))
        .collect();
    let own = spec.networks.iter().filter(|one| !one.is_built_in());
    let networks: Result<Vec<_>, _> = own
        .map(|attachment| joined(&resource.name, attachment, referred))
        .collect();
    Ok(v1::CreateContainer {
        mounts: mounts?,
        networks: networks?,
        ..alone(resource, spec)
    })
}

/// The name of a volume or network that is not there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no {0} `{1}` in the project")]
pub struct NotReferred(pub ResourceType, pub String);

fn mounted(mount: &Mount, referred: &Referred) -> Result<v1::Mount, NotReferred> {
    let source = match (&mount.volume, &mount.host_path) {
        (Some(volume), _) => {
            let id = referred.volumes.get(volume);
            let id = id.ok_or_else(|| NotReferred(ResourceType::Volume, volume.clone()))?;
            Some(v1::mount::Source::VolumeId(id.to_string()))
        }
        (None, path) => path.clone().map(v1::mount::Source::HostPath),
    };
    Ok(v1::Mount {
        source,
        target: mount.target.clone(),
        read_only: mount.read_only,
    })
}

/// A container is known in a network by its aliases and by its own name.
fn joined(
    name: &str,
    attachment: &NetworkAttachment,
    referred: &Referred,
) -> Result<v1::JoinedNetwork, NotReferred> {
    let known = referred.networks.get(&attachment.network);
    let (id, spec) =
        known.ok_or_else(|| NotReferred(ResourceType::Network, attachment.network.clone()))?;
    let mut aliases = attachment.aliases.clone();
    let letters = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
    let is_label = (1..=63).contains(&name.len()) && name.bytes().all(letters);
    if is_label && !aliases.iter().any(|alias| alias == name) {
        aliases.push(name.to_owned());
    }
    Ok(v1::JoinedNetwork {
        network_id: id.to_string(),
        name: attachment.network.clone(),
        aliases,
        internal: spec.internal,
    })
}

/// The command that fetches an image as its spec says.
pub fn pull_image(resource: &Resource, spec: &ImageSpec) -> v1::PullImage {
    v1::PullImage {
        image: spec.image.clone(),
        registry_login: None,
        pull_policy: pull_policy(spec.pull_policy).into(),
        labels: resource.labels.clone().into_iter().collect(),
    }
}

impl From<&v1::CreateContainer> for v1::PullImage {
    /// What is to be fetched for a container.
    fn from(container: &v1::CreateContainer) -> Self {
        Self {
            image: container.image.clone(),
            registry_login: container.registry_login.clone(),
            pull_policy: container.pull_policy,
            labels: container.labels.clone(),
        }
    }
}

fn pull_policy(policy: PullPolicy) -> v1::create_container::PullPolicy {
    match policy {
        PullPolicy::IfNotPresent => v1::create_container::PullPolicy::IfNotPresent,
        PullPolicy::Always => v1::create_container::PullPolicy::Always,
        PullPolicy::Never => v1::create_container::PullPolicy::Never,
    }
}

/// The same, without what it refers to.
fn alone(resource: &Resource, spec: &ContainerSpec) -> v1::CreateContainer {
    v1::CreateContainer {
        name: resource.name.clone(),
        project_id: resource
            .project
            .map(|id| id.to_string())
            .unwrap_or_default(),
        image: spec.image.clone(),
        entrypoint: spec.entrypoint.clone(),
        command: spec.command.clone(),
        environment: spec.environment.clone().into_iter().collect(),
        labels: resource.labels.clone().into_iter().collect(),
        working_dir: spec.working_dir.clone().unwrap_or_default(),
        user: spec.user.clone().unwrap_or_default(),
        ports: spec.ports.iter().map(v1::Port::from).collect(),
        memory_mib: spec.resources.memory_mib.unwrap_or_default(),
        cpu_millis: spec.resources.cpu_millis.unwrap_or_default(),
        network: match spec.networks.first() {
            None => "bridge".to_owned(),
            Some(attachment) if attachment.is_built_in() => attachment.network.clone(),
            Some(_) => "project".to_owned(),
        },
        mounts: Vec::new(),
        networks: Vec::new(),
        pull_policy: pull_policy(spec.pull_policy).into(),
        registry_login: None,
        start: false,
        health_check: spec.health_check.as_ref().map(v1::HealthCheck::from),
    }
}

/// The ports of a container as an agent sees them.
///
/// # Errors
/// When one of them cannot be a port.
pub fn seen_ports(seen: &v1::SeenContainer) -> Result<Vec<Port>, Malformed> {
    seen.bound_ports.iter().map(Port::try_from).collect()
}

impl From<&Port> for v1::Port {
    fn from(port: &Port) -> Self {
        Self {
            host_ip: port.host_ip.map(|ip| ip.to_string()).unwrap_or_default(),
            host_port: port.host_port.map_or(0, u32::from),
            container_port: u32::from(port.container_port),
            protocol: port.protocol.as_str().to_owned(),
        }
    }
}

impl TryFrom<&v1::Port> for Port {
    type Error = Malformed;

    fn try_from(port: &v1::Port) -> Result<Self, Malformed> {
        let malformed = |field, value: &dyn std::fmt::Display| Malformed::Field {
            field,
            value: shorten(&value.to_string()),
        };
        let host_ip = match port.host_ip.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| malformed("hostIp", &text))?),
        };
        let host_port =
            u16::try_from(port.host_port).map_err(|_| malformed("hostPort", &port.host_port))?;
        let container_port = u16::try_from(port.container_port)
            .map_err(|_| malformed("containerPort", &port.container_port))?;
        let protocol = match port.protocol.as_str() {
            "" | "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => return Err(malformed("protocol", &other)),
        };
        Ok(Self {
            host_ip,
            host_port: (host_port != 0).then_some(host_port),
            container_port,
            protocol,
        })
    }
}

impl v1::SeenContainer {
    /// Writes what was seen into what is known.
    ///
    /// # Errors
    /// When a port cannot be one; nothing is written then.
    pub fn record(&self, status: &mut ContainerStatus) -> Result<(), Malformed> {
        let bound_ports = seen_ports(self)?;
        let is_there = self.state() != v1::seen_container::State::Missing;
        status.runtime_id = is_there.then(|| self.runtime_id.clone());
        status.exit_code = self.exit_code;
        status.bound_ports = bound_ports;
        status.address = (!self.address.is_empty()).then(|| self.address.clone());
        status.health_state = self.health_state();
        status.health_message = self.health_words();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_survives_the_wire() {
        for text in [
            r#"{"containerPort": 80}"#,
            r#"{"containerPort": 53, "hostPort": 5353, "hostIp": "::1", "protocol": "udp"}"#,
        ] {
            let port: Port = serde_json::from_str(text).unwrap();
            assert_eq!(Port::try_from(&v1::Port::from(&port)).unwrap(), port);
        }
    }

    #[test]
    fn the_password_of_a_registry_is_not_printed() {
        let command = v1::CreateContainer {
            registry_login: Some(v1::RegistryLogin {
                username: "robot".into(),
                password: "hunter2".into(),
            }),
            ..v1::CreateContainer::default()
        };
        let printed = format!("{command:?} {:?}", v1::PullImage::from(&command));
        assert!(
            printed.contains("robot") && !printed.contains("hunter2"),
            "{printed}"
        );
    }

    #[test]
    fn a_port_that_cannot_be_is_refused() {
        let port = v1::Port {
            container_port: 70_000,
            ..v1::Port::default()
        };
        assert!(
            Port::try_from(&port)
                .unwrap_err()
                .to_string()
                .contains("70000")
        );
    }

    #[test]
    fn what_is_missing_has_no_runtime_id_any_more() {
        let mut status = ContainerStatus {
            runtime_id: Some("abc".into()),
            ..ContainerStatus::default()
        };
        let mut seen = v1::SeenContainer {
            runtime_id: "abc".into(),
            ..Default::default()
        };
        seen.set_state(v1::seen_container::State::Missing);
        seen.record(&mut status).unwrap();
        assert_eq!(status.runtime_id, None);
    }
}
