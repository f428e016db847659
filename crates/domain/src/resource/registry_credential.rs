//! Credentials for registries: as whom a project fetches its images.
//!
//! The password is not here. It is kept sealed, beside the row, and nobody is ever shown it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::{self, REGISTRY_LIMIT, USERNAME_LIMIT};
use super::validation::Invalid;

/// What was asked of a credential for a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistryCredentialSpec {
    /// The registry, as names of images have it: a host, with a port if there is one. Docker's own is
    /// `docker.io`. A project has one credential for a registry.
    #[schemars(schema_with = "limits::registry_schema")]
    pub registry: String,
    /// Who logs in there.
    #[schemars(schema_with = "limits::username_schema")]
    pub username: String,
}

impl RegistryCredentialSpec {
    /// Checks what the types alone do not say.
    ///
    /// # Errors
    /// The first field that is not sound, with what is wrong with it.
    pub fn validate(&self) -> Result<(), Invalid> {
        if self.registry.len() > REGISTRY_LIMIT || !is_registry(&self.registry) {
            let reason = "is no registry: a host in small letters, with a dot in it or a port, \
                          or `localhost`";
            return Err(Invalid::new("registry", reason));
        }
        check_username(&self.username)
    }
}

/// Checks who logs in at a registry.
///
/// # Errors
/// What is wrong with it.
pub fn check_username(username: &str) -> Result<(), Invalid> {
    if username.is_empty() {
        return Err(Invalid::new("username", "is missing"));
    }
    if username.chars().count() > USERNAME_LIMIT {
        let reason = format!("has more than {USERNAME_LIMIT} characters");
        return Err(Invalid::new("username", reason));
    }
    // A colon ends the name where both travel as one text (RFC 7617).
    if username.contains(|character: char| character.is_control() || character == ':') {
        let reason = "has a colon or a control character";
        return Err(Invalid::new("username", reason));
    }
    Ok(())
}

/// Whether the first part of an image's name would be taken for this registry.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_port = |port: &str| {
        (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
    };
    host.split('.').all(is_label)
        && port.is_none_or(is_port)
        && (port.is_some() || host == "localhost" || host.contains('.'))
}

fn is_label(label: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty()
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(is_inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(registry: &str, username: &str) -> Result<(), String> {
        let spec = RegistryCredentialSpec {
            registry: registry.to_owned(),
            username: username.to_owned(),
        };
        spec.validate().map_err(|invalid| invalid.field)
    }

    #[test]
    fn a_registry_is_what_an_image_can_name() {
        for registry in [
            "docker.io",
            "localhost",
            "r:5000",
            "127.0.0.1:5000",
            "a-b.c.d:80",
        ] {
            assert_eq!(asked(registry, "me"), Ok(()), "{registry}");
        }
        for registry in [
            "",
            "registry",
            "Docker.io",
            "https://a.b",
            "a.b/c",
            "a..b",
            "-a.b",
            "a.b-",
            "a.b:",
            "a.b:123456",
            "a.b:x",
            ".",
            &"a.".repeat(200),
        ] {
            let refused = asked(registry, "me").unwrap_err();
            assert_eq!(refused, "registry", "{registry}");
        }
    }

    #[test]
    fn a_name_to_log_in_with_has_no_colon() {
        for username in ["", "a:b", "a\nb", &"x".repeat(300)] {
            assert_eq!(asked("docker.io", username).unwrap_err(), "username");
        }
        assert_eq!(asked("docker.io", "robot$shop+ci"), Ok(()));
    }
}
