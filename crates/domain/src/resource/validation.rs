//! What must hold of a request beyond the types of its fields.
//!
//! The limits are those of Docker where Docker has one, and otherwise such that a row stays small.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::limits::{
    DESCRIPTION_LIMIT, IMAGE_LIMIT, LABEL_KEY_LIMIT, LABEL_VALUE_LIMIT, LABELS_LIMIT,
    LEAST_MEMORY_MIB, METADATA_LIMIT, NAME_LIMIT, RESERVED_LABELS,
};
use super::{ContainerSpec, health_check, network, volume};

/// A field that is not sound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Invalid {
    /// The path of the field, as `ports[0].hostPort`.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Invalid {
    /// Names the field and what is wrong with it.
    pub fn new(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            reason: reason.into(),
        }
    }
}

/// Checks a name for people: not too long, nothing that a terminal would act on.
///
/// # Errors
/// What is wrong with it.
pub fn validate_name(name: &str) -> Result<(), Invalid> {
    if name.chars().count() > NAME_LIMIT {
        return Err(Invalid::new(
            "name",
            format!("is longer than {NAME_LIMIT} characters"),
        ));
    }
    no_control_characters("name", name)
}

/// Checks a description: no more than a page, and nothing that a database cannot hold.
///
/// # Errors
/// What is wrong with it.
pub fn validate_description(description: &str) -> Result<(), Invalid> {
    if description.chars().count() > DESCRIPTION_LIMIT {
        let reason = format!("is longer than {DESCRIPTION_LIMIT} characters");
        return Err(Invalid::new("description", reason));
    }
    if description.contains('\0') {
        return Err(Invalid::new("description", "has a NUL character"));
    }
    Ok(())
}

/// Checks metadata: it is the client's own, but a row must be able to hold it.
///
/// # Errors
/// What is wrong with it.
pub fn validate_metadata(metadata: &Map<String, Value>) -> Result<(), Invalid> {
    let text = Value::Object(metadata.clone()).to_string();
    if text.len() > METADATA_LIMIT {
        let reason = format!("is longer than {METADATA_LIMIT} bytes as JSON");
        return Err(Invalid::new("metadata", reason));
    }
    // This is how JSON writes a NUL. A text that only looks like it is refused as well.
    if text.contains("\\u0000") {
        return Err(Invalid::new("metadata", "has a NUL character"));
    }
    Ok(())
}

/// Checks labels.
///
/// # Errors
/// The first label that is not sound.
pub fn validate_labels(labels: &BTreeMap<String, String>) -> Result<(), Invalid> {
    if labels.len() > LABELS_LIMIT {
        return Err(Invalid::new(
            "labels",
            format!("are more than {LABELS_LIMIT}"),
        ));
    }
    for (key, value) in labels {
        let field = format!("labels.{}", key.escape_default());
        if key.is_empty() || key.chars().count() > LABEL_KEY_LIMIT {
            return Err(Invalid::new(
                field,
                format!("a key has 1 to {LABEL_KEY_LIMIT} characters"),
            ));
        }
        if key.starts_with(RESERVED_LABELS) {
            return Err(Invalid::new(
                field,
                "keys that begin with `drover.` are Drover's own",
            ));
        }
        if value.chars().count() > LABEL_VALUE_LIMIT {
            return Err(Invalid::new(
                field,
                format!("a value has at most {LABEL_VALUE_LIMIT} characters"),
            ));
        }
        no_control_characters(&field, key)?;
        no_control_characters(&field, value)?;
    }
    Ok(())
}

pub(super) fn validate_container(spec: &ContainerSpec) -> Result<(), Invalid> {
    check_image(&spec.image)?;
    for key in spec.environment.keys() {
        if key.is_empty() || key.contains(['=', '\0']) {
            return Err(Invalid::new(
                format!("environment.{}", key.escape_default()),
                "the name of a variable is not empty and has no `=`",
            ));
        }
    }
    without_nul("environment", spec.environment.values())?;
    without_nul("entrypoint", &spec.entrypoint)?;
    without_nul("command", &spec.command)?;
    without_nul("workingDir", &spec.working_dir)?;
    without_nul("user", &spec.user)?;
    check_host_labels("placement.hostLabels", &spec.placement.host_labels)?;
    spec.placement.validate()?;
    if spec
        .working_dir
        .as_deref()
        .is_some_and(|directory| !directory.starts_with('/'))
    {
        return Err(Invalid::new("workingDir", "is not absolute"));
    }
    if spec.user.as_deref().is_some_and(str::is_empty) {
        return Err(Invalid::new(
            "user",
            "is empty; leave it out for the image's own",
        ));
    }
    validate_ports(spec)?;
    if spec
        .resources
        .memory_mib
        .is_some_and(|memory| memory < LEAST_MEMORY_MIB)
    {
        return Err(Invalid::new(
            "resources.memoryMiB",
            format!("is less than {LEAST_MEMORY_MIB}, the least that Docker gives"),
        ));
    }
    if spec.resources.cpu_millis == Some(0) {
        return Err(Invalid::new(
            "resources.cpuMillis",
            "is 0; leave it out for no limit",
        ));
    }
    network::validate_networks(spec)?;
    volume::validate_mounts(&spec.volumes)?;
    spec.restart_policy.validate()?;
    health_check::validate(spec)
}

