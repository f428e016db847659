//! Containers on the wire.

use drover_domain::Resource;
use drover_domain::resource::{ContainerSpec, ContainerStatus, Port, Protocol};

use crate::envelope::shorten;
use crate::{Malformed, v1};

/// The command that makes a container as its spec says.
pub fn create_container(resource: &Resource, spec: &ContainerSpec) -> v1::CreateContainer {
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
        network: spec.networks.first().map_or_else(
            || "bridge".to_owned(),
            |attachment| attachment.network.clone(),
        ),
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
