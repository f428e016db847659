//! Making a container: Docker's terms for what was asked, and the image that it needs.

use std::collections::HashMap;
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerCreateBody, HostConfig, PortBinding, PortMap};
use bollard::query_parameters::{CreateContainerOptionsBuilder, CreateImageOptionsBuilder};
use drover_domain::ResourceId;
use drover_proto::v1::{CreateContainer, Port};
use futures::StreamExt;

use super::health;
use super::labels::{self, Labels};
use super::refusal::{explain, status_of, words_of};
use crate::runtime::{RuntimeError, port_key};

/// A pull that has not moved for this long is given up.
const PULL_SILENT_FOR: Duration = Duration::from_secs(120);

/// Makes the container, pulling its image if need be. One of that name that is there is left; the
/// caller sees whose it is.
pub(super) async fn create(
    docker: &Docker,
    id: ResourceId,
    wanted: &CreateContainer,
    labels: &Labels,
) -> Result<(), RuntimeError> {
    let image_is_missing = |error: &bollard::errors::Error| {
        status_of(error) == Some(404) && words_of(error).contains("No such image")
    };
    let check = health::written(wanted)?;
    let check = check.as_deref();
    match try_create(docker, id, wanted, labels, check).await {
        Ok(()) => return Ok(()),
        Err(error) if image_is_missing(&error) => pull(docker, &wanted.image).await?,
        Err(error) => return Err(explain(&error)),
    }
    match try_create(docker, id, wanted, labels, check).await {
        Ok(()) => Ok(()),
        Err(error) if image_is_missing(&error) => Err(RuntimeError::ImageMissing(words_of(&error))),
        Err(error) => Err(explain(&error)),
    }
}

async fn try_create(
    docker: &Docker,
    id: ResourceId,
    wanted: &CreateContainer,
    labels: &Labels,
    check: Option<&str>,
) -> Result<(), bollard::errors::Error> {
    let options = CreateContainerOptionsBuilder::new()
        .name(&labels::name(id))
        .build();
    let body = body(wanted, labels.of_container(id, wanted, check));
    match docker.create_container(Some(options), body).await {
        Ok(_) => Ok(()),
        Err(error) if status_of(&error) == Some(409) && words_of(&error).contains("in use by") => {
            Ok(())
        }
        Err(error) => Err(error),
    }
}

async fn pull(docker: &Docker, image: &str) -> Result<(), RuntimeError> {
    let (name, tag) = name_and_tag(image);
    let mut options = CreateImageOptionsBuilder::new().from_image(name);
    if let Some(tag) = tag {
        options = options.tag(tag);
    }
    let mut progress = std::pin::pin!(docker.create_image(Some(options.build()), None, None));
    loop {
        match tokio::time::timeout(PULL_SILENT_FOR, progress.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => {
                return Err(match explain(&error) {
                    // Not the registry is away then, but the engine.
                    away @ RuntimeError::Unavailable(_) => away,
                    refused if status_of(&error) == Some(400) => refused,
                    _ => RuntimeError::ImageMissing(words_of(&error)),
                });
            }
            Err(_) => {
                let message = format!("pulling {image} has not moved for {PULL_SILENT_FOR:?}");
                return Err(RuntimeError::Runtime(message));
            }
        }
    }
}

/// The parts of an image's name. Without a tag, Docker would pull every one that there is.
fn name_and_tag(image: &str) -> (&str, Option<&str>) {
    if image.contains('@') {
        return (image, None);
    }
    let last = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[last..].find(':') {
        Some(colon) => (&image[..last + colon], Some(&image[last + colon + 1..])),
        None => (image, Some("latest")),
    }
}

fn body(wanted: &CreateContainer, labels: HashMap<String, String>) -> ContainerCreateBody {
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let list = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let network = match wanted.network.as_str() {
        "" => "bridge",
        named => named,
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
            network_mode: Some(network.to_owned()),
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
    fn an_image_without_a_tag_means_its_latest() {
        assert_eq!(
            name_and_tag("drover/hello"),
            ("drover/hello", Some("latest"))
        );
        assert_eq!(name_and_tag("a:5000/b"), ("a:5000/b", Some("latest")));
        assert_eq!(name_and_tag("a:5000/b:1"), ("a:5000/b", Some("1")));
        assert_eq!(name_and_tag("b@sha256:00"), ("b@sha256:00", None));
    }

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