/// Checks the name of an image.
pub(super) fn check_image(image: &str) -> Result<(), Invalid> {
    if image.is_empty() {
        return Err(Invalid::new("image", "is empty"));
    }
    if image.chars().count() > IMAGE_LIMIT {
        return Err(Invalid::new(
            "image",
            format!("is longer than {IMAGE_LIMIT} characters"),
        ));
    }
    let is_allowed = |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-' | '/' | ':' | '@')
    };
    if !image.chars().all(is_allowed) {
        return Err(Invalid::new(
            "image",
            "has a character that no image's name can have",
        ));
    }
    Ok(())
}

fn validate_ports(spec: &ContainerSpec) -> Result<(), Invalid> {
    for (index, port) in spec.ports.iter().enumerate() {
        if port.container_port == 0 {
            return Err(Invalid::new(
                format!("ports[{index}].containerPort"),
                "is 0; a port is 1 to 65535",
            ));
        }
        if port.host_port == Some(0) {
            return Err(Invalid::new(
                format!("ports[{index}].hostPort"),
                "is 0; leave it out to have a free one chosen",
            ));
        }
        let clashes = spec.ports[..index].iter().any(|earlier| {
            port.host_port.is_some()
                && earlier.host_port == port.host_port
                && earlier.protocol == port.protocol
                && (earlier.host_ip == port.host_ip
                    || is_any(earlier.host_ip)
                    || is_any(port.host_ip))
        });
        if clashes {
            return Err(Invalid::new(
                format!("ports[{index}].hostPort"),
                "is published twice by this container",
            ));
        }
    }
    Ok(())
}

fn is_any(ip: Option<IpAddr>) -> bool {
    ip.is_none_or(|ip| ip.is_unspecified())
}

/// Checks labels that hosts are chosen by.
pub(super) fn check_host_labels(
    field: &str,
    labels: &BTreeMap<String, String>,
) -> Result<(), Invalid> {
    without_nul(field, labels.keys().chain(labels.values()))
}

fn without_nul<'a>(
    field: &str,
    texts: impl IntoIterator<Item = &'a String>,
) -> Result<(), Invalid> {
    if texts.into_iter().any(|text| text.contains('\0')) {
        let reason = "has a NUL character, which neither a process nor the database can be given";
        return Err(Invalid::new(field, reason));
    }
    Ok(())
}

fn no_control_characters(field: &str, text: &str) -> Result<(), Invalid> {
    if text.chars().any(char::is_control) {
        return Err(Invalid::new(field, "has a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Port;

    fn sound() -> ContainerSpec {
        serde_json::from_str(r#"{"image": "drover/hello:1.0"}"#).unwrap()
    }

    fn port(host_port: u16) -> Port {
        serde_json::from_value(serde_json::json!({"containerPort": 80, "hostPort": host_port}))
            .unwrap()
    }

    #[test]
    fn a_container_needs_no_more_than_an_image() {
        assert_eq!(sound().validate(), Ok(()));
        assert!(sound().start);
    }

    #[test]
    fn each_unsound_field_is_named() {
        type Spoil = fn(&mut ContainerSpec);
        let cases: [(&str, Spoil); 13] = [
            ("image", |spec| spec.image.clear()),
            ("image", |spec| spec.image = "two words".into()),
            ("workingDir", |spec| {
                spec.working_dir = Some("relative".into())
            }),
            ("user", |spec| spec.user = Some(String::new())),
            ("ports[1].hostPort", |spec| {
                spec.ports = vec![port(80), port(80)]
            }),
            ("ports[1].hostPort", |spec| {
                spec.ports = vec![port(80), port(80)];
                spec.ports[0].host_ip = Some("0.0.0.0".parse().unwrap());
                spec.ports[1].host_ip = Some("127.0.0.1".parse().unwrap());
            }),
            ("ports[0].hostPort", |spec| spec.ports = vec![port(0)]),
            ("resources.memoryMiB", |spec| {
                spec.resources.memory_mib = Some(5)
            }),
            ("resources.cpuMillis", |spec| {
                spec.resources.cpu_millis = Some(0)
            }),
            ("command", |spec| spec.command = vec!["a\0b".into()]),
            ("workingDir", |spec| spec.working_dir = Some("/a\0b".into())),
            ("user", |spec| spec.user = Some("a\0b".into())),
            ("placement.hostLabels", |spec| {
                spec.placement.host_labels = [("a\0b".into(), String::new())].into();
            }),
        ];
        for (field, spoil) in cases {
            let mut spec = sound();
            spoil(&mut spec);
            assert_eq!(spec.validate().unwrap_err().field, field);
        }
    }

    #[test]
    fn what_no_database_can_hold_is_refused() {
        assert!(validate_description("a\0b").is_err());
        let metadata = |value: &str| Map::from_iter([("key".to_owned(), Value::from(value))]);
        assert!(validate_metadata(&metadata("a\0b")).is_err());
        assert!(validate_metadata(&metadata(&"x".repeat(METADATA_LIMIT))).is_err());
        assert!(validate_metadata(&metadata("sound")).is_ok());
    }

    #[test]
    fn labels_of_drover_cannot_be_forged() {
        let labels = [("drover.container.id".to_owned(), "x".to_owned())].into();
        assert!(validate_labels(&labels).is_err());
    }

    #[test]
    fn a_name_with_an_escape_sequence_is_refused() {
        assert!(validate_name("web\u{1b}[2J").is_err());
        assert!(validate_name("wéb 1").is_ok());
    }
}
