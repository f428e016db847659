//! Conditional requests: reading only what has changed, and changing only what was read.
//!
//! An ETag is made of two parts, `"<version>.<hash>"`. The hash is of the very bytes of the answer: of
//! the resource, and of whatever else is shown with it (its process, the room of a host, what the
//! caller's role allows, what was included or left out). So two answers with one tag are one answer, and
//! a `304` is never wrong. For a change the version alone decides: whoever changes a resource that was
//! read means the resource, not the progress of its process. It is compared with what the transaction
//! of the change finds.

use std::sync::Arc;

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::{OperationInput, ParamLocation, add_parameters, parameters_from_schema};
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drover_domain::resource::Version;
use drover_domain::{Process, Resource};
use drover_store::Target;
use schemars::json_schema;
use sha2::{Digest, Sha256};

use crate::Shared;
use crate::problem::{Problem, catalogue, shape};

/// How much of the hash stands in a tag, in bytes: nobody can make two answers that share it.
const HASHED: usize = 15;
/// The most tags of one header.
const MOST_TAGS: usize = 64;

/// The tag of an answer with a body.
pub(crate) fn tag(version: Version, body: &[u8]) -> String {
    let hash = Sha256::digest(body);
    let hash = URL_SAFE_NO_PAD.encode(&hash[..HASHED]);
    format!("\"{version}.{hash}\"")
}

/// What stands for the version of a process, which has none: of its whole row, so that two versions are
/// told apart as surely as two hashes are.
pub(crate) fn version_of_process(process: &Process) -> Version {
    let hash = Sha256::digest(format!("{process:?}"));
    let first = hash.iter().take(7);
    first.fold(0, |version, byte| (version << 8) | Version::from(*byte))
}

/// What a header of tags names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Named {
    /// There is no such header.
    #[default]
    Nothing,
    /// Whatever there is.
    Everything,
    /// These tags, each as it stood, with its mark of weakness taken off and told.
    Tags(Vec<(String, bool)>),
}

impl Named {
    fn read(headers: &HeaderMap, name: HeaderName) -> Result<Self, Problem> {
        let malformed = || {
            let says = "is `*`, or tags with commas between them, each in double quotes";
            Problem::bad_header(name.as_str(), says)
        };
        let mut tags = Vec::new();
        let mut is_everything = false;
        for value in headers.get_all(&name) {
            let mut rest = value.to_str().map_err(|_| malformed())?.trim();
            if rest == "*" {
                is_everything = true;
                continue;
            }
            while !rest.is_empty() {
                let (is_weak, quoted) = match rest.strip_prefix("W/") {
                    Some(quoted) => (true, quoted),
                    None => (false, rest),
                };
                let inner = quoted.strip_prefix('"').ok_or_else(malformed)?;
                let (tag, after) = inner.split_once('"').ok_or_else(malformed)?;
                tags.push((format!("\"{tag}\""), is_weak));
                let after = after.trim_start();
                rest = match after.strip_prefix(',') {
                    Some(next) => next.trim_start(),
                    None if after.is_empty() => after,
                    None => return Err(malformed()),
                };
            }
        }
        if tags.len() > MOST_TAGS || (is_everything && !tags.is_empty()) {
            return Err(malformed());
        }
        Ok(match (is_everything, headers.contains_key(&name)) {
            (true, _) => Self::Everything,
            (false, true) => Self::Tags(tags),
            (false, false) => Self::Nothing,
        })
    }
}

/// `If-None-Match`: what the client has already.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known(Named);

impl Known {
    /// Whether the client has the answer with this tag.
    pub(crate) fn has(&self, tag: &str) -> bool {
        match &self.0 {
            Named::Nothing => false,
            Named::Everything => true,
            // The comparison is the weak one: some caches mark what they have compressed.
            Named::Tags(tags) => tags.iter().any(|(known, _)| known == tag),
        }
    }
}

/// `If-Match`: what the client has read of the resource that it wants changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Precondition(Named);

