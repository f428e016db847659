//! Volumes: data that outlives the containers that use it, and how containers mount them.
//!
//! A volume lives on one host. Without a wish it is on none until the first container mounts it, and from
//! then on it stays there: whoever mounts it is placed where it is.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::ContainerSpec;
use super::limits;
use super::validation::Invalid;
use crate::ResourceId;

/// The most mounts of a container.
const MOUNTS_LIMIT: usize = 64;
/// The most characters of a path.
const PATH_LIMIT: usize = 1_024;

/// What was asked of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VolumeSpec {
    /// The host that it shall live on; that of the first container that mounts it if absent.
    #[serde(default)]
    pub host_id: Option<ResourceId>,
}

/// What was seen of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeStatus {
    /// What the runtime calls it; none while it does not exist there.
    #[serde(default)]
    pub runtime_id: Option<String>,
    /// Why the last intent failed, in words for a person.
    #[serde(default)]
    pub error: Option<String>,
}

/// Something that a container finds at one of its paths: a volume of its project, or a path of its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["volume"] }, { "required": ["hostPath"] }]))]
pub struct Mount {
    /// The name of a volume. Either this or `hostPath` is given.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "given"
    )]
    #[schemars(schema_with = "limits::reference_schema")]
    pub volume: Option<String>,
    /// A path of the host, absolute, which its agent must have been told to allow.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "given"
    )]
    #[schemars(schema_with = "limits::mounted_path_schema")]
    pub host_path: Option<String>,
    /// Where the container finds it, absolute.
    #[schemars(schema_with = "limits::mounted_path_schema")]
    pub target: String,
    /// Whether the container only reads it.
    #[serde(default)]
    pub read_only: bool,
}

/// What is given is a text: nothing is said by leaving it out, and not by null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

impl ContainerSpec {
    /// The names of the volumes that it mounts.
    pub fn volume_names(&self) -> impl Iterator<Item = &str> {
        self.volumes
            .iter()
            .filter_map(|mount| mount.volume.as_deref())
    }
}

/// Checks what a container mounts, and where.
pub(super) fn validate_mounts(mounts: &[Mount]) -> Result<(), Invalid> {
    if mounts.len() > MOUNTS_LIMIT {
        let reason = format!("are more than {MOUNTS_LIMIT}");
        return Err(Invalid::new("volumes", reason));
    }
    for (index, mount) in mounts.iter().enumerate() {
        let field = |name: &str| format!("volumes[{index}].{name}");
        match (&mount.volume, &mount.host_path) {
            (Some(volume), None) => limits::check_reference(&field("volume"), volume)?,
            (None, Some(path)) => check_path(&field("hostPath"), path)?,
            _ => {
                let reason = "is a `volume` or a `hostPath`, and not both";
                return Err(Invalid::new(format!("volumes[{index}]"), reason));
            }
        }
        check_path(&field("target"), &mount.target)?;
        let is_taken = |other: &Mount| other.target == mount.target;
        if mounts[..index].iter().any(is_taken) {
            return Err(Invalid::new(field("target"), "is mounted to twice"));
        }
    }
    Ok(())
}

/// Checks a path: absolute, below the root, and without parts that lead elsewhere.
fn check_path(field: &str, path: &str) -> Result<(), Invalid> {
    if path.chars().count() > PATH_LIMIT {
        let reason = format!("is longer than {PATH_LIMIT} characters");
        return Err(Invalid::new(field, reason));
    }
    let Some(below) = path.strip_prefix('/') else {
        return Err(Invalid::new(field, "is not absolute"));
    };
    if below.split('/').any(|part| matches!(part, "" | "." | "..")) {
        let reason = "has an empty part, `.` or `..`";
        return Err(Invalid::new(field, reason));
    }
    if path.chars().any(char::is_control) {
        return Err(Invalid::new(field, "has a control character"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(volume: Option<&str>, host_path: Option<&str>, target: &str) -> Mount {
        Mount {
            volume: volume.map(str::to_owned),
            host_path: host_path.map(str::to_owned),
            target: target.to_owned(),
            read_only: false,
        }
    }

    #[test]
    fn a_mount_is_a_volume_or_a_path_of_the_host() {
        let volume = mount(Some("data"), None, "/data");
        let path = mount(None, Some("/srv/x"), "/x");
        assert_eq!(validate_mounts(&[volume, path]), Ok(()));
        for wrong in [
            mount(None, None, "/x"),
            mount(Some("data"), Some("/srv"), "/x"),
        ] {
            assert_eq!(validate_mounts(&[wrong]).unwrap_err().field, "volumes[0]");
        }
    }

    #[test]
    fn null_is_neither_a_volume_nor_a_path() {
        let read = serde_json::from_str::<Mount>;
        assert!(read(r#"{"volume": "data", "target": "/x"}"#).is_ok());
        assert!(read(r#"{"volume": "data", "hostPath": null, "target": "/x"}"#).is_err());
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_refused() {
        for path in ["x", "/", "/srv/../etc", "/srv/.", "//etc", "/srv/", "/a\nb"] {
            let wrong = mount(None, Some(path), "/x");
            let refused = validate_mounts(&[wrong]).unwrap_err();
            assert_eq!(refused.field, "volumes[0].hostPath", "{path}");
        }
    }

    #[test]
    fn nothing_is_mounted_over_something_else() {
        let twice = [
            mount(Some("a"), None, "/data"),
            mount(Some("b"), None, "/data"),
        ];
        let refused = validate_mounts(&twice).unwrap_err();
        assert_eq!(refused.field, "volumes[1].target");
    }
}
