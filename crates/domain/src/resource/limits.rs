//! The limits of fields, once as numbers and once as JSON schemas.
//!
//! What the API promises in its description and what [validation](super::validation) refuses must
//! be the same, so both are made from here.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::validation::Invalid;
use crate::ResourceId;

/// The most characters of a name.
pub(super) const NAME_LIMIT: usize = 128;
/// The most characters of a description.
pub const DESCRIPTION_LIMIT: usize = 4_096;
/// The most bytes of metadata.
pub(super) const METADATA_LIMIT: usize = 64 * 1_024;
/// The most characters of an image's name; Docker's own limit for a repository name is 255.
pub(super) const IMAGE_LIMIT: usize = 512;
/// The most labels.
pub(super) const LABELS_LIMIT: usize = 64;
/// The most characters of the key of a label.
pub(super) const LABEL_KEY_LIMIT: usize = 128;
/// The most characters of the value of a label.
pub(super) const LABEL_VALUE_LIMIT: usize = 1_024;
/// The least memory that Docker gives to a container, in MiB.
pub(super) const LEAST_MEMORY_MIB: u32 = 6;
/// The most characters of a registry: the longest host name, and a port.
pub(super) const REGISTRY_LIMIT: usize = 260;
/// The most characters of a name to log in with.
pub(super) const USERNAME_LIMIT: usize = 255;
/// The most hosts that can be named for an image.
pub(super) const HOST_IDS_LIMIT: usize = 256;
/// The most characters of a path on a web server.
pub(super) const PATH_LIMIT: usize = 2_048;
/// Labels of this prefix are Drover's own.
pub(super) const RESERVED_LABELS: &str = "drover.";

/// No control characters.
const PRINTABLE: &str = r"^[^\u0000-\u001F\u007F-\u009F]*$";
/// No NUL, which neither a process nor a database can be given.
const WITHOUT_NUL: &str = r"^[^\u0000]*$";

/// The schema of a name.
pub fn name_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": NAME_LIMIT, "pattern": PRINTABLE })
}

/// The schema of labels.
pub fn labels_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": LABELS_LIMIT,
        "propertyNames": {
            "minLength": 1,
            "maxLength": LABEL_KEY_LIMIT,
            "pattern": r"^(?!drover\.)[^\u0000-\u001F\u007F-\u009F]+$",
        },
        "additionalProperties": {
            "type": "string",
            "maxLength": LABEL_VALUE_LIMIT,
            "pattern": PRINTABLE,
        },
    })
}

/// The schema of metadata: any object, without NUL characters in it and of bounded size.
pub fn metadata_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": true })
}

/// The schema of a text that a process is given.
pub(super) fn text_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": WITHOUT_NUL })
}

/// The schema of several texts that a process is given.
pub(super) fn texts_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": text_schema(generator) })
}

/// The schema of a command: at least the program.
pub(super) fn command_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "minItems": 1, "items": text_schema(generator) })
}

/// The schema of a path on a web server.
pub(super) fn path_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": PATH_LIMIT, "pattern": "^/[!-~]*$" })
}

/// The schema of environment variables.
pub(super) fn environment_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": { "minLength": 1, "pattern": r"^[^=\u0000]+$" },
        "additionalProperties": text_schema(generator),
    })
}

/// The schema of labels of hosts: any that a host may have.
pub(super) fn host_labels_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "propertyNames": text_schema(generator),
        "additionalProperties": text_schema(generator),
    })
}

/// The schema of the name of an image.
pub(super) fn image_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": IMAGE_LIMIT,
        "pattern": "^[A-Za-z0-9._/:@-]+$",
    })
}

/// The schema of a registry: `localhost`, a host with a dot in it, or any host with a port.
pub(super) fn registry_schema(_: &mut SchemaGenerator) -> Schema {
    const LABEL: &str = "[a-z0-9]+(-+[a-z0-9]+)*";
    let pattern = format!(r"^(localhost|{LABEL}(\.{LABEL})+|{LABEL}(\.{LABEL})*:[0-9]{{1,5}})$");
    json_schema!({
        "type": "string",
        "minLength": 3,
        "maxLength": REGISTRY_LIMIT,
        "pattern": pattern,
    })
}

/// The schema of a name to log in with at a registry.
pub fn username_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": USERNAME_LIMIT,
        "pattern": r"^[^:\u0000-\u001F\u007F-\u009F]+$",
    })
}

/// The schema of the hosts that are named for an image.
pub(super) fn host_ids_schema(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": HOST_IDS_LIMIT,
        "items": generator.subschema_for::<ResourceId>(),
    })
}

/// The schema of a directory, absolute.
pub(super) fn directory_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "pattern": r"^/[^\u0000]*$" })
}

/// The schema of a user.
pub(super) fn user_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "null"], "minLength": 1, "pattern": WITHOUT_NUL })
}

/// The schema of a name by which others refer to something.
pub fn reference_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 1,
        "maxLength": NAME_LIMIT,
        "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$",
    })
}

/// Checks such a name.
pub(super) fn check_reference(field: &str, name: &str) -> Result<(), Invalid> {
    let is_sound = name.len() <= NAME_LIMIT
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    match is_sound {
        true => Ok(()),
        false => {
            let reason = format!(
                "is a letter or digit, then letters, digits, `_`, `.` and `-`, \
                 at most {NAME_LIMIT} of them"
            );
            Err(Invalid::new(field, reason))
        }
    }
}

/// The schema of the names by which others in a network find a container.
pub(super) fn aliases_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "items": {
            "type": "string",
            "maxLength": 63,
            "pattern": "^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$",
        },
    })
}

/// The schema of a path that is mounted, or mounted to: absolute, without parts that lead elsewhere.
pub(super) fn mounted_path_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "maxLength": 1024,
        "pattern": r"^(/(?!\.{1,2}(/|$))[^/\u0000-\u001F\u007F-\u009F]+)+$",
    })
}
