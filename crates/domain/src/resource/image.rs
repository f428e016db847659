//! Images: when they are fetched from their registry, which one that is, and having one fetched before any
//! container needs it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::{self, HOST_IDS_LIMIT};
use super::validation::{self, Invalid};
use crate::{ResourceId, Timestamp};

/// The registry of images that name none.
pub const DOCKER_HUB: &str = "docker.io";

/// When the image of a container is fetched from its registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PullPolicy {
    /// When the host does not have it.
    #[default]
    IfNotPresent,
    /// Each time that the container is made, for what the name means by then.
    Always,
    /// Never: the host has it, or the container is not made.
    Never,
}

/// The registry that an image is fetched from. What stands before the first slash is one if it has a dot or
/// a port, or is `localhost`, and is else a part of the name, as Docker has it.
pub fn registry_of(image: &str) -> &str {
    let first = image.split_once('/').map(|(first, _)| first);
    match first {
        // An older name of the same.
        Some("index.docker.io") | None => DOCKER_HUB,
        Some(first) if first.contains(['.', ':']) || first == "localhost" => first,
        Some(_) => DOCKER_HUB,
    }
}

/// What was asked of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageSpec {
    /// What is fetched, by the name by which containers ask for it.
    #[schemars(schema_with = "limits::image_schema")]
    pub image: String,
    /// The hosts that shall have it; those that take containers if absent.
    #[serde(default)]
    #[schemars(schema_with = "limits::host_ids_schema")]
    pub host_ids: Vec<ResourceId>,
    /// Only hosts that bear these labels.
    #[serde(default)]
    #[schemars(schema_with = "limits::host_labels_schema")]
    pub host_labels: BTreeMap<String, String>,
    /// Whether it is fetched where it is already, for what the name means now. With `never` it is only
    /// looked whether it is there.
    #[serde(default)]
    pub pull_policy: PullPolicy,
}

impl ImageSpec {
    /// Checks what the types alone do not say.
    ///
    /// # Errors
    /// The first field that is not sound, with what is wrong with it.
    pub fn validate(&self) -> Result<(), Invalid> {
        validation::check_image(&self.image)?;
        if self.host_ids.len() > HOST_IDS_LIMIT {
            let reason = format!("are more than {HOST_IDS_LIMIT}");
            return Err(Invalid::new("hostIds", reason));
        }
        validation::check_host_labels("hostLabels", &self.host_labels)
    }
}

/// What was seen of an image, host by host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageStatus {
    /// How many hosts shall have it.
    pub hosts: u32,
    /// How many of them have it.
    pub fetched: u32,
    /// How many of them could not be given it.
    pub failed: u32,
    /// Why not: the first of them.
    pub failures: Vec<HostFailure>,
    /// The hosts whose turn it is.
    pub asked: Vec<AskedHost>,
    /// The last host whose turn has come: hosts are asked in the order of their ids.
    pub cursor: Option<ResourceId>,
    /// Why the last intent failed, in words for a person.
    pub error: Option<String>,
}

/// A host that could not be given an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HostFailure {
    /// The host.
    pub host_id: ResourceId,
    /// Why, in words for a person.
    pub reason: String,
}

/// A host whose turn it is to fetch an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AskedHost {
    /// The host.
    pub host_id: ResourceId,
    /// How often it has failed.
    #[serde(default)]
    pub tries: u32,
    /// When it is asked again, if it has.
    #[serde(default)]
    pub again: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_of_the_registry_that_it_names_or_of_dockers() {
        for (image, registry) in [
            ("alpine", "docker.io"),
            ("alpine:3.20", "docker.io"),
            ("drover/hello", "docker.io"),
            ("drover/hello:1.2", "docker.io"),
            ("docker.io/library/alpine", "docker.io"),
            ("index.docker.io/library/alpine", "docker.io"),
            ("localhost/alpine", "localhost"),
            ("localhost:5000/a/b:1", "localhost:5000"),
            ("127.0.0.1:5000/a", "127.0.0.1:5000"),
            ("registry.example/shop@sha256:00", "registry.example"),
            ("registry/shop", "docker.io"),
            ("", "docker.io"),
        ] {
            assert_eq!(registry_of(image), registry, "{image}");
        }
    }

    #[test]
    fn an_image_needs_a_name_and_no_more_hosts_than_can_be_kept() {
        let mut spec = ImageSpec::default();
        assert_eq!(spec.validate().unwrap_err().field, "image");
        spec.image = "drover/hello".to_owned();
        assert_eq!(spec.validate(), Ok(()));
        let host = ResourceId::new(uuid::Uuid::nil());
        spec.host_ids = vec![host; HOST_IDS_LIMIT + 1];
        assert_eq!(spec.validate().unwrap_err().field, "hostIds");
    }
}