impl Precondition {
    /// What may be removed of what was read: any version, or this one only.
    ///
    /// # Errors
    /// That it is not what was read.
    pub(crate) fn target(&self, resource: &Resource) -> Result<Target, Problem> {
        self.check(resource.version)?;
        Ok(Target {
            id: resource.id,
            version: matches!(self.0, Named::Tags(_)).then_some(resource.version),
        })
    }

    /// Whether a resource of this version may be changed.
    ///
    /// # Errors
    /// That it is not what was read.
    pub(crate) fn check(&self, version: Version) -> Result<(), Problem> {
        let holds = match &self.0 {
            Named::Nothing | Named::Everything => true,
            Named::Tags(tags) => tags
                .iter()
                .any(|(tag, is_weak)| !is_weak && version_of(tag) == Some(version)),
        };
        match holds {
            true => Ok(()),
            false => Err(Problem::precondition(version)),
        }
    }
}

fn version_of(tag: &str) -> Option<Version> {
    let (version, _) = tag.trim_matches('"').split_once('.')?;
    version.parse().ok()
}

impl FromRequestParts<Arc<Shared>> for Known {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, Problem> {
        Named::read(&parts.headers, IF_NONE_MATCH).map(Self)
    }
}

impl FromRequestParts<Arc<Shared>> for Precondition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, Problem> {
        Named::read(&parts.headers, IF_MATCH).map(Self)
    }
}

/// What a header of tags may hold; several with commas between them are taken too.
const TAGS: &str = r#"^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*"){0,63})?$"#;

fn describe(context: &mut GenContext, operation: &mut Operation, name: &str, says: &str) {
    let schema = json_schema!({
        "properties": {
            name: { "type": "string", "pattern": TAGS, "description": says },
        },
    });
    let parameters = parameters_from_schema(context, schema, ParamLocation::Header);
    add_parameters(context, operation, parameters);
    shape::add(context, operation, &[&catalogue::HEADER]);
}

impl OperationInput for Known {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let says = "The tags of answers that the client has: one of these is not sent again.";
        describe(context, operation, "If-None-Match", says);
    }
}

impl OperationInput for Precondition {
    fn operation_input(context: &mut GenContext, operation: &mut Operation) {
        let says = "The tag of what was read: only that is changed. `*` is whatever there is.";
        describe(context, operation, "If-Match", says);
        shape::add(context, operation, &[&catalogue::PRECONDITION]);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn named(values: &[&str]) -> Result<Named, Problem> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, HeaderValue::from_str(value).unwrap());
        }
        Named::read(&headers, IF_MATCH)
    }

    fn allows(values: &[&str], version: Version) -> bool {
        Precondition(named(values).unwrap()).check(version).is_ok()
    }

    #[test]
    fn only_the_version_that_was_read_is_changed() {
        let read = tag(7, b"as it was shown to one");
        let other = tag(6, b"before");
        let weak = format!("W/{read}");
        assert!(allows(&[], 8));
        assert!(allows(&["*"], 8));
        assert!(allows(&[&read], 7));
        assert!(!allows(&[&read], 8));
        assert!(allows(&[&format!("{other}, {read}")], 7));
        assert!(allows(&[&other, &read], 7));
        assert!(!allows(&[&weak], 7), "a weak tag is no promise");
        assert!(!allows(&["\"7\""], 7), "that was never given out");
        assert!(!allows(&[""], 7));
    }

    #[test]
    fn what_the_client_has_is_told_from_anything_else_that_is_shown() {
        let (one, other) = (tag(7, b"{\"a\":1}"), tag(7, b"{\"a\":2}"));
        let known = Known(named(&[&one]).unwrap());
        assert!(known.has(&one));
        assert!(!known.has(&other));
        assert!(Known(named(&[&format!("W/{one}")]).unwrap()).has(&one));
        assert!(Known(named(&["*"]).unwrap()).has(&other));
        assert!(!Known::default().has(&one));
    }

    #[test]
    fn a_header_that_is_malformed_is_refused() {
        for values in [
            vec!["7"],
            vec!["\"7"],
            vec!["\"7\" \"8\""],
            vec!["*", "\"7\""],
            vec!["w/\"7\""],
        ] {
            assert!(named(&values).is_err(), "{values:?}");
        }
    }
}
